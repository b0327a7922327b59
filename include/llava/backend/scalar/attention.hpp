// SPDX-License-Identifier: Apache-2.0
/// attention, paged_attention, store_kv, rope and rope_angles of the scalar backend (contracts: ops/attention.hpp,
/// ops/kv_layout.hpp, ops/rope.hpp).
#pragma once
#include <cmath>

#include <llava/backend/scalar/queue.hpp>
#include <llava/base/dtype.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/rope.hpp>

LLAVA_BEGIN

namespace scalar_backend {

namespace detail {
/// Replaces scores[first … last) by probabilities; nothing outside is touched.
inline void softmax(float* scores, std::ptrdiff_t first, std::ptrdiff_t last) {
  float largest = scores[first], sum = 0.f;
  for (std::ptrdiff_t j = first; j < last; ++j) largest = std::fmax(largest, scores[j]);
  for (std::ptrdiff_t j = first; j < last; ++j) sum += scores[j] = std::exp(scores[j] - largest);
  for (std::ptrdiff_t j = first; j < last; ++j) scores[j] /= sum;
}
}  // namespace detail

template <floating Y>
void attention(queue& q, matrix_view<Y> y, matrix_view<const float> queries, matrix_view<const float> k,
               matrix_view<const float> v, const attention_parameters p) {
  if (!q.accepts(ops::attention_shapes(y, queries, k, v, p))) return;
  const std::ptrdiff_t tokens = k.extent(0), d = queries.extent(1) / p.heads;
  arena_scope scope(q.workspace());
  float* scores = q.workspace().allocate<float>(tokens);  // (T)
  q.submit([&](workers) {
    for (std::ptrdiff_t t = 0; t < queries.extent(0); ++t)
      for (std::ptrdiff_t at = 0; at < p.heads * d; at += d) {  // first column of the head
        for (std::ptrdiff_t j = 0; j < tokens; ++j) {
          float dot = 0.f;
          for (std::ptrdiff_t i = at; i < at + d; ++i) dot = std::fma(queries(t, i), k(j, i), dot);
          scores[j] = dot * p.scale;
        }
        detail::softmax(scores, 0, tokens);
        for (std::ptrdiff_t i = at; i < at + d; ++i) {
          float sum = 0.f;
          for (std::ptrdiff_t j = 0; j < tokens; ++j) sum = std::fma(scores[j], v(j, i), sum);
          y(t, i) = from_float<Y>(sum);
        }
      }
  });
}

template <floating Y, kv_element T>
void paged_attention(queue& q, matrix_view<Y> y, matrix_view<const float> queries, kv_view<T> cache, step_rows rows,
                     const attention_parameters p) {
  if (!q.accepts(ops::paged_attention_shapes(y, queries, cache, rows, p))) return;
  arena_scope scope(q.workspace());
  float* scores = q.workspace().allocate<float>(rows.blocks.extent(1) * kv_block);  // (longest sequence)
  q.submit([&](workers) {
    const std::ptrdiff_t d = cache.dim;
    for (std::ptrdiff_t t = 0; t < queries.extent(0); ++t) {
      const std::int32_t last = rows.positions(t);
      const std::int32_t first = p.window > 0 && last >= p.window ? last - p.window + 1 : 0;
      for (int h = 0; h < p.heads; ++h) {
        const int kv = h / (p.heads / cache.heads);
        const float* query = queries.row(t) + h * d;
        const auto block_of = [&](std::int32_t j) -> std::ptrdiff_t {
          return (std::ptrdiff_t{rows.blocks(rows.sequences(t), j / kv_block)} * cache.heads + kv) * d * kv_block;
        };
        for (std::int32_t j = first; j <= last; ++j) {
          const T* key = cache.keys + block_of(j) + j % kv_block;
          float dot = 0.f;
          for (std::ptrdiff_t i = 0; i < d; ++i) dot = std::fma(query[i], to_float(key[i * kv_block]), dot);
          scores[j] = dot * p.scale;
          if (!p.slopes.empty()) scores[j] = std::fma(p.slopes(h), static_cast<float>(j - last), scores[j]);
        }
        detail::softmax(scores, first, last + 1);
        for (std::ptrdiff_t i = 0; i < d; ++i) {
          float sum = 0.f;
          for (std::int32_t j = first; j <= last; ++j)
            sum = std::fma(scores[j], to_float(cache.values[block_of(j) + j % kv_block * d + i]), sum);
          y(t, h * d + i) = from_float<Y>(sum);
        }
      }
    }
  });
}

/// angles (T, d): cosines in the first half of a row, sines in the second.
inline void rope_angles(queue& q, matrix_view<float> angles, vector_view<const std::int32_t> positions,
                        vector_view<const float> inverse_frequencies) {
  if (!q.accepts(ops::rope_angles_shapes(angles, positions, inverse_frequencies))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t half = inverse_frequencies.extent(0);
    for (std::ptrdiff_t t = 0; t < positions.extent(0); ++t)
      for (std::ptrdiff_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(positions(t)) * inverse_frequencies(i);
        angles(t, i) = std::cos(angle);
        angles(t, half + i) = std::sin(angle);
      }
  });
}

inline void rope(queue& q, matrix_view<float> x, matrix_view<const float> angles) {
  if (!q.accepts(ops::rope_shapes(x, angles))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t d = angles.extent(1), half = d / 2;
    for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
      const float *cosine = angles.row(t), *sine = angles.row(t) + half;
      for (float* head = x.row(t); head < x.row(t) + x.extent(1); head += d)
        for (std::ptrdiff_t i = 0; i < half; ++i) {
          const float a = head[i], b = head[i + half];
          head[i] = a * cosine[i] - b * sine[i];
          head[i + half] = b * cosine[i] + a * sine[i];
        }
    }
  });
}

template <kv_element T>
void store_kv(queue& q, matrix_view<const float> k, matrix_view<const float> v, step_rows rows, kv_view<T> cache) {
  if (!q.accepts(ops::store_kv_shapes(k, v, rows, cache))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t d = cache.dim;
    for (std::ptrdiff_t t = 0; t < k.extent(0); ++t) {
      if (rows.kv_slots(t) < 0) continue;
      const std::ptrdiff_t block = rows.kv_slots(t) / kv_block, offset = rows.kv_slots(t) % kv_block;
      for (std::ptrdiff_t h = 0; h < cache.heads; ++h) {
        T* key = cache.keys + (block * cache.heads + h) * d * kv_block + offset;
        T* value = cache.values + (block * cache.heads + h) * d * kv_block + offset * d;
        for (std::ptrdiff_t i = 0; i < d; ++i) key[i * kv_block] = from_float<T>(k(t, h * d + i));
        for (std::ptrdiff_t i = 0; i < d; ++i) value[i] = from_float<T>(v(t, h * d + i));
      }
    }
  });
}

}  // namespace scalar_backend

LLAVA_END
