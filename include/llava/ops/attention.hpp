// SPDX-License-Identifier: Apache-2.0
/// attention(queue, y, q, k, v, attention_parameters): every query attends to every key (the vision tower).
///   q (R, H·d), k, v (T, H·d) f32, T ≥ 1; y (R, H·d), an operand (operand.hpp), must not overlap the others
///
/// paged_attention(queue, y, q, cache, rows, attention_parameters): token t attends to its own sequence, to positions
/// [max(0, p − window + 1), p] with p = rows.positions[t]; window 0 means all. Query head h uses key head h / (H / KV).
/// With slopes (ALiBi, Press et al. 2022), slopes[h] · (j − p) is added to the score of the key at position j.
///   q (T, H·d) f32, y (T, H·d) an operand · cache: one layer of the block pool, which must already hold the keys and
///   values of these tokens (kv_layout.hpp) · slopes (H) or empty
///
/// Softmax is computed in f32, NMSE ≤ 1e-6. The result has NMSE ≤ 1e-7 in f32 and ≤ 5e-4 with an f16 cache, against
/// double (R15). Keys are read in blocks at absolute positions, ascending: a row does not depend on the other rows
/// (R14).
#pragma once
#include <cstddef>

#include <llava/ops/kv_layout.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

/// The largest head dimension d.
inline constexpr int max_head_dim = 512;

/// Heads, scale, window and slopes of an attention. Window and slopes are for paged_attention only.
struct attention_parameters {
  int heads = 1;                      ///< H, the number of query heads
  float scale = 1.f;                  ///< factor of each score q · k
  int window = 0;                     ///< number of keys that a token attends to, its own included; 0: all
  vector_view<const float> slopes{};  ///< (H), in the backend's memory; empty: no ALiBi
};

namespace ops {
template <class Y>
shapes attention_shapes(matrix_view<Y> y, matrix_view<const float> q, matrix_view<const float> k,
                        matrix_view<const float> v, const attention_parameters& p) {
  shapes s("attention");
  const int heads = p.heads;
  const std::ptrdiff_t width = q.extent(1);
  s.require(heads > 0 && width % heads == 0, "q has ", width, " columns, expected a multiple of the number of heads, ",
            heads);
  s.require(heads <= 0 || width / heads <= max_head_dim, "q has ", width, " columns for ", heads,
            " heads, expected at most ", max_head_dim, " per head");
  s.require(k.extent(0) > 0 || q.extent(0) == 0, "k has 0 rows, expected at least 1");
  s.require(p.window == 0 && p.slopes.extent(0) == 0, "has a window or slopes, which only paged_attention applies");
  const operand queries{"q", q};
  s.expect({"k", k}, {k.extent(0), width}, queries);
  s.expect({"v", v}, k, operand{"k", k});
  s.expect({"y", y}, q, queries);
  s.writes(y);
  return s;
}

/// Cache: the view of a KV layout.
template <class Y, class Cache>
shapes paged_attention_shapes(matrix_view<Y> y, matrix_view<const float> q, const Cache& cache,
                              const step_rows& rows, const attention_parameters& p) {
  shapes s("paged_attention");
  const int heads = p.heads;
  const std::ptrdiff_t tokens = q.extent(0);
  s.require(heads > 0 && cache.heads > 0 && heads % cache.heads == 0, "q has ", heads,
            " heads, expected a multiple of the cache's ", cache.heads);
  s.require(cache.dim > 0 && cache.dim <= max_head_dim, "the cache's heads have ", cache.dim,
            " elements, expected 1 to ", max_head_dim);
  const operand queries{"q", q}, held{"KV, d of the cache", {cache.heads, cache.dim}};
  s.expect(queries, {tokens, std::ptrdiff_t{heads} * cache.dim}, held);
  s.expect({"y", y}, q, queries);
  s.expect({"positions", rows.positions}, tokens, queries);
  s.expect({"sequences", rows.sequences}, tokens, queries);
  if (p.slopes.extent(0) > 0) s.expect({"slopes", p.slopes}, std::ptrdiff_t{heads}, queries);
  s.require(rows.blocks.size() > 0 || tokens == 0, "the block table is empty, expected a row for each sequence");
  s.writes(y);
  return s;
}

/// F: the format of the weights that multiply y.
template <class B, class F>
concept has_attention = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<const float> x) {
  attention(q, y, x, x, x, attention_parameters{});
};
template <class B, class T, class F>
concept has_paged_attention = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<float> rotated,
                                       matrix_view<const float> x, kv_view_of<B, T> c, step_rows r) {
  paged_attention(q, y, x, c, r, attention_parameters{});
  store_kv(q, x, x, r, c);
  rope(q, rotated, x);
  rope_angles(q, rotated, r.positions, vector_view<const float>{});
};
}  // namespace ops

LLAVA_END
