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
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/packed_weights.hpp>
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
inline std::string mismatch_of(const checkpoint_tensors& tensors, const std::string& name, const weight_slot& slot,
                               const tensor_dims& dims) {
  const stored_tensor* t = tensors.find(name);
  if (!t) {
    const std::string_view where = tensors.folder_of(name);
    return text_of(tensors.file_name(name), ": missing, expected ",
                   text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)), where.empty() ? "" : ", of ", where);
  }
  if (!slot.takes(t->format))
    return text_of(t->name, ": is stored as ", t->format, " in ", t->file, "; open the model with weights of ",
                   t->format);
  if (!t->format.empty()) {
    const std::int64_t stored[] = {dims.rows(), slot.stored_row_bytes(dims.columns())};
    if (t->type == dtype::uint8 && t->foreign_type.empty() && t->dims.size() == 2 &&
        t->dims[0] == static_cast<std::size_t>(stored[0]) && t->dims[1] == static_cast<std::size_t>(stored[1]))
      return {};
    return text_of(t->name, ": expected ", t->format, " rows of ", text_of_dims(stored, 2), " bytes, found ",
                   text_of_dims(t->dims, t->dims.size()), " of ", type_of(*t), " in ", t->file);
  }
  if (t->type != dtype::float32 && t->type != dtype::float16 && t->type != dtype::bfloat16)
    return text_of(t->name, ": expected f32, f16 or bf16, found ", type_of(*t), " in ", t->file);
  bool equal = t->dims.size() == static_cast<std::size_t>(dims.rank);
  for (std::size_t i = 0; equal && i < t->dims.size(); ++i)
    equal = t->dims[i] == static_cast<std::size_t>(dims.extent[i]);
  if (!equal)
    return text_of(t->name, ": expected ", text_of_dims(dims.extent, static_cast<std::size_t>(dims.rank)), ", found ",
                   text_of_dims(t->dims, t->dims.size()), " in ", t->file);
  return {};
}

/// Whether a model would miss a tensor, by our name of it, that no stage has asked for. Buffers that transformers
/// passes over, and parts of the tower that are not run, are not missed.
inline bool must_be_read(std::string_view name, const model_description& d) {
  const auto under = [&](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; };
  if (name.find("rotary_emb.inv_freq") != std::string_view::npos || name.find("position_ids") != std::string_view::npos)
    return false;
  if (under("vision."))
    return d.has_vision &&
           (under("vision.embeddings.") || under("vision.pre_layrnorm.") ||
            (under("vision.encoder.") && number_behind(name, "vision.encoder.layers.") < d.vision.layers_run()));
  return !(d.text.tied && name == "text.lm_head.weight");
}

/// Adds the tensors that a model would miss and no stage has asked for; `read`: the names that one has asked for.
inline void add_unread(const checkpoint_tensors& tensors, const model_description& d, std::vector<std::string> read,
                       std::vector<std::string>& mistakes) {
  std::sort(read.begin(), read.end());
  tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    if (!std::binary_search(read.begin(), read.end(), name) && must_be_read(name, d))
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

/// The weights of a model in the making: first check(), then try_accept(), then try_fill(). `Stages` has each(visit).
class weight_binding {
 public:
  /// What must be converted is, on `threads` into `to`; what `packed` holds already laid out is used there. All of them
  /// outlive the weights.
  weight_binding(const checkpoint_tensors& tensors, std::string path, const memory& to, executor& threads,
                 const packed_weights& packed)
      : tensors_(&tensors), path_(std::move(path)), memory_(&to), threads_(&threads), packed_(&packed) {}

  /// Compares the stages' weights with the tensors, both ways; keeps every mistake.
  template <class Stages>
  void check(const model_description& d, Stages& stages) {
    std::vector<std::string> read;
    const auto check_one = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      read.push_back(name);
      std::string mistake = detail::mismatch_of(*tensors_, name, slot, dims);
      if (!mistake.empty()) {
        mistakes_.push_back(std::move(mistake));
        return;
      }
      const stored_tensor& t = *tensors_->find(name);
      total_ += static_cast<std::uint64_t>(dims.size());
      if (packed_->find(t.name, slot.packed_layout()).empty())
        needed_ += slot.bytes_needed(rows_of_tensor(t, dims), dims);
    };
    stages.each(visitor(check_one));
    detail::add_unread(*tensors_, d, std::move(read), mistakes_);
  }

  /// All mistakes in one error; or that more than `budget` bytes would have to be allocated. Weights used where they
  /// are mapped count nothing.
  result<void> try_accept(std::uint64_t budget) const {
    LLAVA_CHECK(llava::try_accept(mistakes_, path_));
    if (needed_ > budget)
      return fail(errc::out_of_memory, text_of("llava: the weights of ", path_, " need ", needed_,
                                               " bytes in this format, ", budget, " are left of the memory budget"));
    return {};
  }

  /// Fills the stages, and reports after each tensor.
  template <class Stages>
  result<void> try_fill(progress_callback report, Stages& stages) {
    result<void> filled;
    const auto fill_one = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      if (!filled) return;
      const stored_tensor& t = *tensors_->find(name);
      if (!slot.try_map(packed_->find(t.name, slot.packed_layout()), dims))
        filled = slot.try_fill(rows_of_tensor(t, dims), dims, t.name, *memory_, threads_);
      if (!slot.packed().empty()) laid_out_.push_back({t.name, slot.packed_layout(), slot.packed()});
      done_ += static_cast<std::uint64_t>(dims.size());
      if (filled && !report({"loading weights", done_, total_}))
        filled = fail(errc::cancelled, text_of("llava: loading ", path_, " was cancelled"));
    };
    stages.each(visitor(fill_one));
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

  const checkpoint_tensors* tensors_;
  std::string path_;
  const memory* memory_;
  executor* threads_;
  const packed_weights* packed_;
  std::vector<std::string> mistakes_;
  std::vector<packed_weights::item> laid_out_;
  std::uint64_t total_ = 0, done_ = 0, needed_ = 0;
};

LLAVA_END
