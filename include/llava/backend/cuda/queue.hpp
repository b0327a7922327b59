// SPDX-License-Identifier: Apache-2.0
/// The queue of the CUDA backend: a stream, an arena in the device's memory, and pinned memory for transfers. Ops are
/// launched when they are called and run later, in order; so memory of the arena that an op has released may be given to
/// the next op at once. An op is
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
#include <cstring>
#include <utility>

#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/recordings.hpp>
#include <llava/backend/cuda/row_fault.hpp>
#include <llava/backend/cuda/staging.hpp>
#include <llava/base/executor.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_CUDA_BEGIN

class queue {
 public:
  template <class B>
  queue(const B& backend, executor&, arena workspace) : device_(backend.device), workspace_(workspace) {
    if (!workspace_.planning()) state_ = try_make();
  }
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;
  /// Waits for all ops, because they use memory that is freed next.
  ~queue() {
    if (stream_) static_cast<void>(cudaStreamSynchronize(stream_.get()));
  }

  arena& workspace() { return workspace_; }
  int concurrency() const { return 1; }

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
    if (workspace_.planning() || !is_good()) return;
    const on_device here(device_);
    if (auto launched = cuda_backend::launch<K>(stream_.get(), p); !launched) reject(std::move(launched).error());
  }

  /// Keeps an error, if it is the first.
  [[gnu::cold]] void reject(error e) {
    if (state_) state_ = std::move(e);
  }
  /// Where a kernel writes that an index is past the last row; of one block of a kernel only.
  row_fault* fault() const { return static_cast<row_fault*>(fault_.get()); }

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
      check(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, pinned, n, cudaMemcpyHostToDevice, stream_.get()),
            "cudaMemcpyAsync to the device", bytes);
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
      check(cudaMemcpyAsync(pinned, static_cast<const std::byte*>(from) + done, n, cudaMemcpyDeviceToHost,
                            stream_.get()),
            "cudaMemcpyAsync from the device", bytes);
      if (runs()) wait();
      if (runs()) std::memcpy(static_cast<std::byte*>(to) + done, pinned, n);
      done += n;
    }
  }
  /// Copies in the device's memory; the ranges do not overlap.
  void move(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0 || !runs()) return;
    const on_device here(device_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()), "cudaMemcpyAsync on the device",
          bytes);
  }

  /// Runs ops(), or the graph of an earlier call with an equal shape (ops/backend.hpp).
  template <class Shape, class Ops>
  void replay(const Shape& shape, Ops&& ops) {
    if (!runs()) return ops();
    const on_device here(device_);
    bool seen = false;
    executable_owner& graph = recordings_.of(shape, seen);
    if (!seen) return ops();
    if (!graph && !try_record(graph, ops)) return;
    check(cudaGraphLaunch(graph.get(), stream_.get()), "cudaGraphLaunch", 0);
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
    cudaStream_t stream = nullptr;
    LLAVA_CHECK(checked(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"));
    stream_ = stream_owner(stream);
    void* fault = nullptr;
    LLAVA_CHECK(checked(cudaMallocHost(&fault, sizeof(row_fault)), "cudaMallocHost", "the faults of kernels"));
    fault_ = pinned_owner(fault);
    *this->fault() = {};
    return staging_.try_make();
  }
  /// Whether ops run: the queue does not plan and has not failed.
  bool runs() { return !workspace_.planning() && is_good(); }
  bool is_good() {
    if (workspace_.overrun() && state_) [[unlikely]]
      reject(fail(errc::out_of_memory,
                  text_of("llava: a step takes ", workspace_.peak(), " bytes of memory, expected at most ",
                          workspace_.capacity(),
                          " as planned; the memory that an op or a projector takes may depend on sizes only")));
    return static_cast<bool>(state_);
  }
  void check(cudaError_t found, std::string_view call, std::size_t bytes) {
    if (found != cudaSuccess) [[unlikely]]
      reject(runtime_error(found, call, bytes ? text_of(bytes, " bytes") : std::string()));
  }
  /// Waits until the stream is idle, and keeps what the device found.
  void wait() {
    check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize", 0);
    staging_.release();
    if (fault()->op != row_op::none) [[unlikely]]
      reject(error_of(std::exchange(*fault(), {})));
  }
  template <class Ops>
  bool try_record(executable_owner& graph, Ops&& ops) {
    check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", 0);
    if (!runs()) return false;
    ops();
    cudaGraph_t recorded = nullptr;
    check(cudaStreamEndCapture(stream_.get(), &recorded), "cudaStreamEndCapture", 0);
    const graph_owner owned(recorded);
    if (!runs()) return false;
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, recorded, 0), "cudaGraphInstantiate", 0);
    graph = executable_owner(executable);
    return runs();
  }

  int device_;
  arena workspace_;
  result<void> state_;
  pinned_owner fault_;
  staging staging_;
  stream_owner stream_;
  recordings recordings_;  // before the stream ends
};

LLAVA_CUDA_END
