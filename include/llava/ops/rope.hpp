// SPDX-License-Identifier: Apache-2.0
/// rope(queue, x, angles): rotates the heads of x (T, n·d) f32 in place, in pairs half a head apart (rotate-half).
/// rope_angles(queue, angles, positions, inverse_frequencies): angles[t] = (cos(p·f_0) …, sin(p·f_0) …)  (T, d),
/// p = positions[t].
/// rope_and_store(queue, queries, keys, values, angles, rows, cache): optional. queries and the cache have the bytes of
/// rope of queries, rope of keys, and store_kv (kv_layout.hpp); keys are as before.
/// Source: Su et al. 2021; the pairs are those of transformers.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/ops/kv_layout.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

namespace ops {
inline shapes rope_shapes(matrix_view<const float> x, matrix_view<const float> angles) {
  shapes s("rope");
  const std::ptrdiff_t width = x.extent(1), dim = angles.extent(1);
  s.require(dim > 0 && dim % 2 == 0, "angles has ", dim, " columns, expected a positive even number");
  s.require(dim <= 0 || width % dim == 0, "x has ", width,
            " columns, expected a multiple of d, the columns of angles, ", dim);
  s.expect({"angles", angles}, {x.extent(0), dim}, operand{"x", x});
  return s;
}

inline shapes rope_angles_shapes(matrix_view<const float> angles, vector_view<const std::int32_t> positions,
                                 vector_view<const float> inverse_frequencies) {
  shapes s("rope_angles");
  s.expect({"angles", angles}, {positions.extent(0), 2 * inverse_frequencies.extent(0)},
           operand{"positions", positions}, operand{"inverse_frequencies", inverse_frequencies});
  s.writes(angles);
  return s;
}

/// Cache: the view of a KV layout.
template <class Cache>
shapes rope_and_store_shapes(matrix_view<const float> queries, matrix_view<const float> k, matrix_view<const float> v,
                             matrix_view<const float> angles, const step_rows& rows, const Cache& cache) {
  shapes s("rope_and_store");
  const std::ptrdiff_t dim = cache.dim, width = queries.extent(1);
  s.require(cache.heads > 0 && dim > 0 && dim % 2 == 0, "the cache has ", cache.heads, " heads of ", dim,
            " elements, expected at least 1 of an even number");
  s.require(dim <= 0 || width % dim == 0, "queries has ", width, " columns, expected a multiple of d of the cache, ",
            dim);
  const operand keys{"k", k}, held{"KV, d of the cache", {cache.heads, dim}};
  s.expect(keys, {k.extent(0), std::ptrdiff_t{cache.heads} * dim}, held);
  s.expect({"v", v}, k, keys);
  s.expect({"queries", queries}, {k.extent(0), width}, keys);
  s.expect({"angles", angles}, {k.extent(0), dim}, keys, held);
  s.expect({"kv_slots", rows.kv_slots}, k.extent(0), keys);
  return s;
}

template <class Q, class Cache>
concept has_rope_and_store = requires(Q& q, matrix_view<float> queries, matrix_view<const float> x, step_rows rows,
                                      Cache cache) {
  rope_and_store(q, queries, x, x, x, rows, cache);
};
}  // namespace ops

LLAVA_END
