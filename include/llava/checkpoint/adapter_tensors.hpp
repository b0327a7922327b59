// SPDX-License-Identifier: Apache-2.0
/// adapter_tensors: the tensors of a PEFT adapter by the modules that they change. The names are those of PEFT's
/// adapter_model files:
///
///   base_model.model.<module>.lora_A.weight (r, K), .lora_B.weight (N, r), .lora_magnitude_vector (N)
///   base_model.model.<module>.lora_embedding_A (r, V), .lora_embedding_B (D, r)         is refused
///   base_model.model.<module>.weight, .bias                                  a module saved whole
///
/// A tensor with another name is an error that names it (R19).
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/adapter_config.hpp>
#include <llava/checkpoint/low_rank_rows.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/text/shown.hpp>

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

inline error misfit_of_adapter(const stored_tensor& t, std::string_view why) {
  return fail(errc::mismatch, text_of("llava: ", t.file, ": ", shown(t.name), ": ", why));
}

}  // namespace detail

/// The tensors of an adapter.
struct adapter_tensors {
  std::map<std::string, low_rank, std::less<>> pairs;               ///< by module
  std::vector<std::pair<std::string, const stored_tensor*>> whole;  ///< the base's name of a tensor saved whole

  /// `adapter` must outlive the lists.
  static result<adapter_tensors> try_sort(const tensor_source& adapter, const std::string& folder) {
    adapter_tensors all;
    result<void> outcome;
    adapter.for_each([&](const stored_tensor& t) {
      if (outcome) outcome = all.try_add(t);
    });
    LLAVA_CHECK(std::move(outcome));
    if (all.pairs.empty() && all.whole.empty())
      return fail(errc::invalid_format, text_of("llava: ", folder, " holds an adapter without tensors"));
    return result<adapter_tensors>(std::move(all));
  }

  /// Checks the pair of a module against its weight (rows, columns), and sets its rank and scale.
  static result<void> try_complete(low_rank& pair, std::string_view module, const adapter_config& config,
                                   const std::string& folder, std::size_t rows, std::size_t columns) {
    const auto bad = [&](std::string_view what) {
      return fail(errc::mismatch, text_of("llava: ", folder, ": the adapter of ", detail::shown(module), " ", what));
    };
    if (!pair.a || !pair.b) return bad(pair.a ? "has no lora_B" : "has no lora_A");
    if (config.dora != (pair.magnitudes != nullptr))
      return bad(config.dora ? "has no lora_magnitude_vector, but use_dora is true"
                             : "has a lora_magnitude_vector, but use_dora is false");
    pair.rank = config.rank_of(module);
    pair.scale = config.scale_of(module);
    const auto rank = static_cast<std::size_t>(pair.rank);
    LLAVA_CHECK(try_fit(*pair.a, {rank, columns}));
    LLAVA_CHECK(try_fit(*pair.b, {rows, rank}));
    if (pair.magnitudes && pair.magnitudes->dims != std::vector<std::size_t>{1, rows})
      LLAVA_CHECK(try_fit(*pair.magnitudes, {rows}));
    return {};
  }

 private:
  /// Adds one tensor to the pair of its module, or to the tensors saved whole.
  result<void> try_add(const stored_tensor& t) {
    std::string_view name = t.name;
    constexpr std::string_view prefix = "base_model.model.";
    if (!name.starts_with(prefix))
      return detail::misfit_of_adapter(t, "its name does not begin with base_model.model.");
    name.remove_prefix(prefix.size());
    std::string_view module = name;
    for (const std::string_view end : {".weight", ".default"}) detail::cut_end(module, end);
    detail::cut_end(module, ".default");
    if (module.ends_with(".lora_embedding_A") || module.ends_with(".lora_embedding_B"))
      return detail::misfit_of_adapter(
          t, "adapters of embeddings are not supported; merge it with peft (merge_and_unload)");
    if (detail::cut_end(module, ".lora_A")) return pairs[std::string(module)].a = &t, result<void>();
    if (detail::cut_end(module, ".lora_B")) return pairs[std::string(module)].b = &t, result<void>();
    if (detail::cut_end(module, ".lora_magnitude_vector"))
      return pairs[std::string(module)].magnitudes = &t, result<void>();
    if (module.find(".lora_") != std::string_view::npos)
      return detail::misfit_of_adapter(t, "this part of an adapter is not known");

    std::string base_name(name);
    for (const std::string_view inner : {".modules_to_save.default", ".modules_to_save", ".base_layer"})
      if (const std::size_t at = base_name.find(inner); at != std::string::npos) base_name.erase(at, inner.size());
    whole.emplace_back(std::move(base_name), &t);
    return {};
  }

  static result<void> try_fit(const stored_tensor& t, const std::vector<std::size_t>& dims) {
    if (!is_float(t)) return detail::misfit_of_adapter(t, "it is not f32, f16 or bf16");
    if (t.rows)  // low_rank_rows reads single elements
      return detail::misfit_of_adapter(t, "its elements are not contiguous; save it after contiguous()");
    if (t.dims == dims) return {};
    return detail::misfit_of_adapter(t, text_of("expected ", detail::text_of_dims(dims, dims.size()), ", found ",
                                                detail::text_of_dims(t.dims, t.dims.size())));
  }
};

LLAVA_END
