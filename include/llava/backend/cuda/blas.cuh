// SPDX-License-Identifier: Apache-2.0
/// blas: a library that computes products of many rows in place of the kernels of this backend, on a queue whose
/// backend has one (cuda_cublaslt.hpp).
#pragma once
#include <cstddef>

#include <llava/backend/cuda/runtime.cuh>
#include <llava/base/dtype.hpp>

LLAVA_CUDA_BEGIN

/// y = x · wᵀ + bias, to which y is added if it `adds`. All are in the device's memory; strides are in elements.
struct blas_product {
  const void* x;      // (T, K)
  const void* w;      // (N, K)
  void* y;            // (T, N)
  const float* bias;  // (N), or null; only if y is f32
  std::ptrdiff_t x_stride, w_stride, y_stride;
  int rows, columns, inner;  // T, N, K
  dtype type;                // of x and w
  dtype result_type;         // of y: f32, or `type`
  bool adds;
};

/// The library on one device. Any thread may use it; the device is its current one.
class blas {
 public:
  /// Bytes of scratch memory for a product, which begins at a multiple of 256. NVIDIA recommends as many for sm_90.
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  /// Loads the library, if nobody has.
  virtual result<void> try_prepare() = 0;
  /// Queues a product with f32 sums. False, with nothing queued, if the library has no algorithm for it.
  virtual result<bool> try_multiply(const stream&, const blas_product&, void* workspace) = 0;

 protected:
  ~blas() = default;
};

LLAVA_CUDA_END
