// SPDX-License-Identifier: Apache-2.0
/// merged_tensors: the tensors of a base model with a PEFT adapter (LoRA, rsLoRA, DoRA) merged into them. A weight that
/// the adapter changes has computed rows (low_rank_rows.hpp); modules that the adapter saves whole replace the base's;
/// all others are the base's. The names are those of PEFT's adapter_model files:
///
///   base_model.model.<module>.lora_A.weight (r, K), .lora_B.weight (N, r), .lora_magnitude_vector (N)
///   base_model.model.<module>.lora_embedding_A (r, V), .lora_embedding_B (D, r)         is refused
///   base_model.model.<module>.weight, .bias                                  a module saved whole
///
/// Every tensor of the adapter must find its place (R19): a pair without its other half, a module that the base lacks,
/// or a shape that does not fit is an error that names the tensor.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/adapter_config.hpp>
#include <llava/checkpoint/low_rank_rows.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

namespace detail {

/// Removes `end` from the end of `name`; false when it is not there.
inline bool cut_end(std::string_view& name, std::string_view end) {
  if (!name.ends_with(end)) return false;
  name.remove_suffix(end.size());
  return true;
}

/// The base's tensor with the name that an adapter uses. transformers names the parts of a LLaVA model differently
/// since 4.52; an adapter and its base may be from both sides.
inline const stored_tensor* find_for_adapter(const tensor_source& base, std::string_view name) {
  if (const stored_tensor* t = base.find(name)) return t;
  constexpr std::pair<std::string_view, std::string_view> spellings[] = {
      {"language_model.model.", "model.language_model."},
      {"language_model.lm_head.", "lm_head."},
      {"vision_tower.", "model.vision_tower."},
      {"multi_modal_projector.", "model.multi_modal_projector."}};
  for (const auto& [older, newer] : spellings) {
    if (name.starts_with(older))
      if (const stored_tensor* t = base.find(text_of(newer, name.substr(older.size())))) return t;
    if (name.starts_with(newer))
      if (const stored_tensor* t = base.find(text_of(older, name.substr(newer.size())))) return t;
  }
  return nullptr;
}

}  // namespace detail

/// A base's tensors with an adapter merged into them.
class merged_tensors final : public tensor_source {
 public:
  /// `folder` is the adapter's, for errors.
  static result<merged_tensors> try_make(std::unique_ptr<const tensor_source> base,
                                         std::unique_ptr<const tensor_source> adapter, const adapter_config& config,
                                         const std::string& folder) {
    return guarded([&]() -> result<merged_tensors> {
      merged_tensors all;
      result<void> outcome;
      std::map<std::string, low_rank, std::less<>> pairs;
      adapter->for_each([&](const stored_tensor& t) {
        if (outcome) outcome = all.try_sort(*base, t, pairs);
      });
      LLAVA_CHECK(std::move(outcome));
      for (auto& [module, pair] : pairs) LLAVA_CHECK(all.try_merge(*base, module, pair, config, folder));
      if (all.changed_.empty())
        return fail(errc::invalid_format, text_of("llava: ", folder, " holds an adapter without tensors"));
      all.base_ = std::move(base);
      all.adapter_ = std::move(adapter);
      all.settings_ = text_of("scale of a module of rank ", config.rank, ": ",
                              static_cast<std::int64_t>(1e6 * double{config.scale_of({})}), "e-6");
      return result<merged_tensors>(std::move(all));
    });
  }

  const stored_tensor* find(std::string_view name) const override {
    const auto found = changed_.find(name);
    return found == changed_.end() ? base_->find(name) : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    base_->for_each([&](const stored_tensor& t) {
      const auto found = changed_.find(t.name);
      visit(found == changed_.end() ? t : found->second);
    });
  }
  std::string identity() const override { return base_->identity() + adapter_->identity() + settings_; }

