// SPDX-License-Identifier: Apache-2.0
/// Definitions of load_adapter.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/adapter_folder.hpp>
#include <llava/checkpoint/adapter_tensors.hpp>
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/nn/weight.hpp>
#include <llava/pipeline/load_adapter.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// The rows of a tensor, each element times a factor.
class scaled_rows final : public row_source {
 public:
  scaled_rows(const row_source& rows, float factor, std::int64_t columns)
      : rows_(&rows), factor_(factor), columns_(columns) {}
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    rows_->read(first, count, to);
    for (std::int64_t i = 0; i < count * columns_; ++i) to[i] *= factor_;
  }

 private:
  const row_source* rows_;
  float factor_;
  std::int64_t columns_;
};

inline constexpr std::string_view merged_instead =
    "open the adapter's folder with its base as model_base (--model-base) instead, which merges it";

/// Loads the pairs of one adapter, weight by weight.
class adapter_loader {
 public:
  adapter_loader(const opened_model& model, std::span<const adaptable_weight> adaptable, const memory& to,
                 const adapter_config& config, const std::string& folder)
      : model_(&model), memory_(&to), config_(&config), folder_(&folder) {
    std::map<std::string_view, const multiplied_weight*> products;
    for (const adaptable_weight& w : adaptable) products.emplace(w.name, &w.product);
    model.opened.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
      const auto found = products.find(name);
      weights_.insert_or_assign(&t, own_weight{name, found == products.end() ? nullptr : found->second});
    });
  }

  std::vector<low_rank_weight> weights;
  std::vector<buffer> memory_of_weights;

  result<void> try_load(const std::string& module, low_rank& pair, int max_rank) {
    const checkpoint& opened = model_->opened;
    const stored_tensor* stored = find_for_adapter(opened.tensors.files(), module + ".weight");
    if (!stored) return bad(module, "changes a weight that the model does not have, ", shown(module + ".weight"));
    const auto own = weights_.find(stored);
    if (own == weights_.end() || !own->second.product) {
      const bool runs = own == weights_.end() ? !tensor_names::is_of_tower(stored->name)
                                              : is_required(own->second.name, opened.description);
      if (!runs) return {};
      return bad(module, "changes ", shown(stored->name), ", which cannot have a live adapter; ", merged_instead);
    }
    const multiplied_weight& w = *own->second.product;
    LLAVA_CHECK(adapter_tensors::try_complete(pair, module, *config_, *folder_, static_cast<std::size_t>(w.rows),
                                              static_cast<std::size_t>(w.columns)));
    if (pair.rank > max_rank)
      return bad(module, "has rank ", pair.rank, "; the model was opened for ranks up to ", max_rank,
                 ": open it with a larger max_rank, or ", merged_instead);
    if (std::exchange(own->second.is_changed, true))
      return bad(module, "changes ", shown(stored->name), ", which another module's adapter also changes");
    LLAVA_TRY(a, try_fill(*pair.a, module, 1.f, w.operand, pair.rank, w.columns));
    LLAVA_TRY(b, try_fill(*pair.b, module, pair.scale, w.operand, w.rows, pair.rank));
    weights.push_back({w.weight, a.data(), b.data(), pair.rank});
    memory_of_weights.push_back(std::move(a));
    memory_of_weights.push_back(std::move(b));
    return {};
  }

 private:
  template <class... What>
  error bad(const std::string& module, const What&... what) const {
    return fail(errc::mismatch, text_of("llava: ", *folder_, ": the adapter of ", shown(module), " ", what...));
  }
  result<buffer> try_fill(const stored_tensor& t, const std::string& module, float factor, dtype to, std::int64_t rows,
                          std::int64_t columns) const {
    return t.with_rows(columns, [&](const row_source& from) -> result<buffer> {
      const scaled_rows scaled(from, factor, columns);
      if (!is_finite(scaled, to, rows, columns))
        return bad(module, "has numbers in ", shown(t.name), " that are not finite as ", name_of(to),
                   factor == 1.f ? "" : " after they are scaled", "; ", merged_instead);
      return try_convert(scaled, to, rows, columns, t.name, *memory_, model_->threads.get());
    });
  }
  /// Whether every element is finite when it is rounded to a type.
  static bool is_finite(const row_source& rows, dtype as, std::int64_t count, std::int64_t columns) {
    std::vector<float> row(static_cast<std::size_t>(columns));
    for (std::int64_t r = 0; r < count; ++r) {
      rows.read(r, 1, row.data());
      for (const float x : row)
        if (!std::isfinite(as == dtype::float16    ? to_float(from_float<f16>(x))
                           : as == dtype::bfloat16 ? to_float(from_float<bf16>(x))
                                                   : x))
          return false;
    }
    return true;
  }

  /// A tensor of the model: our name, and the products that read it, if it may have adapters.
  struct own_weight {
    std::string_view name;
    const multiplied_weight* product = nullptr;
    bool is_changed = false;
  };

  const opened_model* model_;
  std::map<const stored_tensor*, own_weight> weights_;
  const memory* memory_;
  const adapter_config* config_;
  const std::string* folder_;
};

/// Refuses what only a merged adapter can have.
inline result<void> try_confirm_live(const adapter_tensors& sorted, const adapter_config& config,
                                     const std::string& folder) {
  const auto refuse = [&](const auto&... what) {
    return fail(errc::unsupported, text_of("llava: ", folder, ": ", what..., "; ", merged_instead));
  };
  if (config.dora) return refuse("a DoRA adapter cannot be live");
  if (!sorted.whole.empty())
    return refuse("the adapter saves ", shown(sorted.whole.front().first), " whole, which a live adapter cannot");
  if (file_exists(trained_beside_adapter(folder)))
    return refuse("non_lora_trainables.bin holds other weights, which a live adapter cannot");
  return {};
}

LLAVA_INLINE result<std::shared_ptr<const adapter>> try_load_adapter(std::shared_ptr<const opened_model> model,
                                                                     std::span<const adaptable_weight> weights,
                                                                     const memory& to, int max_rank,
                                                                     std::string_view where) {
  return guarded([&]() -> result<std::shared_ptr<const adapter>> {
    std::string folder(where);
    LLAVA_TRY(config, try_read_adapter_config(folder));
    LLAVA_TRY(tensors, try_open_adapter_file(folder));
    LLAVA_TRY(sorted, adapter_tensors::try_sort(*tensors, folder));
    LLAVA_CHECK(try_confirm_live(sorted, config, folder));
    adapter_loader loader(*model, weights, to, config, folder);
    for (auto& [module, pair] : sorted.pairs) LLAVA_CHECK(loader.try_load(module, pair, max_rank));
    if (loader.weights.empty())
      return fail(errc::mismatch, text_of("llava: ", folder, ": the adapter changes no part of the model that runs"));
    std::sort(loader.weights.begin(), loader.weights.end(),
              [](const low_rank_weight& a, const low_rank_weight& b) { return ops::is_before(a.weight, b.weight); });
    LLAVA_TRY(text, try_read_text_file(folder + "/adapter_config.json"));
    const std::string identity = text + "\n" + tensors->identity();
    const kv_key name = sha256().update(std::as_bytes(std::span(identity))).digest();
    return std::shared_ptr<const adapter>(std::make_shared<adapter>(
        std::move(model), name, std::move(folder), std::move(loader.weights), std::move(loader.memory_of_weights)));
  });
}

}  // namespace detail

LLAVA_END
