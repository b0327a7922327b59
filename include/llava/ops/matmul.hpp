// SPDX-License-Identifier: Apache-2.0
/// matmul(queue, y, x, w, epilogue): y[t, n] = act(Σ_k x[t, k] · w[n, k] + bias[n]) (+ y[t, n] when `add`)
///   x (T, K) f32 · w (N, K) in a weight format, as checkpoints store it · y (T, N) f32, not overlapping x · bias (N) or
///   empty · T, N, K of any size
///   One accumulator per output, K ascending, fused multiply-add, f32: a row does not depend on the other rows, on how
///   they are cut into pieces, or on threads (R14). Tolerance against double: NMSE ≤ 1e-7 in f32, 5e-4 in half (R15).
#pragma once
#include <llava/ops/activation.hpp>
#include <llava/quant/format.hpp>

LLAVA_BEGIN

/// What follows the sum before it is stored, so that it needs no pass of its own.
template <activation A = no_activation>
struct epilogue {
  vector_view<const float> bias{};  // (N), or empty
  bool add = false;                 // y += instead of y =: the residual
  using activation = A;
};

namespace ops {
template <class Q, class F>
concept has_matmul = requires(Q& q, matrix_view<float> y, matrix_view<const float> x, typename format<F>::view w) {
  matmul(q, y, x, w, epilogue<>{});
};
}  // namespace ops

LLAVA_END
