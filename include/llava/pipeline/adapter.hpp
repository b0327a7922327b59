// SPDX-License-Identifier: Apache-2.0
/// adapter: a LoRA adapter of an opened model, in the memory of the model's backend. pipeline/load_adapter.hpp loads
/// one. Sessions share it; its memory is freed when the last of them, and the program, let go of it. It keeps its model
/// open. It does not change after loading, so any thread may use it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/ops/low_rank.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/tensor/buffer.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

class opened_model;

/// A LoRA adapter of an opened model.
class adapter {
 public:
  /// For try_load_adapter. `weights` are in the order of their addresses, and `memory` holds their A and B.
  adapter(std::shared_ptr<const opened_model> model, const kv_key& name, std::string folder,
          std::vector<low_rank_weight> weights, std::vector<buffer> memory)
      : model_(std::move(model)),
        name_(name),
        folder_(std::move(folder)),
        weights_(std::move(weights)),
        memory_(std::move(memory)) {}

  const std::string& folder() const { return folder_; }
  /// Differs from that of any other adapter of the model.
  const kv_key& name() const { return name_; }
  const opened_model& model() const { return *model_; }
  std::span<const low_rank_weight> weights() const { return weights_; }
  /// Its size in the backend's memory.
  std::uint64_t bytes() const {
    std::uint64_t all = 0;
    for (const buffer& b : memory_) all += b.size();
    return all;
  }

 private:
  std::shared_ptr<const opened_model> model_;
  kv_key name_;
  std::string folder_;
  std::vector<low_rank_weight> weights_;
  std::vector<buffer> memory_;
};

/// A weight that may have adapters: its name and the products that read it.
struct adaptable_weight {
  std::string name;  ///< our name (checkpoint/tensor_names.hpp)
  multiplied_weight product;
};

namespace detail {

/// The weights of the stages that planned products have read, each as a whole, in the order of their addresses. The
/// head is not among them: the rows of its product are not those of a step.
template <class Stages>
std::vector<adaptable_weight> adaptable_weights(Stages& stages, std::span<const multiplied_weight> multiplied) {
  std::vector<adaptable_weight> all;
  stages.each([&](const std::string& name, auto& slot, const tensor_dims& dims) {
    if (name == "text.lm_head.weight" || name == "text.embed_tokens.weight") return;
    const void* const weight = ops::address_of(slot.view());
    const multiplied_weight* read = nullptr;
    bool whole = true;
    for (const multiplied_weight& m : multiplied)
      if (m.weight == weight) read = &m, whole = whole && m.rows == dims.rows() && m.columns == dims.columns();
    if (read && whole) all.push_back({name, *read});
  });
  std::sort(all.begin(), all.end(), [](const adaptable_weight& a, const adaptable_weight& b) {
    return ops::is_before(a.product.weight, b.product.weight);
  });
  // Two names of one weight cannot be told apart by its address.
  for (auto first = all.begin(); first != all.end();) {
    auto last = first;
    while (last != all.end() && last->product.weight == first->product.weight) ++last;
    first = last - first > 1 ? all.erase(first, last) : last;
  }
  return all;
}

/// Gives the rows of a step's parts their adapters.
template <class Q>
void adapt_rows(Q& q, std::span<const step_part> parts) {
  q.adapt_none();
  std::ptrdiff_t first = 0;
  for (const step_part& p : parts) {
    const auto count = static_cast<std::ptrdiff_t>(p.tokens.size());
    if (p.adapter) q.adapt(first, count, p.adapter->weights());
    first += count;
  }
}

}  // namespace detail

LLAVA_END
