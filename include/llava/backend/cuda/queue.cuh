// SPDX-License-Identifier: Apache-2.0
/// The queue of the CUDA backend: a stream, an arena in the device's memory, and pinned memory for transfers. Ops are
/// launched when they are called and run later, in order; so memory of the arena that an op has released may be given
/// to the next op at once. An op is
///
///   void op(queue& q, matrix_view<float> y, …) {
///     if (!q.accepts(ops::op_shapes(y, …))) return;      operands are valid, and no earlier op failed
///     arena_scope scope(q.workspace());
///     float* scratch = q.workspace().allocate<float>(…);
///     q.launch<kernel>({…});                             nothing, if the queue plans or has failed
///   }
///
/// The queue keeps the first error. An error that the device finds, an index past the last row or a fault of the
/// device, is known when the stream is idle: ops that were launched behind it have run, but no download has written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <llava/backend/cuda/blas.cuh>
#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/loads.cuh>
#include <llava/backend/cuda/recordings.cuh>
#include <llava/backend/cuda/row_fault.cuh>
#include <llava/backend/cuda/staging.cuh>
#include <llava/backend/cuda/started_read.cuh>
#include <llava/base/executor.hpp>
#include <llava/ops/backend.hpp>
#include <llava/ops/run_ahead.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_CUDA_BEGIN

class queue {
 public:
  template <class B>
  queue(const B& backend, executor&, arena workspace)
      : device_(backend.device), is_deterministic_(is_batch_deterministic<B>), workspace_(workspace) {
    if constexpr (requires { backend.blas(); }) blas_ = &backend.blas();
    if (!workspace_.planning()) state_ = try_make();
  }
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;
  /// Waits for all ops, because they use memory that is freed next.
  ~queue() {
    if (!workspace_.planning()) static_cast<void>(cuda_backend::finish(stream_.get()));
  }

  arena& workspace() { return workspace_; }
  int concurrency() const { return 1; }
  /// Whether a row's bytes may depend on that row alone: its backend is batch_deterministic (ops/backend.hpp).
  bool is_deterministic() const { return is_deterministic_; }
  /// The library of its backend for products of many rows, or null.
  cuda_backend::blas* blas() const { return blas_; }

  /// Whether an op may continue. Operands that violate its contract are an error of the queue.
  bool accepts(const ops::shapes& operands) {
    if (!operands.fit()) [[unlikely]]
      reject(fail(errc::mismatch, operands.sentence()));
    const bool good = is_good();
    if (good && workspace_.planning()) workspace_.note_written(operands.written());
    return good;
  }

  /// Launches a kernel, unless the queue plans or has failed. A grid without blocks launches nothing.
  template <kernel K>
  void launch(const typename K::Params& p) {
    if (!runs()) return;
    const on_device here(device_);
    check(cuda_backend::launch<K>(stream_.get(), p));
  }

  /// Queues a product by blas(), unless the queue plans or has failed. False if the library has no algorithm for it.
  bool multiply(const blas_product& p, void* scratch) {
    if (!runs()) return true;
    const on_device here(device_);
    auto queued = blas_->try_multiply(stream_.get(), p, scratch);
    if (!queued) reject(std::move(queued).error());
    return !queued || *queued;
  }

  /// Keeps an error, if it is the first.
  [[gnu::cold]] void reject(error e) {
    if (state_) state_ = std::move(e);
  }
  /// Where a kernel writes that an index is past the last row; of one block of a kernel only.
  row_fault* fault() const { return reinterpret_cast<row_fault*>(fault_.data()); }

