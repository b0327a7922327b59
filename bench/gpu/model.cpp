// SPDX-License-Identifier: Apache-2.0
/// One pipeline on the CUDA backend, with weights in LLAVA_GPU_WEIGHTS, and products of many rows by cuBLASLt if
/// LLAVA_GPU_CUBLASLT is 1. nvcc compiles this file and no other of its programs.
#include <llava.hpp>
#if LLAVA_GPU_CUBLASLT
#include <llava/backend/cuda_cublaslt.hpp>
#else
#include <llava/backend/cuda.hpp>
#endif

#include "models.hpp"

namespace gpu {

using weights = llava::LLAVA_GPU_WEIGHTS;

#if LLAVA_GPU_CUBLASLT
using backend = llava::cuda_cublaslt;
const std::string_view format_name = "bf16 by cuBLASLt";
static_assert(llava::format<weights>::name == "bf16");
#else
using backend = llava::cuda;
const std::string_view format_name = llava::format<weights>::name;
#endif

llava::result<any_model> try_open(const std::string& folder, const llava::open_options& options) {
  LLAVA_TRY(model, llava::try_open<llava::any, backend, weights>(folder, options));
  return model.shared();
}

}  // namespace gpu
