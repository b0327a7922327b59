// SPDX-License-Identifier: Apache-2.0
/// attention on the device (contract: ops/attention.hpp): every query attends to every key.
///
/// LLaVA-1.5-7B's tower, per layer: 577 tokens, 16 heads of 64.
///   FLOPs  4 · 577² · 1024 = 1.36e9; at 990 TFLOP/s 1.4 µs
///   bytes  577 · 1024 · (3 · 4 + 2) = 8.3 MB; 2.5 µs on H100 (3.35 TB/s), 1.7 µs on H200 (4.8 TB/s)
/// So 23 layers take 0.06 ms on H100 at least. The products that precede it wrote q, k and v, 7 MB, which L2 still has;
/// a block reads all keys of its head from there, 295 KB, and with 10 blocks of 64 queries per head that is 47 MB.
///
/// 16-bit results: tensor cores (attention/tiles.cuh), 160 blocks of 4 warps. f32 results: multiply-add in f32
/// (attention/dots.cuh), 8 queries per block; 1.36 GFLOP at 67 TFLOP/s are 20 µs per layer.
#pragma once
#include <llava/backend/cuda/attention/dots.cuh>
#include <llava/backend/cuda/attention/tiles.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/attention.hpp>

LLAVA_CUDA_BEGIN

namespace detail {

template <class Y>
struct attention_params {
  Y* y;
  const float *q, *k, *v;
  std::ptrdiff_t y_stride, q_stride, k_stride, v_stride;
  int queries, tokens, heads, dim;
  float factor;  // of scores, times log2(e)
  bool aligned_queries, aligned_keys;

  LLAVA_DEVICE matrix_keys keys_of(int head) const {
    return {k + head * dim, v + head * dim, k_stride, v_stride, dim, aligned_keys};
  }
};

template <class Y, int D>
struct attention_tiles {
  using core = tiles<Y, float, D>;
  static constexpr int threads = core::threads, min_blocks = D == 64 ? 3 : 1;
  static constexpr bool programmatic_launch = true;
  using Params = attention_params<Y>;
  using Smem = typename core::Smem;
  static grid_size grid(const Params& p) { return {(p.queries + core::rows - 1) / core::rows, p.heads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    const int first = block_index().x * core::rows, column = block_index().y * p.dim;
    const auto query = [&](int r) { return p.q + minimum(first + r, p.queries - 1) * p.q_stride + column; };
    const auto range = [&](int) { return key_range{0, p.tokens - 1}; };
    const typename core::operands o{p.factor, 0.f, 0, p.tokens, p.aligned_queries};
    core::run(smem, p.keys_of(block_index().y), o, query, range, [&](int r, int c, float lo, float hi) {
      if (first + r >= p.queries) return;
      Y* const to = p.y + (first + r) * p.y_stride + column;
      if (c < p.dim) to[c] = from_f32<Y>(lo);
      if (c + 1 < p.dim) to[c + 1] = from_f32<Y>(hi);
    });
  }
};

template <int D>
struct attention_dots {
  static constexpr int queries = D <= 256 ? 8 : 4;
  using core = dots<float, D, queries>;
  static constexpr int threads = core::threads, min_blocks = 1;
  static constexpr bool programmatic_launch = true;
  using Params = attention_params<float>;
  using Smem = typename core::Smem;
  static grid_size grid(const Params& p) { return {(p.queries + queries - 1) / queries, p.heads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    const int first = block_index().x * queries, column = block_index().y * p.dim;
    const auto query = [&](int i) { return p.q + (first + i) * p.q_stride + column; };
    const auto slope = [](int) { return 0.f; };
    const typename core::operands o{minimum(queries, p.queries - first), p.factor, false, 0, 0, p.tokens};
    core::run(smem, p.keys_of(block_index().y), o, query, slope, [&](int i, int c, float sum, float total, float) {
      p.y[(first + i) * p.y_stride + column + c] = sum / total;
    });
  }
};

}  // namespace detail

template <floating Y>
void attention(queue& q, matrix_view<Y> y, matrix_view<const float> queries, matrix_view<const float> k,
               matrix_view<const float> v, const attention_parameters& p) {
  if (!q.accepts(ops::attention_shapes(y, queries, k, v, p))) return;
  const std::ptrdiff_t dim = queries.extent(1) / p.heads;
  const detail::attention_params<Y> params{y.data(),
                                           queries.data(),
                                           k.data(),
                                           v.data(),
                                           y.stride(),
                                           queries.stride(),
                                           k.stride(),
                                           v.stride(),
                                           static_cast<int>(queries.extent(0)),
                                           static_cast<int>(k.extent(0)),
                                           p.heads,
                                           static_cast<int>(dim),
                                           p.scale * detail::log2_e,
                                           detail::has_aligned_rows(queries, dim),
                                           detail::has_aligned_rows(k, dim) && detail::has_aligned_rows(v, dim)};
  detail::with_head_dim(dim, [&]<int D>() {
    if constexpr (std::is_same_v<Y, float>)
      q.launch<detail::attention_dots<D>>(params);
    else
      q.launch<detail::attention_tiles<Y, D>>(params);
  });
}

LLAVA_CUDA_END
