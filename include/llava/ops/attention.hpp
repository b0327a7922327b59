// SPDX-License-Identifier: Apache-2.0
/// attention(queue, y, q, k, v, heads, scale): every query sees every key (the vision tower).
///   q (R, H·d), k, v (T, H·d) f32, T ≥ 1; y (R, H·d), an operand (operand.hpp), may not overlap the others
///
/// paged_attention(queue, y, q, cache, rows, heads, window, scale): token t sees positions [max(0, p − window + 1), p] of its own
/// sequence, p = rows.positions[t]; window 0 means all. Query head h uses key head h / (H / KV).
///   q (T, H·d) f32, y (T, H·d) an operand · cache: one layer of the block pool, in which these tokens' own keys already stand
///
/// rope_and_store(queue, q, k, v, angles, rows, cache): turns q (T, H·d) in place and writes turned k and v (T, KV·d) to their
/// slots. rope_angles(queue, angles, positions, inverse_frequencies): angles[t] = (cos(p·f_0) …, sin(p·f_0) …)  (T, d).
/// Rotation is rotate-half: pairs (i, i + d/2).
///
/// Softmax in f32, NMSE ≤ 1e-6; the whole ≤ 1e-7 in f32, ≤ 5e-4 with an f16 cache, against double (R15). Keys are taken
/// in blocks at absolute positions, ascending: a row does not depend on the rows beside it (R14).
#pragma once
#include <cstdint>

#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

/// Tokens in a block of the KV cache.
inline constexpr int kv_block = 16;
/// The largest d.
inline constexpr int largest_head = 512;

/// One layer of the block pool. Keys lie with tokens innermost, so that a block's scores are one vector:
///   key   of slot s: keys[(s / 16 · KV + h) · d · 16 + i · 16 + s % 16]        blocks of (KV, d, 16)
///   value of slot s: values[(s / 16 · KV + h) · 16 · d + s % 16 · d + i]       blocks of (KV, 16, d)
template <class T>
struct kv_view {
  T* keys = nullptr;
  T* values = nullptr;
  int heads = 0;  // KV
  int dim = 0;    // d
};

/// Where the rows of a step belong. All of it is device memory: a captured graph replays with other contents.
struct step_rows {
  vector_view<const std::int32_t> positions;  // (T) place in the sequence, from 0
  vector_view<const std::int32_t> sequences;  // (T) row of `blocks`
  vector_view<const std::int32_t> kv_slots;   // (T) where key and value go: block · 16 + offset
  matrix_view<const std::int32_t> blocks;     // (S, M) block of positions 16 m … 16 m + 15
};

namespace ops {
template <class Y>
shapes attention_shapes(matrix_view<Y> y, matrix_view<const float> q, matrix_view<const float> k,
                        matrix_view<const float> v, int heads) {
  shapes s("attention");
  const std::ptrdiff_t width = q.extent(1);
  s.require(heads > 0 && width % heads == 0, "q has ", width, " columns, which ", heads, " heads do not divide");
  s.require(heads <= 0 || width / heads <= largest_head, "q has ", width, " columns for ", heads,
            " heads; a head has at most ", largest_head);
  s.require(k.extent(0) > 0 || q.extent(0) == 0, "k has no rows");
  const operand queries{"q", q};
  s.expect({"k", k}, {k.extent(0), width}, queries);
  s.expect({"v", v}, k, operand{"k", k});
  s.expect({"y", y}, q, queries);
  s.writes(y);
  return s;
}

template <class Y, class T>
shapes paged_attention_shapes(matrix_view<Y> y, matrix_view<const float> q, const kv_view<T>& cache,
                              const step_rows& rows, int heads) {
  shapes s("paged_attention");
  const std::ptrdiff_t tokens = q.extent(0);
  s.require(heads > 0 && cache.heads > 0 && heads % cache.heads == 0, heads,
            " query heads are no multiple of the cache's ", cache.heads);
  s.require(cache.dim > 0 && cache.dim <= largest_head, "the cache's heads have ", cache.dim,
            " elements, expected 1 to ", largest_head);
  const operand queries{"q", q}, held{"KV, d of the cache", {cache.heads, cache.dim}};
  s.expect(queries, {tokens, std::ptrdiff_t{heads} * cache.dim}, held);
  s.expect({"y", y}, q, queries);
  s.expect({"positions", rows.positions}, tokens, queries);
  s.expect({"sequences", rows.sequences}, tokens, queries);
  s.require(rows.blocks.size() > 0 || tokens == 0, "the table of blocks is empty");
  s.writes(y);
  return s;
}

template <class T>
shapes rope_and_store_shapes(matrix_view<const float> q, matrix_view<const float> k, matrix_view<const float> v,
                             matrix_view<const float> angles, const step_rows& rows, const kv_view<T>& cache) {
  shapes s("rope_and_store");
  const std::ptrdiff_t tokens = q.extent(0), width = q.extent(1);
  s.require(cache.heads > 0 && cache.dim > 0 && cache.dim % 2 == 0, "the cache has ", cache.heads, " heads of ",
            cache.dim, " elements; expected some, of an even number");
  s.require(cache.dim <= 0 || width % cache.dim == 0, "q has ", width, " columns, no multiple of the cache's d, ",
            cache.dim);
  const operand queries{"q", q}, held{"KV, d of the cache", {cache.heads, cache.dim}};
  s.expect({"k", k}, {tokens, std::ptrdiff_t{cache.heads} * cache.dim}, queries, held);
  s.expect({"v", v}, k, operand{"k", k});
  s.expect({"angles", angles}, {tokens, cache.dim}, queries, held);
  s.expect({"kv_slots", rows.kv_slots}, tokens, queries);
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

/// F: the format of the weights that y feeds.
template <class B, class F>
concept has_attention = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<const float> x) {
  attention(q, y, x, x, x, 1, 1.f);
};
template <class B, class T, class F>
concept has_paged_attention = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<float> turned,
                                       matrix_view<const float> x, kv_view<T> c, step_rows r) {
  paged_attention(q, y, x, c, r, 1, 0, 1.f);
  rope_and_store(q, turned, x, x, x, r, c);
  rope_angles(q, turned, r.positions, vector_view<const float>{});
};
}  // namespace ops

LLAVA_END
