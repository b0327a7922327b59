// SPDX-License-Identifier: Apache-2.0
/// bind: fills the weights of a model from a checkpoint. The weights state their names and shapes once (`each(visit)`).
/// A first walk compares them with the files and collects all mistakes for one error; a second walk fills them. A
/// tensor of the files that the model needs and does not read is a mistake as well.
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
/// Describes the mismatch between a tensor and its slot; empty when the tensor fits.
LLAVA_INLINE std::string mismatch_of(const checkpoint_tensors& tensors, const std::string& name,
                                     const weight_slot& slot, const tensor_dims& dims);

/// Whether the model needs the tensor with our name `name`. Buffers that transformers ignores, parts of the tower that
/// do not run, and a tied head are not needed.
LLAVA_INLINE bool is_required(std::string_view name, const model_description& d);

/// Adds to `mistakes` the tensors that the model needs and no stage has read; `read`: the names that were read.
LLAVA_INLINE void add_unread(const checkpoint_tensors& tensors, const model_description& d,
                             std::vector<std::string> read, std::vector<std::string>& mistakes);
}  // namespace detail

/// One error with the number of mistakes and the first 20; success when there are none.
LLAVA_INLINE result<void> try_accept(const std::vector<std::string>& mistakes, std::string_view path);

/// Binds weights to tensors: first check(), then try_accept(), then try_fill(). `Stages` has each(visit).
class weight_binding {
 public:
  /// Weights that need conversion are converted on `threads` into `to`; those that `packed` holds are used from there.
  /// All references must outlive the weights.
  weight_binding(const checkpoint_tensors& tensors, std::string path, const memory& to, executor& threads,
                 const packed_weights& packed)
      : tensors_(&tensors), path_(std::move(path)), memory_(&to), threads_(&threads), packed_(&packed) {}

  /// Compares the stages' weights with the tensors, both ways, and collects every mistake.
  template <class Stages>
  void check(const model_description& d, Stages& stages) {
    stages.each(visitor(
        [this](const std::string& name, weight_slot& slot, const tensor_dims& dims) { check_one(name, slot, dims); }));
    detail::add_unread(*tensors_, d, std::move(read_), mistakes_);
  }

  /// Returns all mistakes in one error.
  result<void> try_accept() const;

  /// Bytes that try_fill will allocate. Weights used where they are mapped need none.
  std::uint64_t bytes_needed() const { return needed_; }

  /// Fills the stages' weights and reports progress after each tensor.
  template <class Stages>
  result<void> try_fill(progress_callback report, Stages& stages) {
    result<void> filled;
    stages.each(visitor([&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      if (filled) filled = try_fill_one(name, slot, dims, report);
    }));
    return filled;
  }

  /// The weights that the backend has packed, for packed_weights::try_write; empty when `packed` holds all of them.
  std::vector<packed_weights::item> weights_to_cache() const;

 private:
  /// The visitor of every walk: one type, so that the walk of a stage is compiled once.
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
