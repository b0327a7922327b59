// SPDX-License-Identifier: Apache-2.0
/// What a queue owns of the CUDA runtime: a stream, events, pinned host memory, graphs. For nvcc these are calls of the
/// runtime, otherwise calls of `llava::cuda_host` (device.cuh). Nothing links -lcuda, so a program starts on a machine
/// without a driver.
#pragma once
#include <cstddef>
#include <string_view>
#include <utility>

#include <llava/backend/cuda/runtime.cuh>

LLAVA_CUDA_BEGIN

/// The number of devices. Errors: there is none, or no driver.
inline result<int> try_count_devices() {
  int count = 0;
#if defined(__CUDACC__)
  if (const cudaError_t code = cudaGetDeviceCount(&count); code != cudaSuccess)
    return cuda_error(code, "cudaGetDeviceCount");
#else
  count = cuda_host::count_devices();
#endif
  if (count == 0) return fail(errc::unsupported, "llava: this machine has no CUDA device; use another backend");
  return count;
}

/// Makes a device the calling thread's current one, for a scope.
class on_device {
 public:
  explicit on_device([[maybe_unused]] int device) {
#if defined(__CUDACC__)
    if (cudaGetDevice(&before_) == cudaSuccess && before_ != device) changed_ = cudaSetDevice(device) == cudaSuccess;
#endif
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() {
#if defined(__CUDACC__)
    if (changed_) static_cast<void>(cudaSetDevice(before_));
#endif
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

/// A stream that this object owns.
class owned_stream {
 public:
  owned_stream() = default;
  owned_stream(owned_stream&& other) noexcept : stream_(std::exchange(other.stream_, {})) {}
  owned_stream& operator=(owned_stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  owned_stream(const owned_stream&) = delete;
  owned_stream& operator=(const owned_stream&) = delete;
  ~owned_stream() {
    if (!stream_.native) return;
#if defined(__CUDACC__)
    static_cast<void>(cudaStreamDestroy(stream_.native));
#else
    cuda_host::destroy_stream(stream_.native);
#endif
  }

  /// A stream of the device, which must be current.
  static result<owned_stream> try_make(int device) {
    owned_stream made;
    made.stream_.device = device;
#if defined(__CUDACC__)
    int major = 0;
    if (const cudaError_t code = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
        code != cudaSuccess)
      return cuda_error(code, text_of("cudaDeviceGetAttribute of device ", device));
    made.stream_.programmatic = major >= 9;
    if (const cudaError_t code = cudaStreamCreateWithFlags(&made.stream_.native, cudaStreamNonBlocking);
        code != cudaSuccess)
      return cuda_error(code, text_of("cudaStreamCreateWithFlags of device ", device));
#else
    made.stream_.native = cuda_host::make_stream();
#endif
    return result<owned_stream>(std::move(made));
  }
  const stream& get() const { return stream_; }

 private:
  stream stream_;
};

/// A place in a stream, which the host can wait for.
class event {
 public:
  event() = default;
  event(event&& other) noexcept : native_(std::exchange(other.native_, {})) {}
  event& operator=(event&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event() {
    if (!native_) return;
#if defined(__CUDACC__)
    static_cast<void>(cudaEventDestroy(native_));
#else
    cuda_host::destroy_event(native_);
#endif
  }

  static result<event> try_make() {
    event made;
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaEventCreateWithFlags(&made.native_, cudaEventDisableTiming); code != cudaSuccess)
      return cuda_error(code, "cudaEventCreateWithFlags");
#else
    made.native_ = cuda_host::make_event();
#endif
    return result<event>(std::move(made));
  }
  /// Moves the event behind all that the stream holds.
  result<void> record(const stream& s) const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaEventRecord(native_, s.native); code != cudaSuccess)
      return cuda_error(code, "cudaEventRecord");
#else
    cuda_host::record(native_, s.native);
#endif
    return {};
  }
  /// Waits until what precedes the event has run, and returns its error. An event that was never recorded is no wait.
  result<void> wait() const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaEventSynchronize(native_); code != cudaSuccess)
      return cuda_error(code, "cudaEventSynchronize");
#else
    if (std::string found = cuda_host::wait(native_); !found.empty())
      return fail(errc::device_failed, std::move(found));
#endif
    return {};
  }

 private:
#if defined(__CUDACC__)
  cudaEvent_t native_ = nullptr;
#else
  cuda_host::native_event native_ = nullptr;
#endif
};

/// Host memory that the device reads and writes while the host works.
class pinned_memory {
 public:
  pinned_memory() = default;
  pinned_memory(pinned_memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  pinned_memory& operator=(pinned_memory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  pinned_memory(const pinned_memory&) = delete;
  pinned_memory& operator=(const pinned_memory&) = delete;
  ~pinned_memory() {
    if (!data_) return;
#if defined(__CUDACC__)
    static_cast<void>(cudaFreeHost(data_));
#else
    cuda_host::release_pinned(data_);
#endif
  }

  static result<pinned_memory> try_make(std::size_t bytes) {
    pinned_memory made;
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaMallocHost(&made.data_, bytes); code != cudaSuccess)
      return cuda_error(code, text_of("cudaMallocHost of ", bytes, " bytes"));
#else
    made.data_ = cuda_host::allocate_pinned(bytes);
    if (!made.data_) return fail(errc::out_of_memory, text_of("llava: no pinned memory for ", bytes, " bytes"));
#endif
    return result<pinned_memory>(std::move(made));
  }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_ = nullptr;
};

/// A recorded sequence of launches and copies, which one call repeats.
class graph {
 public:
  graph() = default;
  graph(graph&& other) noexcept : native_(std::exchange(other.native_, {})) {}
  graph& operator=(graph&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  ~graph() {
    if (!native_) return;
#if defined(__CUDACC__)
    static_cast<void>(cudaGraphExecDestroy(native_));
#else
    cuda_host::destroy_graph(native_);
#endif
  }
  explicit operator bool() const { return native_ != native_graph{}; }

  /// Records what record() queues in the stream, which does not run.
  template <class Record>
  static result<graph> try_record(const stream& s, Record&& record) {
    graph made;
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaStreamBeginCapture(s.native, cudaStreamCaptureModeThreadLocal);
        code != cudaSuccess)
      return cuda_error(code, "cudaStreamBeginCapture");
    record();
    cudaGraph_t recorded = nullptr;
    if (const cudaError_t code = cudaStreamEndCapture(s.native, &recorded); code != cudaSuccess)
      return cuda_error(code, "cudaStreamEndCapture");
    const cudaError_t code = cudaGraphInstantiate(&made.native_, recorded, 0);
    static_cast<void>(cudaGraphDestroy(recorded));
    if (code != cudaSuccess) return cuda_error(code, "cudaGraphInstantiate");
#else
    cuda_host::begin_recording(s.native);
    record();
    made.native_ = cuda_host::end_recording(s.native);
#endif
    return result<graph>(std::move(made));
  }
  /// Queues all of it.
  result<void> launch(const stream& s) const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaGraphLaunch(native_, s.native); code != cudaSuccess)
      return cuda_error(code, "cudaGraphLaunch");
#else
    cuda_host::repeat(s.native, native_);
#endif
    return {};
  }

 private:
#if defined(__CUDACC__)
  using native_graph = cudaGraphExec_t;
#else
  using native_graph = cuda_host::native_graph;
#endif
  native_graph native_{};
};

LLAVA_CUDA_END
