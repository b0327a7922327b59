// SPDX-License-Identifier: Apache-2.0
/// bind: fills the weights of a model from a checkpoint. Names and shapes are said once, by the weights themselves
/// (`each(visit)`); a first walk compares them with the files and reports every mistake at once, a second walk fills. A
/// tensor of the files that a model would miss and does not read is a mistake as well.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/progress.hpp>
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

namespace detail {
/// What is wrong with one tensor for one slot, or nothing.
LLAVA_INLINE std::string mismatch_of(const checkpoint_tensors& tensors, const std::string& name,
                                     const weight_slot& slot, const tensor_dims& dims);

/// Whether a model would miss a tensor, by our name of it, that no stage has asked for. Buffers that transformers
/// passes over, and parts of the tower that are not run, are not missed.
LLAVA_INLINE bool must_be_read(std::string_view name, const model_description& d);

/// Adds the tensors that a model would miss and no stage has asked for; `read`: the names that one has asked for.
LLAVA_INLINE void add_unread(const checkpoint_tensors& tensors, const model_description& d,
                             std::vector<std::string> read, std::vector<std::string>& mistakes);
}  // namespace detail

/// All that is wrong with a checkpoint's tensors, in one error.
LLAVA_INLINE result<void> try_accept(const std::vector<std::string>& mistakes, std::string_view path);

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
    stages.each(visitor(
        [this](const std::string& name, weight_slot& slot, const tensor_dims& dims) { check_one(name, slot, dims); }));
    detail::add_unread(*tensors_, d, std::move(read_), mistakes_);
  }

  /// All mistakes in one error; or that more than `budget` bytes would have to be allocated. Weights used where they
  /// are mapped count nothing.
  result<void> try_accept(std::uint64_t budget) const;

  /// Fills the stages, and reports after each tensor.
  template <class Stages>
  result<void> try_fill(progress_callback report, Stages& stages) {
    result<void> filled;
    stages.each(visitor([&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      if (filled) filled = try_fill_one(name, slot, dims, report);
    }));
    return filled;
  }

  /// What the backend has laid out its own way, for packed_weights::try_write; nothing when `packed` holds all of it.
  std::vector<packed_weights::item> not_kept() const;

 private:
  /// What stages are walked with: one type, so that the walk of a stage is compiled once.
  using visitor = function_ref<void(const std::string&, weight_slot&, const tensor_dims&)>;

  void check_one(const std::string& name, weight_slot& slot, const tensor_dims& dims);
  result<void> try_fill_one(const std::string& name, weight_slot& slot, const tensor_dims& dims,
                            const progress_callback& report);

  const checkpoint_tensors* tensors_;
  std::string path_;
  const memory* memory_;
  executor* threads_;
  const packed_weights* packed_;
  std::vector<std::string> read_, mistakes_;
  std::vector<packed_weights::item> laid_out_;
  std::uint64_t total_ = 0, done_ = 0, needed_ = 0;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/bind_inl.hpp>
#endif
