// SPDX-License-Identifier: Apache-2.0
/// The ops of the simd backend: each cuts its work into independent pieces and calls the kernels of the queue's instruction
/// set (contracts: ops/*.hpp). How many pieces there are changes no byte.
#pragma once
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd/queue.hpp>

LLAVA_BEGIN

namespace simd_backend {

namespace detail {
/// Calls call(kernels) with the queue's instruction set.
template <class F>
void with_kernels(const queue& q, F&& call) {
  switch (q.isa()) {
#if defined(__x86_64__)
    case simd_isa::avx512vnni:
    case simd_isa::avx512:
      return call(avx512::kernels{});
    case simd_isa::avx2:
      return call(avx2::kernels{});
#elif defined(__aarch64__)
    case simd_isa::neon:
      return call(neon::kernels{});
#endif
    default:
      return call(generic::kernels{});
  }
}

/// Pieces for n rows of little work each.
inline std::ptrdiff_t row_pieces(const queue& q, std::ptrdiff_t rows) { return rows < 8 ? 1 : 2 * q.concurrency(); }
}  // namespace detail

template <floating F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<A> e) {
  // A piece is a run of whole panels, so that no two write the same columns.
  const std::ptrdiff_t columns = w.extent(0), unit = x.extent(0) <= few_rows ? 16 : 32,
                       panels = (columns + unit - 1) / unit;
  const std::ptrdiff_t most = 4 * q.concurrency(), pieces = panels < most ? panels : most;
  const std::ptrdiff_t size = matmul_scratch(x.extent(0));
  arena_scope scope(q.workspace());
  float* scratch = q.workspace().take<float>(pieces * size);
  q.submit([&] {
    const matmul_arguments<F> a{x.data(),  w.data(),    e.bias.empty() ? nullptr : e.bias.data(),
                                y.data(),  x.pitch(),   w.pitch(),
                                y.pitch(), x.extent(0), x.extent(1),
                                columns,   e.add};
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(pieces, pieces, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t last = panels * (piece + 1) / pieces * unit;
        K::template matmul<A>(a, panels * piece / pieces * unit, last < columns ? last : columns,
                              scratch + piece * size);
      });
    });
  });
}

inline void rms_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                     float eps) {
  q.submit([&] {
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(x.extent(0), detail::row_pieces(q, x.extent(0)), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) K::rms_norm(y.row(t), x.row(t), w.data(), x.extent(1), eps);
      });
    });
  });
}

inline void layer_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                       vector_view<const float> b, float eps) {
  q.submit([&] {
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(x.extent(0), detail::row_pieces(q, x.extent(0)), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t)
          K::layer_norm(y.row(t), x.row(t), w.data(), b.data(), x.extent(1), eps);
      });
    });
  });
}

template <activation A>
void gated(queue& q, matrix_view<float> y, matrix_view<const float> gate, matrix_view<const float> up, A) {
  q.submit([&] {
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(y.extent(0), detail::row_pieces(q, y.extent(0)), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t)
          K::template gated<A>(y.row(t), gate.row(t), up.row(t), y.extent(1));
      });
    });
  });
}

inline void add(queue& q, matrix_view<float> y, matrix_view<const float> x) {
  q.submit([&] {
    detail::with_kernels(q, [&]<class K>(K) {
      for (std::ptrdiff_t t = 0; t < y.extent(0); ++t) K::add(y.row(t), x.row(t), y.extent(1));
    });
  });
}

/// Keys and values of each head are laid into blocks like the cache's, so that one kernel serves both kinds of attention.
inline void attention(queue& q, matrix_view<float> y, matrix_view<const float> queries, matrix_view<const float> k,
                      matrix_view<const float> v, int heads, float scale) {
  const std::ptrdiff_t tokens = k.extent(0), d = queries.extent(1) / heads, blocks = (tokens + kv_block - 1) / kv_block;
  arena_scope scope(q.workspace());
  float* keys = q.workspace().take<float>(heads * blocks * kv_block * d);    // (H, blocks, d, 16)
  float* values = q.workspace().take<float>(heads * blocks * kv_block * d);  // (H, blocks, 16, d)
  q.submit([&] {
    q.split(heads, heads, [&](std::ptrdiff_t h, std::ptrdiff_t) {
      float *head_keys = keys + h * blocks * kv_block * d, *head_values = values + h * blocks * kv_block * d;
      for (std::ptrdiff_t j = 0; j < tokens; ++j)
        for (std::ptrdiff_t i = 0; i < d; ++i) {
          head_keys[(j / kv_block * d + i) * kv_block + j % kv_block] = k(j, h * d + i);
          head_values[j * d + i] = v(j, h * d + i);
        }
    });
    const std::ptrdiff_t runs = (queries.extent(0) + 63) / 64;  // of 64 rows
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(heads * runs, heads * runs, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t h = piece / runs, first = piece % runs * 64, last = first + 64;
        const attention_arguments<float> a{queries.data() + h * d,
                                           y.data() + h * d,
                                           queries.pitch(),
                                           y.pitch(),
                                           keys + h * blocks * kv_block * d,
                                           values + h * blocks * kv_block * d,
                                           kv_block * d,
                                           nullptr,
                                           nullptr,
                                           tokens - 1,
                                           0,
                                           d,
                                           scale};
        K::attention(a, first, last < queries.extent(0) ? last : queries.extent(0));
      });
    });
  });
}

template <class T>
void paged_attention(queue& q, matrix_view<float> y, matrix_view<const float> queries, kv_view<T> cache, step_rows rows,
                     int heads, int window, float scale) {
  q.submit([&] {
    const std::ptrdiff_t tokens = queries.extent(0), d = cache.dim, runs = (tokens + 31) / 32;  // of 32 rows
    detail::with_kernels(q, [&]<class K>(K) {
      q.split(heads * runs, heads * runs, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t h = piece % heads, kv = h / (heads / cache.heads);
        std::ptrdiff_t first = piece / heads * 32;
        const std::ptrdiff_t end = first + 32 < tokens ? first + 32 : tokens;
        while (first < end) {  // rows of one sequence at a time
          const std::int32_t s = rows.sequences(first);
          std::ptrdiff_t last = first + 1;
          while (last < end && rows.sequences(last) == s) ++last;
          const attention_arguments<T> a{queries.data() + h * d,
                                         y.data() + h * d,
                                         queries.pitch(),
                                         y.pitch(),
                                         cache.keys + kv * d * kv_block,
                                         cache.values + kv * d * kv_block,
                                         std::ptrdiff_t{cache.heads} * d * kv_block,
                                         rows.blocks.row(s),
                                         rows.positions.data(),
                                         0,
                                         window,
                                         d,
                                         scale};
          K::attention(a, first, last);
          first = last;
        }
      });
    });
  });
}

}  // namespace simd_backend

LLAVA_END
