// SPDX-License-Identifier: Apache-2.0
/// The CUDA runtime as the host side of this backend uses it: errors as sentences, and owners of streams, graphs and
/// pinned memory. Nothing links -lcuda, so a program starts on a machine without a driver.
///
/// Compiled by another compiler than nvcc, the functions are those of `<llava_cuda_runtime.hpp>`, which belongs to whoever
/// runs kernels on the host (device.cuh).
#pragma once
#if defined(__CUDACC__)
#include <cuda_runtime_api.h>
#else
#include <llava_cuda_runtime.hpp>
#endif

#include <string_view>
#include <utility>

#include <llava/base/error.hpp>

LLAVA_CUDA_BEGIN

/// The error of a call of the runtime. `subject` says for what it was made; it may be empty.
[[gnu::cold]] inline error runtime_error(cudaError_t found, std::string_view call, std::string_view subject) {
  static_cast<void>(cudaGetLastError());  // an error that is not sticky ends here
  const std::string_view of = subject.empty() ? "" : " for ";
  if (found == cudaErrorNoDevice || found == cudaErrorInsufficientDriver || found == cudaErrorStubLibrary)
    return fail(errc::unsupported,
                "llava: this machine has no CUDA device, or its driver is missing or older than the CUDA toolkit of "
                "this program; open the model with another backend, such as llava::simd");
  const errc code = found == cudaErrorMemoryAllocation ? errc::out_of_memory : errc::io;
  return fail(code, text_of("llava: CUDA: ", call, of, subject, " failed: ", cudaGetErrorName(found)));
}

/// Success, or the error of a call.
inline result<void> checked(cudaError_t found, std::string_view call, std::string_view subject = {}) {
  if (found == cudaSuccess) [[likely]]
    return {};
  return runtime_error(found, call, subject);
}

/// Makes a device the calling thread's current one, for a scope.
class on_device {
 public:
  explicit on_device(int device) {
    if (cudaGetDevice(&before_) == cudaSuccess && before_ != device)
      changed_ = cudaSetDevice(device) == cudaSuccess;
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() {
    if (changed_) static_cast<void>(cudaSetDevice(before_));
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

/// Owns a handle of the runtime. Destroy: the function that ends it.
template <class Handle, cudaError_t (*Destroy)(Handle)>
class owner {
 public:
  owner() = default;
  explicit owner(Handle handle) : handle_(handle) {}
  owner(owner&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  owner& operator=(owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  owner(const owner&) = delete;
  owner& operator=(const owner&) = delete;
  ~owner() {
    if (handle_) static_cast<void>(Destroy(handle_));
  }
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }

 private:
  Handle handle_{};
};
using stream_owner = owner<cudaStream_t, cudaStreamDestroy>;
using graph_owner = owner<cudaGraph_t, cudaGraphDestroy>;
using executable_owner = owner<cudaGraphExec_t, cudaGraphExecDestroy>;
using pinned_owner = owner<void*, cudaFreeHost>;

LLAVA_CUDA_END
