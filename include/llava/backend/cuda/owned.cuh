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
  [[maybe_unused]] int before_ = 0;
  [[maybe_unused]] bool changed_ = false;
};

/// A handle of the runtime that this object owns: it is moved, never copied, and destroyed once.
template <class Native, auto Destroy>
class handle {
 public:
  handle() = default;
  explicit handle(Native native) : native_(native) {}
  handle(handle&& other) noexcept : native_(std::exchange(other.native_, {})) {}
  handle& operator=(handle&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  ~handle() {
    if (native_) static_cast<void>(Destroy(native_));
  }
  Native get() const { return native_; }

 private:
  Native native_{};
};
#if defined(__CUDACC__)
using stream_handle = handle<cudaStream_t, cudaStreamDestroy>;
using event_handle = handle<cudaEvent_t, cudaEventDestroy>;
using pinned_handle = handle<void*, cudaFreeHost>;
using graph_handle = handle<cudaGraphExec_t, cudaGraphExecDestroy>;
#else
using stream_handle = handle<cuda_host::native_stream, cuda_host::destroy_stream>;
using event_handle = handle<cuda_host::native_event, cuda_host::destroy_event>;
using pinned_handle = handle<void*, cuda_host::release_pinned>;
using graph_handle = handle<cuda_host::native_graph, cuda_host::destroy_graph>;
#endif

/// A stream that this object owns.
class owned_stream {
 public:
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
    made.owned_ = stream_handle(made.stream_.native);
    return result<owned_stream>(std::move(made));
  }
  const stream& get() const { return stream_; }

 private:
  stream_handle owned_;
  stream stream_;
};

/// A place in a stream, which the host can wait for.
class event {
 public:
  static result<event> try_make() {
    event made;
#if defined(__CUDACC__)
    cudaEvent_t native = nullptr;
    if (const cudaError_t code = cudaEventCreateWithFlags(&native, cudaEventDisableTiming); code != cudaSuccess)
      return cuda_error(code, "cudaEventCreateWithFlags");
    made.native_ = event_handle(native);
#else
    made.native_ = event_handle(cuda_host::make_event());
#endif
    return result<event>(std::move(made));
  }
  /// Moves the event behind all that the stream holds.
  result<void> record(const stream& s) const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaEventRecord(native_.get(), s.native); code != cudaSuccess)
      return cuda_error(code, "cudaEventRecord");
#else
    cuda_host::record(native_.get(), s.native);
#endif
    return {};
  }
  /// Waits until what precedes the event has run, and returns its error. An event that was never recorded is no wait.
  result<void> wait() const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaEventSynchronize(native_.get()); code != cudaSuccess)
      return cuda_error(code, "cudaEventSynchronize");
#else
    if (std::string found = cuda_host::wait(native_.get()); !found.empty())
      return fail(errc::device_failed, std::move(found));
#endif
    return {};
  }

 private:
  event_handle native_;
};

/// Host memory that the device reads and writes while the host works.
class pinned_memory {
 public:
  static result<pinned_memory> try_make(std::size_t bytes) {
    void* data = nullptr;
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaMallocHost(&data, bytes); code != cudaSuccess)
      return cuda_error(code, text_of("cudaMallocHost of ", bytes, " bytes"));
#else
    data = cuda_host::allocate_pinned(bytes);
    if (!data) return fail(errc::out_of_memory, text_of("llava: no pinned memory for ", bytes, " bytes"));
#endif
    pinned_memory made;
    made.data_ = pinned_handle(data);
    return result<pinned_memory>(std::move(made));
  }
  std::byte* data() const { return static_cast<std::byte*>(data_.get()); }

 private:
  pinned_handle data_;
};

/// A recorded sequence of launches and copies, which one call repeats.
class graph {
 public:
  explicit operator bool() const { return native_.get() != nullptr; }

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
    cudaGraphExec_t native = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&native, recorded, 0);
    static_cast<void>(cudaGraphDestroy(recorded));
    if (code != cudaSuccess) return cuda_error(code, "cudaGraphInstantiate");
    made.native_ = graph_handle(native);
#else
    cuda_host::begin_recording(s.native);
    record();
    made.native_ = graph_handle(cuda_host::end_recording(s.native));
#endif
    return result<graph>(std::move(made));
  }
  /// Queues all of it.
  result<void> launch(const stream& s) const {
#if defined(__CUDACC__)
    if (const cudaError_t code = cudaGraphLaunch(native_.get(), s.native); code != cudaSuccess)
      return cuda_error(code, "cudaGraphLaunch");
#else
    cuda_host::repeat(s.native, native_.get());
#endif
    return {};
  }

 private:
  graph_handle native_;
};

LLAVA_CUDA_END
