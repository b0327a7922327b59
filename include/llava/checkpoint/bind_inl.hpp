// SPDX-License-Identifier: Apache-2.0
/// Definitions of bind.hpp.
#pragma once
#include <algorithm>

#include <llava/checkpoint/bind.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

inline std::string_view type_of(const stored_tensor& t) {
  return t.unsupported_type.empty() ? name_of(t.type) : t.unsupported_type;
}

LLAVA_INLINE std::string mismatch_of(const checkpoint_tensors& tensors, const std::string& name,
                                     const weight_slot& slot, const tensor_dims& dims) {
  const stored_tensor* t = tensors.find(name);
  if (!t) {
    const std::string_view where = tensors.folder_of(name);
    return text_of(tensors.file_name(name), ": missing, expected ",
                   text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)), where.empty() ? "" : ", in ", where);
  }
  if (!slot.accepts(t->format))
    return text_of(shown(t->name), ": is stored as ", shown(t->format), " in ", t->file,
                   "; open the model with weights of ", shown(t->format));
  if (!t->format.empty()) {
    const std::int64_t stored[] = {dims.rows(), slot.encoding().row_bytes(dims.columns())};
    if (t->type == dtype::uint8 && t->unsupported_type.empty() && t->dims.size() == 2 &&
        t->dims[0] == static_cast<std::size_t>(stored[0]) && t->dims[1] == static_cast<std::size_t>(stored[1]))
      return {};
    return text_of(shown(t->name), ": expected ", t->format, " rows of ", text_of_dims(stored, 2), " bytes, found ",
                   text_of_dims(t->dims, t->dims.size()), " of ", type_of(*t), " in ", t->file);
  }
  if (!is_floating(t->type))
    return text_of(shown(t->name), ": expected f32, f16 or bf16, found ", type_of(*t), " in ", t->file);
  bool equal = t->dims.size() == static_cast<std::size_t>(dims.rank);
  for (std::size_t i = 0; equal && i < t->dims.size(); ++i)
    equal = t->dims[i] == static_cast<std::size_t>(dims.extent[i]);
  if (!equal)
    return text_of(shown(t->name), ": expected ", text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)),
                   ", found ", text_of_dims(t->dims, t->dims.size()), " in ", t->file);
  return {};
}

LLAVA_INLINE bool is_required(std::string_view name, const model_description& d) {
  const auto under = [&](std::string_view prefix) { return name.starts_with(prefix); };
  if (name.find("rotary_emb.inv_freq") != std::string_view::npos || name.find("position_ids") != std::string_view::npos)
    return false;
  if (under("vision."))
    return d.has_vision &&
           (under("vision.embeddings.") || under("vision.pre_layrnorm.") ||
            (under("vision.encoder.") && number_after(name, "vision.encoder.layers.") < d.vision.layers_run()));
  if (name == "image_newline") return d.image.tiling.has_newline();
  return !(d.text.tied && name == "text.lm_head.weight");
}

LLAVA_INLINE void add_unread(const checkpoint_tensors& tensors, const model_description& d,
                             std::vector<std::string> read, std::vector<std::string>& mistakes) {
  std::sort(read.begin(), read.end());
  tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    if (!std::binary_search(read.begin(), read.end(), name) && is_required(name, d))
      mistakes.push_back(text_of(shown(t.name), ": is in ", t.file, ", but no part of this model reads it"));
  });
}

}  // namespace detail

LLAVA_INLINE result<void> try_accept(const std::vector<std::string>& mistakes, std::string_view folder) {
  if (mistakes.empty()) return {};
  constexpr std::size_t most = 20;
  std::string sentence = text_of("llava: ", mistakes.size(), " tensors of ", folder, " do not fit this model:");
  for (std::size_t i = 0; i < mistakes.size() && i < most; ++i) sentence += "\n  " + mistakes[i];
  if (mistakes.size() > most) sentence += text_of("\n  and ", mistakes.size() - most, " more");
  return fail(errc::mismatch, std::move(sentence));
}

LLAVA_INLINE void weight_binding::check_one(const std::string& name, weight_slot& slot, const tensor_dims& dims) {
  read_.push_back(name);
  if (const stored_tensor* found = tensors_->find(name))
    found->with_rows(dims.columns(), [&](const row_source& rows) { slot.choose(rows); });
  std::string mistake = detail::mismatch_of(*tensors_, name, slot, dims);
  if (!mistake.empty()) {
    mistakes_.push_back(std::move(mistake));
    return;
  }
  const stored_tensor& t = *tensors_->find(name);
  total_ += static_cast<std::uint64_t>(dims.size());
  if (!slot.can_map(packed_->find(t.name, slot.packed_layout()), dims))
    needed_ += t.with_rows(dims.columns(), [&](const row_source& rows) { return slot.bytes_needed(rows, dims); });
}

LLAVA_INLINE result<void> weight_binding::try_accept() const { return llava::try_accept(mistakes_, path_); }

LLAVA_INLINE result<void> weight_binding::try_fill_one(const std::string& name, weight_slot& slot,
                                                       const tensor_dims& dims, const progress_callback& report) {
  const stored_tensor& t = *tensors_->find(name);
  if (const auto packed = packed_->find(t.name, slot.packed_layout()); slot.can_map(packed, dims))
    slot.map(packed, dims);
  else
    LLAVA_CHECK(t.with_rows(
        dims.columns(), [&](const row_source& rows) { return slot.try_fill(rows, dims, t.name, *memory_, threads_); }));
  if (!slot.packed().empty()) laid_out_.push_back({t.name, slot.packed_layout(), slot.packed()});
  // The pages that were converted are given back from time to time. Those that are used in place return when read.
  constexpr std::uint64_t kept = std::uint64_t{1} << 27;  // values
  const auto size = static_cast<std::uint64_t>(dims.size());
  done_ += size;
  if (done_ / kept != (done_ - size) / kept || done_ == total_) tensors_->forget_pages();
  if (!report({"loading weights", done_, total_}))
    return fail(errc::cancelled, text_of("llava: loading ", path_, " was cancelled"));
  return {};
}

LLAVA_INLINE std::vector<packed_weights::item> weight_binding::weights_to_cache() const {
  for (const packed_weights::item& i : laid_out_)
    if (packed_->find(i.name, i.layout).empty()) return laid_out_;
  return {};
}

LLAVA_END