  /// Copies to the device; `from` may be reused when this returns.
  void write(void* to, const void* from, std::size_t bytes) {
    const on_device here(device_);
    for (std::size_t done = 0; done < bytes && runs();) {
      std::size_t n = 0;
      std::byte* const pinned = staging_.take(bytes - done, n);
      if (n == 0) {
        wait();
        continue;
      }
      std::memcpy(pinned, static_cast<const std::byte*>(from) + done, n);
      check(copy(stream_.get(), static_cast<std::byte*>(to) + done, pinned, n, copy_kind::to_device));
      done += n;
    }
  }
  /// Copies from the device, and waits for everything before. Writes nothing if the queue has failed.
  void read(void* to, const void* from, std::size_t bytes) {
    const on_device here(device_);
    if (runs()) wait();
    for (std::size_t done = 0; done < bytes && runs();) {
      std::size_t n = 0;
      std::byte* const pinned = staging_.take(bytes - done, n);
      check(copy(stream_.get(), pinned, static_cast<const std::byte*>(from) + done, n, copy_kind::to_host));
      if (runs()) wait();
      if (runs()) std::memcpy(static_cast<std::byte*>(to) + done, pinned, n);
      done += n;
    }
  }
  /// Starts a copy from the device, behind the ops before it (ops/run_ahead.hpp).
  download_ticket start_read(void* to, const void* from, std::size_t bytes) {
    const on_device here(device_);
    started_read& read = reads_[++started_ % 2];
    if (runs()) check(read.start(stream_.get(), to, from, bytes, staging_.taken()));
    return {started_};
  }
  /// Waits for a started copy and the ops before it. The error stays.
  result<void> finish(download_ticket t) {
    const on_device here(device_);
    started_read& read = reads_[t.number % 2];
    if (runs()) check(read.wait());
    if (runs() && fault()->op != row_op::none) wait();  // perhaps a later step's, which may still write it
    if (runs()) {
      read.take();
      staging_.release(read.mark());
    }
    return state_;
  }
  /// Copies in the device's memory; the ranges do not overlap.
  void move(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0 || !runs()) return;
    const on_device here(device_);
    check(copy(stream_.get(), to, from, bytes, copy_kind::on_device));
  }

  /// Runs ops(), or the graph of an earlier call with an equal shape (ops/backend.hpp).
  template <class Shape, class Ops>
  void replay(const Shape& shape, Ops&& ops) {
    if (!runs()) return ops();
    const on_device here(device_);
    bool seen = false;
    graph& recorded = recordings_.of(shape, seen);
    if (!seen) return ops();
    if (!recorded) {
      is_recording_ = true;
      auto made = graph::try_record(stream_.get(), ops);
      is_recording_ = false;
      if (!made) return reject(std::move(made).error());
      if (!runs()) return;
      recorded = *std::move(made);
    }
    check(recorded.launch(stream_.get()));
  }

  /// Waits for all ops. Returns the first error and clears it.
  result<void> finish() {
    const on_device here(device_);
    if (runs()) wait();
    is_good();
    if (workspace_.overrun()) workspace_.forget_overrun();
    return std::exchange(state_, {});
  }

 private:
  result<void> try_make() {
    const on_device here(device_);
    LLAVA_TRY(stream, owned_stream::try_make(device_));
    stream_ = std::move(stream);
    LLAVA_TRY(fault, pinned_memory::try_make(sizeof(row_fault)));
    fault_ = std::move(fault);
    *this->fault() = {};
    if (blas_ != nullptr) LLAVA_CHECK(blas_->try_prepare());
    return staging_.try_make();
  }
  /// Whether ops run: the queue does not plan and has not failed. They find all that was loaded before them.
  bool runs() {
    if (workspace_.planning()) return false;
    if (loads& before = loads_of(device_); before.pending() && !is_recording_) [[unlikely]]
      check(before.settle());
    return is_good();
  }
  bool is_good() {
    if (workspace_.overrun() && state_) [[unlikely]]
      reject(fail(errc::out_of_memory,
                  text_of("llava: a step takes ", workspace_.peak(), " bytes of memory, expected at most ",
                          workspace_.capacity(),
                          " as planned; the memory that an op or a projector takes may depend on sizes only")));
    return static_cast<bool>(state_);
  }
  void check(result<void> done) {
    if (!done) [[unlikely]]
      reject(std::move(done).error());
  }
  /// Waits until the stream is idle, and keeps what the device found.
  void wait() {
    check(cuda_backend::finish(stream_.get()));
    staging_.release(staging_.taken());
    if (fault()->op != row_op::none) [[unlikely]]
      reject(error_of(std::exchange(*fault(), {})));
  }

  int device_;
  bool is_deterministic_;
  bool is_recording_ = false;
  cuda_backend::blas* blas_ = nullptr;
  arena workspace_;
  result<void> state_;
  pinned_memory fault_;
  staging staging_;
  owned_stream stream_;
  recordings recordings_;  // ends before the stream
  started_read reads_[2];
  std::uint64_t started_ = 0;
};

LLAVA_CUDA_END
