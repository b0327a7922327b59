// SPDX-License-Identifier: Apache-2.0
/// Products by cuBLASLt, for nvcc and NVIDIA's header (nvcc.py --needs cublasLt).
#include <llava/backend/cuda_cublaslt.hpp>

using namespace llava;

namespace {
template <class F>
void multiply(cuda_cublaslt::queue& q) {
  matmul(q, matrix_view<float>(), matrix_view<const F>(), matrix_view<const F>(), epilogue<silu>{});
}
}  // namespace

/// Nothing is queued: matrices without rows are nothing to do.
int main() {
  serial_executor alone;
  cuda_cublaslt::queue planning(cuda_cublaslt(), alone, arena{});
  multiply<f32>(planning);
  multiply<f16>(planning);
  multiply<bf16>(planning);
  return planning.blas() != nullptr && planning.finish() ? 0 : 1;
}
