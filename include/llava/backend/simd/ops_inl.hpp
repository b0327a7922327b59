// SPDX-License-Identifier: Apache-2.0
/// Definitions of ops.hpp, except matmul.
#pragma once
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd/ops.hpp>
#include <llava/backend/simd/with_kernels.hpp>

LLAVA_BEGIN

namespace simd_backend {

namespace detail {
/// Number of pieces for rows of little work each.
inline std::ptrdiff_t row_pieces(const queue& q, std::ptrdiff_t rows) { return rows < 8 ? 1 : 2 * q.concurrency(); }

/// Query rows per piece of an attention: they read the keys of a head from the processor's cache.
inline constexpr std::ptrdiff_t attention_run = 96;

}  // namespace detail

LLAVA_INLINE void rms_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                           float eps) {
  if (!q.accepts(ops::rms_norm_shapes(y, x, w))) return;
  q.submit([&](workers on) {
    detail::with_kernels(q, [&]<class K>(K) {
      on.split(x.extent(0), detail::row_pieces(q, x.extent(0)), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) K::rms_norm(y.row(t), x.row(t), w.data(), x.extent(1), eps);
      });
    });
  });
}

LLAVA_INLINE void layer_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                             vector_view<const float> b, float eps) {
  if (!q.accepts(ops::layer_norm_shapes(y, x, w, b))) return;
  q.submit([&](workers on) {
    detail::with_kernels(q, [&]<class K>(K) {
      on.split(x.extent(0), detail::row_pieces(q, x.extent(0)), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t)
          K::layer_norm(y.row(t), x.row(t), w.data(), b.data(), x.extent(1), eps);
      });
    });
  });
}

LLAVA_INLINE void add(queue& q, matrix_view<float> y, matrix_view<const float> x) {
  if (!q.accepts(ops::add_shapes(y, x))) return;
  q.submit([&](workers) {
    detail::with_kernels(q, [&]<class K>(K) {
      for (std::ptrdiff_t t = 0; t < y.extent(0); ++t) K::add(y.row(t), x.row(t), y.extent(1));
    });
  });
}

LLAVA_INLINE void rope(queue& q, matrix_view<float> x, matrix_view<const float> angles) {
  if (!q.accepts(ops::rope_shapes(x, angles))) return;
  q.submit([&](workers on) {
    const std::ptrdiff_t tokens = x.extent(0), d = angles.extent(1), heads = x.extent(1) / d;
    detail::with_kernels(q, [&]<class K>(K) {
      on.split(tokens, detail::row_pieces(q, tokens), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) K::rope(x.row(t), angles.row(t), heads, d);
      });
    });
  });
}

template <floating T>
void store_kv(queue& q, matrix_view<const float> k, matrix_view<const float> v, step_rows rows, kv_view<T> cache) {
  if (!q.accepts(ops::store_kv_shapes(k, v, rows, cache))) return;
  q.submit([&](workers on) {
    const std::ptrdiff_t d = cache.dim, tokens = k.extent(0);
    detail::with_kernels(q, [&]<class K>(K) {
      on.split(tokens, detail::row_pieces(q, tokens), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) {
          if (rows.kv_slots(t) < 0) continue;
          const std::ptrdiff_t block = rows.kv_slots(t) / kv_block * cache.heads * d * kv_block,
                               offset = rows.kv_slots(t) % kv_block;
          K::store_kv(cache.keys + block + offset, cache.values + block + offset * d, k.row(t), v.row(t), cache.heads,
                      d);
        }
      });
    });
  });
}

/// Copies keys and values of each head into blocks like those of the KV cache, so that one kernel serves both kinds of
/// attention.
LLAVA_INLINE void attention(queue& q, matrix_view<float> y, matrix_view<const float> queries,
                            matrix_view<const float> k, matrix_view<const float> v, const attention_parameters p) {
  if (!q.accepts(ops::attention_shapes(y, queries, k, v, p))) return;
  const std::ptrdiff_t heads = p.heads;
  const std::ptrdiff_t tokens = k.extent(0), d = queries.extent(1) / heads, blocks = (tokens + kv_block - 1) / kv_block;
  arena_scope scope(q.workspace());
  float* keys = q.workspace().allocate<float>(heads * blocks * kv_block * d);    // (H, blocks, d, 16)
  float* values = q.workspace().allocate<float>(heads * blocks * kv_block * d);  // (H, blocks, 16, d)
  q.submit([&](workers on) {
    detail::with_kernels(q, [&]<class K>(K) {
      on.split_dynamic(heads * blocks, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t h = piece / blocks, t = piece % blocks * kv_block, at = piece * kv_block * d;
        K::copy_to_kv_block(keys + at, values + at, k.row(t) + h * d, k.stride(), v.row(t) + h * d, v.stride(), d,
                            tokens - t);
      });
      const std::ptrdiff_t runs = (queries.extent(0) + detail::attention_run - 1) / detail::attention_run;
      on.split_dynamic(heads * runs, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t h = piece / runs, first = piece % runs * detail::attention_run,
                             last = first + detail::attention_run, at = h * blocks * kv_block * d;
        const attention_arguments<float> a{queries.data() + h * d,
                                           y.data() + h * d,
                                           queries.stride(),
                                           y.stride(),
                                           keys + at,
                                           values + at,
                                           kv_block * d,
                                           nullptr,
                                           nullptr,
                                           tokens - 1,
                                           0,
                                           d,
                                           p.scale,
                                           1};
        K::attention(a, first, last < queries.extent(0) ? last : queries.extent(0));
      });
    });
  });
}

template <floating T>
void paged_attention(queue& q, matrix_view<float> y, matrix_view<const float> queries, kv_view<T> cache, step_rows rows,
                     const attention_parameters p) {
  if (!q.accepts(ops::paged_attention_shapes(y, queries, cache, rows, p))) return;
  q.submit([&](workers on) {
    // The query heads of one key head are rows of one attention, so that they share the reads of its keys.
    const std::ptrdiff_t tokens = queries.extent(0), d = cache.dim, group = p.heads / cache.heads;
    const std::ptrdiff_t run = group < detail::attention_run ? detail::attention_run / group : 1,  // in tokens
        runs = (tokens + run - 1) / run;
    detail::with_kernels(q, [&]<class K>(K) {
      on.split_dynamic(cache.heads * runs, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
        const std::ptrdiff_t kv = piece % cache.heads;
        std::ptrdiff_t first = (runs - 1 - piece / cache.heads) * run;  // last tokens first: they have the most keys
        const std::ptrdiff_t end = first + run < tokens ? first + run : tokens;
        while (first < end) {  // one sequence at a time
          const std::int32_t s = rows.sequences(first);
          std::ptrdiff_t last = first + 1;
          while (last < end && rows.sequences(last) == s) ++last;
          const attention_arguments<T> a{queries.data() + kv * group * d,
                                         y.data() + kv * group * d,
                                         queries.stride(),
                                         y.stride(),
                                         cache.keys + kv * d * kv_block,
                                         cache.values + kv * d * kv_block,
                                         std::ptrdiff_t{cache.heads} * d * kv_block,
                                         rows.blocks.row(s),
                                         rows.positions.data(),
                                         0,
                                         p.window,
                                         d,
                                         p.scale,
                                         group,
                                         p.slopes.empty() ? nullptr : p.slopes.data() + kv * group};
          K::attention(a, first * group, last * group);
          first = last;
        }
      });
    });
  });
}

}  // namespace simd_backend

LLAVA_END
