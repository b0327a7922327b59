// SPDX-License-Identifier: Apache-2.0
/// merged_tensors: the tensors of a base model with a PEFT adapter (LoRA, rsLoRA, DoRA) merged into them. A weight that
/// the adapter changes has computed rows (low_rank_rows.hpp); modules that the adapter saves whole replace the base's;
/// all others are the base's.
///
/// Every tensor of the adapter must find its place (R19): a pair without its other half, a module that the base lacks,
/// or a shape that does not fit is an error that names the tensor.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/adapter_tensors.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// A base's tensors with an adapter merged into them.
class merged_tensors final : public tensor_source {
 public:
  /// `folder` is the adapter's, for errors.
  static result<merged_tensors> try_make(std::unique_ptr<const tensor_source> base,
                                         std::unique_ptr<const tensor_source> adapter, const adapter_config& config,
                                         const std::string& folder) {
    return guarded([&]() -> result<merged_tensors> {
      merged_tensors all;
      LLAVA_TRY(sorted, adapter_tensors::try_sort(*adapter, folder));
      for (const auto& [name, whole] : sorted.whole) LLAVA_CHECK(all.try_replace(*base, name, *whole));
      for (auto& [module, pair] : sorted.pairs) LLAVA_CHECK(all.try_merge(*base, module, pair, config, folder));
      all.base_ = std::move(base);
      all.adapter_ = std::move(adapter);
      all.settings_ = text_of("scale of a module of rank ", config.rank, ": ",
                              static_cast<std::int64_t>(1e6 * double{config.scale_of({})}), "e-6",
                              config.rank_stabilised ? ", rsLoRA" : "");
      for (const auto& [module, alpha] : config.alphas)
        all.settings_ += text_of(", alpha of ", module, ": ", static_cast<std::int64_t>(1e6 * alpha), "e-6");
      return result<merged_tensors>(std::move(all));
    });
  }

  const stored_tensor* find(std::string_view name) const override {
    const stored_tensor* const own = find_in(changed_, name);
    return own ? own : base_->find(name);
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    base_->for_each([&](const stored_tensor& t) {
      const stored_tensor* const own = find_in(changed_, t.name);
      visit(own ? *own : t);
    });
  }
  std::string identity() const override { return base_->identity() + adapter_->identity() + settings_; }
  void forget_pages() const override { base_->forget_pages(), adapter_->forget_pages(); }

 private:
  result<void> try_replace(const tensor_source& base, const std::string& name, const stored_tensor& whole) {
    const stored_tensor* replaced = detail::find_for_adapter(base, name);
    if (!replaced) return detail::misfit_of_adapter(whole, text_of("the base has no tensor ", name));
    stored_tensor own = whole;
    own.name = replaced->name;
    changed_.insert_or_assign(replaced->name, std::move(own));
    return {};
  }

  result<void> try_merge(const tensor_source& base, const std::string& module, low_rank& pair,
                         const adapter_config& config, const std::string& folder) {
    const auto bad = [&](const auto&... what) {
      return fail(errc::mismatch, text_of("llava: ", folder, ": the adapter of ", detail::shown(module), " ", what...));
    };
    const stored_tensor* weight = detail::find_for_adapter(base, module + ".weight");
    if (!weight) return bad("changes a weight that the base does not have, ", detail::shown(module + ".weight"));
    if (!weight->format.empty())
      return bad("changes a weight that the base stores as ", weight->format, "; give the base in f16, bf16 or f32");
    if (!is_float(*weight)) return bad("changes a weight that the base stores neither as f32 nor as f16 or bf16");
    if (weight->dims.size() != 2) return bad("changes a weight that is not a matrix");
    const std::size_t rows = weight->dims[0], columns = weight->dims[1];
    LLAVA_CHECK(adapter_tensors::try_complete(pair, module, config, folder, rows, columns));
    stored_tensor merged{weight->name, weight->type, {}, weight->dims, {}, weight->file};
    merged.rows = std::make_shared<low_rank_rows>(*weight, pair, static_cast<std::int64_t>(columns));
    if (!changed_.try_emplace(weight->name, std::move(merged)).second)
      return bad("changes ", detail::shown(weight->name), ", which the adapter also saves whole");
    return {};
  }

  std::unique_ptr<const tensor_source> base_, adapter_;
  tensor_map changed_;  // by the base's names
  std::string settings_;
};

LLAVA_END