 private:
  /// Adds one tensor of the adapter to the pair of its module, or to the tensors saved whole.
  result<void> try_sort(const tensor_source& base, const stored_tensor& t,
                        std::map<std::string, low_rank, std::less<>>& pairs) {
    std::string_view name = t.name;
    constexpr std::string_view prefix = "base_model.model.";
    if (!name.starts_with(prefix)) return misfit(t, "its name does not begin with base_model.model.");
    name.remove_prefix(prefix.size());
    std::string_view module = name;
    for (const std::string_view end : {".weight", ".default"}) detail::cut_end(module, end);
    detail::cut_end(module, ".default");
    if (module.ends_with(".lora_embedding_A") || module.ends_with(".lora_embedding_B"))
      return misfit(t, "adapters of embeddings are not supported; merge it with peft (merge_and_unload)");
    if (detail::cut_end(module, ".lora_A")) return pairs[std::string(module)].a = &t, result<void>();
    if (detail::cut_end(module, ".lora_B")) return pairs[std::string(module)].b = &t, result<void>();
    if (detail::cut_end(module, ".lora_magnitude_vector"))
      return pairs[std::string(module)].magnitudes = &t, result<void>();
    if (module.find(".lora_") != std::string_view::npos) return misfit(t, "this part of an adapter is not known");

    std::string whole(name);
    for (const std::string_view inner : {".modules_to_save.default", ".modules_to_save", ".base_layer"})
      if (const std::size_t at = whole.find(inner); at != std::string::npos) whole.erase(at, inner.size());
    const stored_tensor* replaced = detail::find_for_adapter(base, whole);
    if (!replaced) return misfit(t, text_of("the base has no tensor ", whole));
    stored_tensor own = t;
    own.name = replaced->name;
    changed_.insert_or_assign(replaced->name, std::move(own));
    return {};
  }

  result<void> try_merge(const tensor_source& base, const std::string& module, low_rank& pair,
                         const adapter_config& config, const std::string& folder) {
    const auto bad = [&](const auto&... what) {
      return fail(errc::mismatch, text_of("llava: ", folder, ": the adapter of ", module, " ", what...));
    };
    if (!pair.a || !pair.b) return bad("has no ", pair.a ? "lora_B" : "lora_A");
    if (config.dora != (pair.magnitudes != nullptr))
      return bad(config.dora ? "has no lora_magnitude_vector, but use_dora is true"
                             : "has a lora_magnitude_vector, but use_dora is false");
    const stored_tensor* weight = detail::find_for_adapter(base, module + ".weight");
    if (!weight) return bad("changes a weight that the base does not have, ", module, ".weight");
    if (!weight->format.empty())
      return bad("changes a weight that the base stores as ", weight->format, "; give the base in f16, bf16 or f32");
    pair.rank = config.rank_of(module);
    pair.scale = config.scale_of(module);
    const auto rank = static_cast<std::size_t>(pair.rank);
    if (weight->dims.size() != 2) return bad("changes a weight that is not a matrix");
    const std::size_t rows = weight->dims[0], columns = weight->dims[1];
    LLAVA_CHECK(try_fit(*pair.a, {rank, columns}));
    LLAVA_CHECK(try_fit(*pair.b, {rows, rank}));
    if (pair.magnitudes && pair.magnitudes->dims != std::vector<std::size_t>{1, rows})
      LLAVA_CHECK(try_fit(*pair.magnitudes, {rows}));
    stored_tensor merged{weight->name, weight->type, {}, weight->dims, {}, weight->file};
    merged.rows = std::make_shared<low_rank_rows>(*weight, pair, static_cast<std::int64_t>(columns));
    if (!changed_.try_emplace(weight->name, std::move(merged)).second)
      return bad("changes ", weight->name, ", which the adapter also saves whole");
    return {};
  }

  static result<void> try_fit(const stored_tensor& t, const std::vector<std::size_t>& dims) {
    const bool floats = t.type == dtype::float32 || t.type == dtype::float16 || t.type == dtype::bfloat16;
    if (!floats || !t.format.empty() || !t.unsupported_type.empty()) return misfit(t, "it is not f32, f16 or bf16");
    if (t.dims == dims) return {};
    const auto text = [](const std::vector<std::size_t>& d) {
      std::string s;
      for (const std::size_t extent : d) s += (s.empty() ? "" : ", ") + std::to_string(extent);
      return "(" + s + ")";
    };
    return misfit(t, text_of("expected ", text(dims), ", found ", text(t.dims)));
  }
  static error misfit(const stored_tensor& t, std::string_view why) {
    return fail(errc::mismatch, text_of("llava: ", t.file, ": ", t.name, ": ", why));
  }

  std::unique_ptr<const tensor_source> base_, adapter_;
  std::map<std::string, stored_tensor, std::less<>> changed_;  // by the base's names
  std::string settings_;
};

LLAVA_END
