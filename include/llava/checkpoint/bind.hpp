// SPDX-License-Identifier: Apache-2.0
/// bind: fills the weights of a model from a checkpoint. Names and shapes are said once, by the weights themselves
/// (`each(visit)`); a first walk compares them with the files and reports every mistake at once, a second walk fills. A
/// tensor of the files that a model would miss and does not read is a mistake as well.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/progress.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/source.hpp>
#include <llava/checkpoint/tensor_names.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

namespace detail {

/// "(4096, 1024)"
template <class Extents>
std::string text_of_dims(const Extents& extents, std::size_t rank) {
  std::string s = "(";
  for (std::size_t i = 0; i < rank; ++i) s += (i ? ", " : "") + std::to_string(extents[i]);
  return s + ")";
}

inline std::string_view type_of(const stored_tensor& t) {
  return t.foreign_type.empty() ? name_of(t.type) : t.foreign_type;
}

/// What is wrong with one tensor for one slot, or nothing.
template <checkpoint_source Source>
std::string mismatch_of(const Source& source, const std::string& name, const weight_slot& slot,
                        const tensor_dims& dims) {
  const stored_tensor* t = source.find(name);
  if (!t) return name + ": missing, expected " + text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank));
  if (!slot.takes(t->format))
    return text_of(name, ": is stored as ", t->format, " in ", t->file, "; open the model with weights of ", t->format);
  if (!t->format.empty()) {
    const std::int64_t stored[] = {dims.rows(), slot.stored_row_bytes(dims.columns())};
    if (t->type == dtype::uint8 && t->foreign_type.empty() && t->dims.size() == 2 &&
        t->dims[0] == static_cast<std::size_t>(stored[0]) && t->dims[1] == static_cast<std::size_t>(stored[1]))
      return {};
    return text_of(name, ": expected ", t->format, " rows of ", text_of_dims(stored, 2), " bytes, found ",
                   text_of_dims(t->dims, t->dims.size()), " of ", type_of(*t), " in ", t->file);
  }
  if (t->type != dtype::float32 && t->type != dtype::float16 && t->type != dtype::bfloat16)
    return text_of(name, ": expected f32, f16 or bf16, found ", type_of(*t), " in ", t->file);
  bool equal = t->dims.size() == static_cast<std::size_t>(dims.rank);
  for (std::size_t i = 0; equal && i < t->dims.size(); ++i)
    equal = t->dims[i] == static_cast<std::size_t>(dims.extent[i]);
  if (!equal)
    return text_of(name, ": expected ", text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)), ", found ",
                   text_of_dims(t->dims, t->dims.size()), " in ", t->file);
  return {};
}

/// Adds the tensors that a model would miss and no stage has asked for; `read`: the names that one has, in the files.
template <checkpoint_source Source>
void add_unread(const Source& source, const tensor_names& names, const model_description& d, bool has_tower,
                std::vector<std::string> read, std::vector<std::string>& mistakes) {
  std::sort(read.begin(), read.end());
  source.for_each([&](const stored_tensor& t) {
    if (!std::binary_search(read.begin(), read.end(), t.name) && names.must_be_read(t.name, d, has_tower))
      mistakes.push_back(text_of(t.name, ": stands in ", t.file, ", and nothing of this model reads it"));
  });
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

/// The weights of a model in the making, from one folder or from several (a vision tower may have its own). First
/// check() for each of them and its stages, then try_accept, then try_fill, in the same way. Stages have each(visit).
class weight_binding {
 public:
  /// What must be converted is, on `threads` into `to`; what `packed` holds already laid out is used there.
  weight_binding(std::string folder, const memory& to, executor& threads, const packed_weights& packed)
      : folder_(std::move(folder)), memory_(&to), threads_(&threads), packed_(&packed) {}

  /// Compares the stages' weights with `source`, in the folder `where`, both ways; keeps every mistake.
  template <checkpoint_source Source, class... Stages>
  void check(const Source& source, const model_description& d, const std::string& where, Stages&... stages) {
    const tensor_names names(d.names, source);
    std::vector<std::string> read;
    bool has_tower = false;
    const std::size_t before = mistakes_.size();
    const auto check_one = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      const std::string& stored = read.emplace_back(names.file_name(name));
      has_tower = has_tower || name.rfind("vision.", 0) == 0;
      std::string mistake = detail::mismatch_of(source, stored, slot, dims);
      if (!mistake.empty()) {
        mistakes_.push_back(std::move(mistake));
        return;
      }
      const stored_tensor& t = *source.find(stored);
      total_ += static_cast<std::uint64_t>(dims.size());
      if (packed_->find(t.name, slot.packed_layout()).empty())
        needed_ += slot.bytes_needed(rows_of_tensor(t, dims), dims);
    };
    (stages.each(visitor(check_one)), ...);
    for (std::size_t i = before; where != folder_ && i < mistakes_.size(); ++i) mistakes_[i] += ", of " + where;
    detail::add_unread(source, names, d, has_tower, std::move(read), mistakes_);
  }

  /// All mistakes in one error; or that more than `budget` bytes would have to be allocated. Weights used where they
  /// are mapped count nothing.
  result<void> try_accept(std::uint64_t budget) const {
    LLAVA_CHECK(llava::try_accept(mistakes_, folder_));
    if (needed_ > budget)
      return fail(errc::out_of_memory, text_of("llava: the weights of ", folder_, " need ", needed_,
                                               " bytes in this format, ", budget, " are left of the memory budget"));
    return {};
  }

  /// Fills the stages from `source`, whose memory must outlive them, and reports after each tensor.
  template <checkpoint_source Source, class... Stages>
  result<void> try_fill(const Source& source, const model_description& d, progress_callback report, Stages&... stages) {
    const tensor_names names(d.names, source);
    result<void> filled;
    const auto fill_one = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      if (!filled) return;
      const stored_tensor& t = *source.find(names.file_name(name));
      if (!slot.try_map(packed_->find(t.name, slot.packed_layout()), dims))
        filled = slot.try_fill(rows_of_tensor(t, dims), dims, t.name, *memory_, threads_);
      if (!slot.packed().empty()) laid_out_.push_back({t.name, slot.packed_layout(), slot.packed()});
      done_ += static_cast<std::uint64_t>(dims.size());
      if (filled && !report({"loading weights", done_, total_}))
        filled = fail(errc::cancelled, text_of("llava: loading ", folder_, " was cancelled"));
    };
    (stages.each(visitor(fill_one)), ...);
    return filled;
  }

  /// What the backend has laid out its own way, for packed_weights::try_write; nothing when `packed` holds all of it.
  std::vector<packed_weights::item> not_kept() const {
    for (const packed_weights::item& i : laid_out_)
      if (packed_->find(i.name, i.layout).empty()) return laid_out_;
    return {};
  }

 private:
  static stored_rows rows_of_tensor(const stored_tensor& t, const tensor_dims& dims) {
    return {{t.type, t.bytes.data(), t.format}, dims.columns()};
  }
  /// What stages are walked with: one type, so that the walk of a stage is compiled once.
  using visitor = function_ref<void(const std::string&, weight_slot&, const tensor_dims&)>;

  std::string folder_;
  const memory* memory_;
  executor* threads_;
  const packed_weights* packed_;
  std::vector<std::string> mistakes_;
  std::vector<packed_weights::item> laid_out_;
  std::uint64_t total_ = 0, done_ = 0, needed_ = 0;
};

LLAVA_END
