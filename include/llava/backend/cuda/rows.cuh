// SPDX-License-Identifier: Apache-2.0
/// embed, gather_rows, mix_rows and max_rows of the CUDA backend (contract: ops/rows.hpp), and feed_tokens
/// (ops/run_ahead.hpp). The other ops of that contract are in elementwise.cuh.
///
/// Bytes: the rows that are read and written, no FLOPs to speak of. 640 rows of 4096: embed from f16 reads 5.2 MB and
/// writes 10.5 MB, 4.7 µs at 3.35 TB/s (H100) and 3.3 µs at 4.8 TB/s (H200); a decode row is 24 KB, less than a launch.
/// mix_rows and max_rows read K rows for each that they write.
///
/// An op with an index past the last row writes nothing, so every block checks all indices before it writes: 2.5 KB for
/// 640 rows, from L2. No other launch and no flag is needed. At most 512 blocks, four per multiprocessor, share the
/// rows, so that the checks of a long prompt stay small next to its rows. A block writes one row at a time; its 256
/// threads each move 16 bytes.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/pieces.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/rows.hpp>
#include <llava/ops/run_ahead.hpp>

LLAVA_CUDA_BEGIN

/// The indices (T, K) of an op, which read rows of a matrix.
struct row_indices {
  const std::int32_t* data;
  std::ptrdiff_t stride;
  int tokens, terms;  // T, K
  std::int64_t rows;  // of the matrix
  row_op op;
  row_fault* fault;

  LLAVA_DEVICE std::int32_t at(int t, int k) const { return data[t * stride + k]; }

  /// Whether all indices are below `rows`, by all threads of a block. Block 0 reports the first that is not.
  template <int Threads>
  LLAVA_DEVICE bool are_valid() const {
    const int n = tokens * terms;
    bool any_past = false;
    for (int i = thread_index(); i < n; i += Threads) any_past = any_past || at(i / terms, i % terms) >= rows;
    if (!sync_block_or(any_past)) return true;
    if (block_index().x == 0 && thread_index() == 0 && fault->op == row_op::none) {
      int i = 0;
      while (at(i / terms, i % terms) < rows) ++i;
      const int t = i / terms, k = i % terms;
      fault->t = t;
      fault->k = k;
      fault->row = at(t, k);
      fault->rows = rows;
      fault->op = op;
    }
    return false;
  }
};

/// What the kernels of this file have in common. X: the type of the matrix that is read.
template <class X>
struct row_kernel {
  static constexpr int threads = 256, min_blocks = 4, most_blocks = 512;
  static constexpr bool programmatic_launch = true;
  struct Params {
    float* y;
    std::ptrdiff_t y_stride;
    const X* x;
    std::ptrdiff_t x_stride;
    int columns;
    row_indices from;
    const float* weights = nullptr;
    std::ptrdiff_t weights_stride = 0;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) {
    return {p.columns == 0 ? 0 : p.from.tokens < most_blocks ? p.from.tokens : most_blocks};
  }
  /// Calls row(t) for the rows of this block, if all indices are valid.
  template <class F>
  LLAVA_DEVICE static void each_row(const Params& p, F&& row) {
    wait_for_previous_kernels();
    let_next_kernel_start();
    if (!p.from.template are_valid<threads>()) return;
    for (int t = block_index().x; t < p.from.tokens; t += grid_extents().x) row(t);
  }
};

/// y[t] = x[from[t]].
template <class X, int Width>
struct gather_kernel : row_kernel<X> {
  using typename row_kernel<X>::Params;
  LLAVA_DEVICE static void run(const Params& p, no_shared_memory&) {
    row_kernel<X>::each_row(p, [&](int t) {
      const std::int32_t row = p.from.at(t, 0);
      if (row < 0) return;
      for (int i = thread_index() * Width; i < p.columns; i += row_kernel<X>::threads * Width)
        store_piece<Width>(p.y + t * p.y_stride + i, load_piece<Width>(p.x + row * p.x_stride + i));
    });
  }
};

/// y[t] = Σ weights[t, k] · x[from[t, k]], from k = 0 up.
template <int Width>
struct mix_kernel : row_kernel<float> {
  LLAVA_DEVICE static void run(const Params& p, no_shared_memory&) {
    each_row(p, [&](int t) {
      for (int i = thread_index() * Width; i < p.columns; i += threads * Width) {
        piece<Width> sum = {};
        for (int k = 0; k < p.from.terms; ++k) {
          const std::int32_t row = p.from.at(t, k);
          if (row < 0) continue;
          const float weight = p.weights[t * p.weights_stride + k];
          const piece<Width> v = load_piece<Width>(p.x + row * p.x_stride + i);
          LLAVA_UNROLL
          for (int j = 0; j < Width; ++j) sum.at[j] = fused_multiply_add(weight, v.at[j], sum.at[j]);
        }
        store_piece<Width>(p.y + t * p.y_stride + i, sum);
      }
    });
  }
};

