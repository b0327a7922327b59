// SPDX-License-Identifier: Apache-2.0
/// One pipeline on the CUDA backend, with weights in LLAVA_GPU_WEIGHTS. nvcc compiles this file and no other of its
/// programs.
#include <llava.hpp>
#include <llava/backend/cuda.hpp>

#include "models.hpp"

namespace gpu {

using weights = llava::LLAVA_GPU_WEIGHTS;

const std::string_view format_name = llava::format<weights>::name;

llava::result<any_model> try_open(const std::string& folder, const llava::open_options& options) {
  LLAVA_TRY(model, llava::try_open<llava::any, llava::cuda, weights>(folder, options));
  return model.shared();
}

}  // namespace gpu
