// SPDX-License-Identifier: Apache-2.0
/// tensors_over_base: the tensors of a base model, with those of mm_projector.bin over them, the file in which LLaVA's
/// first stage of training saves what it trained: the projector, and for some models the table of embeddings. The
/// reference (--model-base) rounds them to f16 and loads them over the base, by name.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/tensor_source.hpp>
#include <llava/checkpoint/torch_file.hpp>

LLAVA_BEGIN

namespace detail {

/// The rows of a stored tensor, which must outlive them, rounded to f16. `columns` elements each.
class rows_as_f16 final : public row_source {
 public:
  rows_as_f16(const stored_tensor& from, std::int64_t columns) : from_(&from), columns_(columns) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    from_->with_rows(columns_, [&](const row_source& rows) { rows.read(first, count, to); });
    for (std::int64_t i = 0; i < count * columns_; ++i) to[i] = to_float(from_float<f16>(to[i]));
  }

 private:
  const stored_tensor* from_;
  std::int64_t columns_;
};

}  // namespace detail

/// The tensors of a base, and those of a torch file instead of the base's of the same names. Owns the files.
class tensors_over_base final : public tensor_source {
 public:
  tensors_over_base(std::unique_ptr<const tensor_source> base, torch_file over)
      : base_(std::move(base)), file_(std::move(over)) {
    file_.for_each([&](const stored_tensor& t) { over_.emplace(t.name, as_f16(t)); });
  }

  const stored_tensor* find(std::string_view name) const override {
    const auto found = over_.find(name);
    return found == over_.end() ? base_->find(name) : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : over_) visit(t);
    base_->for_each([&](const stored_tensor& t) {
      if (!over_.contains(t.name)) visit(t);
    });
  }
  std::string identity() const override { return file_.identity() + "\n" + base_->identity(); }

 private:
  static stored_tensor as_f16(const stored_tensor& t) {
    stored_tensor rounded = t;
    const bool is_wider = t.type == dtype::float32 || t.type == dtype::bfloat16;
    if (!is_wider || !t.unsupported_type.empty()) return rounded;
    std::int64_t columns = 1;
    for (std::size_t i = 1; i < t.dims.size(); ++i) columns *= static_cast<std::int64_t>(t.dims[i]);
    rounded.type = dtype::float16, rounded.bytes = {};
    rounded.rows = std::make_shared<detail::rows_as_f16>(t, columns);
    return rounded;
  }

  std::unique_ptr<const tensor_source> base_;
  torch_file file_;
  std::map<std::string, stored_tensor, std::less<>> over_;
};

LLAVA_END