/// y[t] = the largest x[from[t, k]] of each column.
template <int Width>
struct max_kernel : row_kernel<float> {
  LLAVA_DEVICE static void run(const Params& p, no_shared_memory&) {
    each_row(p, [&](int t) {
      for (int i = thread_index() * Width; i < p.columns; i += threads * Width) {
        piece<Width> largest = {};
        bool any = false;
        for (int k = 0; k < p.from.terms; ++k) {
          const std::int32_t row = p.from.at(t, k);
          if (row < 0) continue;
          const piece<Width> v = load_piece<Width>(p.x + row * p.x_stride + i);
          LLAVA_UNROLL
          for (int j = 0; j < Width; ++j)
            if (!any || v.at[j] > largest.at[j] || v.at[j] != v.at[j]) largest.at[j] = v.at[j];
          any = true;
        }
        if (any) store_piece<Width>(p.y + t * p.y_stride + i, largest);
      }
    });
  }
};

/// ids[t] = drawn[fed_row(ids[t])] where ids[t] ≤ −2. A step has some hundred bytes of them: the time of a launch.
struct feed_kernel {
  static constexpr int threads = 256, min_blocks = 1;
  static constexpr bool programmatic_launch = true;
  struct Params {
    std::int32_t* ids;
    const std::int32_t* drawn;
    int tokens;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.tokens + threads - 1) / threads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    let_next_kernel_start();
    const int t = block_index().x * threads + thread_index();
    if (t >= p.tokens) return;
    const std::int32_t id = p.ids[t];
    if (id <= -2) p.ids[t] = p.drawn[-2 - id];
  }
};

namespace detail {
inline row_indices indices(queue& q, row_op op, vector_view<const std::int32_t> from, std::ptrdiff_t rows) {
  return {from.data(), 1, static_cast<int>(from.extent(0)), 1, rows, op, q.fault()};
}
inline row_indices indices(queue& q, row_op op, matrix_view<const std::int32_t> from, std::ptrdiff_t rows) {
  return {from.data(), from.stride(), static_cast<int>(from.extent(0)), static_cast<int>(from.extent(1)), rows,
          op,          q.fault()};
}
template <class X>
void gather(queue& q, row_op op, matrix_view<float> y, matrix_view<const X> x, vector_view<const std::int32_t> from) {
  with_width(
      [&]<int Width>() {
        q.launch<gather_kernel<X, Width>>({y.data(), y.stride(), x.data(), x.stride(), static_cast<int>(y.extent(1)),
                                           indices(q, op, from, x.extent(0))});
      },
      y, x);
}
}  // namespace detail

template <floating F>
void embed(queue& q, matrix_view<float> y, matrix_view<const F> table, vector_view<const std::int32_t> ids) {
  if (!q.accepts(ops::embed_shapes(y, table, ids))) return;
  detail::gather(q, row_op::embed, y, table, ids);
}

inline void gather_rows(queue& q, matrix_view<float> y, matrix_view<const float> x,
                        vector_view<const std::int32_t> from) {
  if (!q.accepts(ops::gather_rows_shapes(y, x, from))) return;
  detail::gather(q, row_op::gather_rows, y, x, from);
}

inline void mix_rows(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const std::int32_t> from,
                     matrix_view<const float> weights) {
  if (!q.accepts(ops::mix_rows_shapes(y, x, from, weights))) return;
  with_width(
      [&]<int Width>() {
        q.launch<mix_kernel<Width>>({y.data(), y.stride(), x.data(), x.stride(), static_cast<int>(y.extent(1)),
                                     detail::indices(q, row_op::mix_rows, from, x.extent(0)), weights.data(),
                                     weights.stride()});
      },
      y, x);
}

inline void max_rows(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const std::int32_t> from) {
  if (!q.accepts(ops::max_rows_shapes(y, x, from))) return;
  with_width(
      [&]<int Width>() {
        q.launch<max_kernel<Width>>({y.data(), y.stride(), x.data(), x.stride(), static_cast<int>(y.extent(1)),
                                     detail::indices(q, row_op::max_rows, from, x.extent(0))});
      },
      y, x);
}

inline void feed_tokens(queue& q, vector_view<std::int32_t> ids, vector_view<const std::int32_t> drawn) {
  if (!q.accepts(ops::feed_tokens_shapes(ids, drawn))) return;
  q.launch<feed_kernel>({ids.data(), drawn.data(), static_cast<int>(ids.size())});
}

LLAVA_CUDA_END
