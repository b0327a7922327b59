// SPDX-License-Identifier: Apache-2.0
/// bind: fills the weights of a model from a checkpoint. Names and shapes are said once, by the weights themselves
/// (`each(visit)`); a first walk compares them with the files and reports every mistake at once, a second walk fills.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/progress.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/source.hpp>
#include <llava/checkpoint/tensor_names.hpp>

LLAVA_BEGIN

namespace detail {

/// "(4096, 1024)"
template <class Dims>
std::string text_of_dims(const Dims& dims, std::size_t rank) {
  std::string s = "(";
  for (std::size_t i = 0; i < rank; ++i) s += (i ? ", " : "") + std::to_string(dims[i]);
  return s + ")";
}

/// What is wrong with one tensor for one slot, or nothing.
template <checkpoint_source Source, class Slot, class Dims>
std::string mismatch_of(const Source& source, const std::string& name, const Slot& slot, const Dims& dims) {
  const stored_tensor* t = source.find(name);
  if (!t) return name + ": missing, expected " + text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank));
  if (!slot.takes(t->format))
    return text_of(name, ": is stored as ", t->format, " in ", t->file, "; open the model with weights of ", t->format);
  if (!t->format.empty()) {
    const std::int64_t stored[] = {dims.rows(), slot.stored_row_bytes(dims.columns())};
    if (t->type == dtype::uint8 && t->dims.size() == 2 && t->dims[0] == static_cast<std::size_t>(stored[0]) &&
        t->dims[1] == static_cast<std::size_t>(stored[1]))
      return {};
    return text_of(name, ": expected ", t->format, " rows of ", text_of_dims(stored, 2), " bytes, found ",
                   text_of_dims(t->dims, t->dims.size()), " of ", name_of(t->type), " in ", t->file);
  }
  bool equal = t->dims.size() == static_cast<std::size_t>(dims.rank);
  for (std::size_t i = 0; equal && i < t->dims.size(); ++i)
    equal = t->dims[i] == static_cast<std::size_t>(dims.extent[i]);
  if (!equal)
    return text_of(name, ": expected ", text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)), ", found ",
                   text_of_dims(t->dims, t->dims.size()), " in ", t->file);
  if (t->type != dtype::float32 && t->type != dtype::float16 && t->type != dtype::bfloat16)
    return text_of(name, ": expected f32, f16 or bf16, found ", name_of(t->type), " in ", t->file);
  return {};
}

}  // namespace detail

/// All that is wrong with a folder's tensors, in one error.
inline result<void> try_accept(const std::vector<std::string>& mistakes, std::string_view folder) {
  if (mistakes.empty()) return {};
  constexpr std::size_t most = 20;
  std::string sentence = text_of("llava: ", mistakes.size(), " tensors of ", folder, " do not fit this model:");
  for (std::size_t i = 0; i < mistakes.size() && i < most; ++i) sentence += "\n  " + mistakes[i];
  if (mistakes.size() > most) sentence += text_of("\n  and ", mistakes.size() - most, " more");
  return fail(errc::mismatch, std::move(sentence));
}

/// Fills `stages`, each with each(visit), from `source`, whose memory must outlive them. `budget`: bytes that may be
/// allocated for it; weights used where they are mapped count nothing. What must be converted is, on `threads`; what `packed`
/// holds already laid out is used there.
template <checkpoint_source Source, class... Stages>
result<void> try_bind(const Source& source, const tensor_names& names, std::string_view folder, std::uint64_t budget,
                      executor& threads, const packed_weights& packed, progress_callback report, Stages&... stages) {
  std::vector<std::string> mistakes;
  std::uint64_t total = 0, done = 0, needed = 0;
  const auto check = [&](const std::string& name, auto& slot, const auto& dims) {
    const std::string stored = names.file_name(name);
    std::string mistake = detail::mismatch_of(source, stored, slot, dims);
    if (mistake.empty()) {
      total += static_cast<std::uint64_t>(dims.size());
      const stored_tensor& t = *source.find(stored);
      if (packed.find(t.name, slot.packed_layout()).empty())
        needed += slot.bytes_needed({t.type, t.bytes.data(), t.format}, dims);
    } else {
      mistakes.push_back(std::move(mistake));
    }
  };
  (stages.each(check), ...);
  LLAVA_CHECK(try_accept(mistakes, folder));
  if (needed > budget)
    return fail(errc::out_of_memory, text_of("llava: the weights of ", folder, " need ", needed,
                                             " bytes in this format, ", budget, " are left of the memory budget"));

  result<void> filled;
  const auto fill = [&](const std::string& name, auto& slot, const auto& dims) {
    if (!filled) return;
    const stored_tensor& t = *source.find(names.file_name(name));
    if (!slot.try_map(packed.find(t.name, slot.packed_layout()), dims))
      filled = slot.try_fill({t.type, t.bytes.data(), t.format}, dims, t.name, &threads);
    done += static_cast<std::uint64_t>(dims.size());
    if (filled && !report({"loading weights", done, total}))
      filled = fail(errc::cancelled, text_of("llava: loading ", folder, " was cancelled"));
  };
  (stages.each(fill), ...);
  return filled;
}

/// The weights of `stages` that a backend has laid out its own way, for packed_weights::try_write.
template <class... Stages>
std::vector<packed_weights::item> packed_items(const tensor_names& names, Stages&... stages) {
  std::vector<packed_weights::item> items;
  const auto collect = [&](const std::string& name, auto& slot, const auto&) {
    if (!slot.packed().empty()) items.push_back({names.file_name(name), slot.packed_layout(), slot.packed()});
  };
  (stages.each(collect), ...);
  return items;
}

LLAVA_END
