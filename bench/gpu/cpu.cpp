// SPDX-License-Identifier: Apache-2.0
/// The pipeline of model.cpp on the CPU.
#include <llava.hpp>

#include "models.hpp"

namespace gpu {

llava::result<any_model> try_open_on_cpu(const std::string& folder, const llava::open_options& options) {
  LLAVA_TRY(model, llava::try_open<llava::any, llava::simd, llava::LLAVA_GPU_WEIGHTS>(folder, options));
  return model.shared();
}

}  // namespace gpu
