// SPDX-License-Identifier: Apache-2.0
/// The CUDA backend whose products of more than 16 rows with weights in f32, f16, bf16 and nf4 are cuBLASLt's, opt-in.
/// A program that includes this header links cuBLASLt: CUDA::cublasLt in CMake, -lcublasLt for nvcc (docs/cuda.md).
#pragma once
#include <llava/backend/cuda.hpp>
#include <llava/backend/cuda/cublaslt.cuh>

LLAVA_BEGIN

/// cuda with cuBLASLt for prompts and images. Decode, attention and weights in block and affine formats are as on cuda.
/// A step takes 32 MiB more memory, and for products that cuBLASLt does not end (matmul/by_blas.cuh) 4 T N bytes more.
struct cuda_cublaslt : cuda {
  static constexpr std::string_view name = "cuda_cublaslt";
  /// What computes products of many rows.
  cuda_backend::blas& blas() const { return cuda_backend::cublaslt_of(device); }
};

LLAVA_END
