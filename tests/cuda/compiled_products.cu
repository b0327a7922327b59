// SPDX-License-Identifier: Apache-2.0
/// The products of the CUDA backend, for nvcc (nvcc.py): each kernel once, and those of coded weights for the formats
/// that differ most.
#include <llava/backend/cuda/matmul.cuh>
#include <llava/nn/mixed_weight.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_i8.hpp>

using namespace llava;

namespace {

template <class X, class W>
void multiply(cuda_backend::queue& q, matrix_view<float> y, matrix_view<const X> x, W w) {
  matmul(q, y, x, w, epilogue<silu>{});
  matmul_gated(q, y, x, biased_weight<W>{w}, biased_weight<W>{w}, silu{});
  const joined_product<W> both[] = {{y, w}, {y, w}};
  matmul_joined(q, x, std::span<const joined_product<W>>(both));
}
template <class F>
void multiply_dense(cuda_backend::queue& q, matrix_view<float> y, matrix_view<const F> x) {
  multiply(q, y, x, x);
}
template <class F>
void multiply_coded(cuda_backend::queue& q, matrix_view<float> y, matrix_view<const cuda_backend::operand_for<F>> x) {
  multiply(q, y, x, cuda_backend::layout_for<F>::make_view(nullptr, 0, 0));
}

}  // namespace

/// Nothing is launched: matrices without rows are nothing to do.
int main() {
  struct {
    int device = 0;
  } backend;
  serial_executor alone;
  cuda_backend::queue planning(backend, alone, arena{});
  multiply_dense<f32>(planning, {}, {});
  multiply_dense<f16>(planning, {}, {});
  multiply_dense<bf16>(planning, {}, {});
  multiply_coded<q8_0>(planning, {}, {});
  multiply_coded<q4_i8>(planning, {}, {});
  multiply_coded<q16_0>(planning, {}, {});
  multiply_coded<int8>(planning, {}, {});
  multiply_coded<q4_k>(planning, {}, {});
  multiply_coded<q6_k>(planning, {}, {});
  multiply_coded<nf4>(planning, {}, {});
  activate(planning, matrix_view<float>(), matrix_view<const float>(), gelu{}, update::add);
  return planning.finish() ? 0 : 1;
}
