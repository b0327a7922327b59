// SPDX-License-Identifier: Apache-2.0
/// What kernel.cuh and tests need of the CUDA runtime: device memory, copies, streams, and errors as sentences. For
/// nvcc these are calls of the runtime, otherwise calls of `llava::cuda_host` (see device.cuh).
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/backend/cuda/device/thread.cuh>
#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include <llava_cuda_host.hpp>
#endif

LLAVA_CUDA_BEGIN

#if defined(__CUDACC__)
using native_stream = cudaStream_t;
#else
using native_stream = cuda_host::native_stream;
#endif

/// A stream of a device: kernels and copies run in the order in which they are queued. It does not own `native`.
struct stream {
  native_stream native = {};
  int device = 0;             ///< the device of `native`, which is the current one of the calling thread
  bool programmatic = false;  ///< the device has compute capability 9.0 or later, for kernels with programmatic_launch
};

/// What a launch asks for, for messages.
struct launch_shape {
  std::string_view kernel;
  grid_size grid;
  int threads;
  std::size_t shared_bytes;
};
/// "kernel NAME, grid (x, y, z), 256 threads, 1024 bytes of shared memory".
[[gnu::cold]] inline std::string text_of_launch(const launch_shape& s) {
  return text_of("kernel ", s.kernel, ", grid (", s.grid.x, ", ", s.grid.y, ", ", s.grid.z, "), ", s.threads,
                 " threads, ", s.shared_bytes, " bytes of shared memory");
}

#if defined(__CUDACC__)
/// The error of a call of the CUDA runtime: "llava: CALL failed: REASON (cudaError 2)". It clears the runtime's last
/// error.
[[gnu::cold]] inline error cuda_error(cudaError_t code, std::string_view call) {
  static_cast<void>(cudaGetLastError());
  const int number = static_cast<int>(code);
  if (number == 34 || number == 35 || number == 100)  // a stub library, no driver or an old one, no device
    return fail(errc::unsupported, "llava: this machine has no CUDA device; use another backend");
  return fail(code == cudaErrorMemoryAllocation ? errc::out_of_memory : errc::device_failed,
              text_of("llava: ", call, " failed: ", cudaGetErrorString(code), " (cudaError ", number, ")"));
}
#endif

/// One bit for each device, set once it has been prepared. Any thread may use it.
class per_device_flag {
 public:
  bool get(int device) const { return device < 64 && (bits_.load(std::memory_order_acquire) >> device & 1) != 0; }
  void set(int device) {
    if (device < 64) bits_.fetch_or(std::uint64_t{1} << device, std::memory_order_release);
  }

 private:
  std::atomic<std::uint64_t> bits_ = 0;
};

/// @name Device memory
/// @{

/// Allocates at least one byte, aligned to 256.
inline result<void*> try_allocate(std::size_t bytes) {
#if defined(__CUDACC__)
  void* p = nullptr;
  if (const cudaError_t code = cudaMalloc(&p, bytes == 0 ? 1 : bytes); code != cudaSuccess)
    return cuda_error(code, text_of("cudaMalloc of ", bytes, " bytes"));
  return p;
#else
  void* const p = cuda_host::allocate(bytes);
  if (p == nullptr) return fail(errc::out_of_memory, text_of("llava: no device memory for ", bytes, " bytes"));
  return p;
#endif
}
/// Releases what try_allocate() gave, or nothing for a null pointer.
inline void release(void* p) {
#if defined(__CUDACC__)
  static_cast<void>(cudaFree(p));
#else
  cuda_host::release(p);
#endif
}

/// The directions of a copy.
enum class copy_kind { to_device, to_host, on_device };
/// Queues a copy. Host memory that is not pinned is copied before the call returns.
inline result<void> copy(const stream& s, void* to, const void* from, std::size_t bytes, copy_kind kind) {
  if (bytes == 0) return {};
#if defined(__CUDACC__)
  const cudaMemcpyKind kinds[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice};
  const cudaError_t code = cudaMemcpyAsync(to, from, bytes, kinds[static_cast<int>(kind)], s.native);
  if (code != cudaSuccess) return cuda_error(code, text_of("cudaMemcpyAsync of ", bytes, " bytes"));
#else
  const std::string found =
      cuda_host::copy(s.native, to, from, bytes, kind == copy_kind::to_host, kind == copy_kind::to_device);
  if (!found.empty()) return fail(errc::device_failed, text_of("llava: copy of ", bytes, " bytes: ", found));
#endif
  return {};
}
/// Queues a write of `bytes` times `value`.
inline result<void> fill(const stream& s, void* to, unsigned char value, std::size_t bytes) {
  if (bytes == 0) return {};
#if defined(__CUDACC__)
  if (const cudaError_t code = cudaMemsetAsync(to, value, bytes, s.native); code != cudaSuccess)
    return cuda_error(code, text_of("cudaMemsetAsync of ", bytes, " bytes"));
#else
  const std::string found = cuda_host::fill(s.native, to, value, bytes);
  if (!found.empty()) return fail(errc::device_failed, text_of("llava: fill of ", bytes, " bytes: ", found));
#endif
  return {};
}
/// Waits until all that the stream holds has run, and returns its error.
inline result<void> finish(const stream& s) {
#if defined(__CUDACC__)
  if (const cudaError_t code = cudaStreamSynchronize(s.native); code != cudaSuccess)
    return cuda_error(code, "cudaStreamSynchronize");
#else
  if (std::string found = cuda_host::finish(s.native); !found.empty())
    return fail(errc::device_failed, std::move(found));
#endif
  return {};
}
/// @}

LLAVA_CUDA_END
