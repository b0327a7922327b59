// SPDX-License-Identifier: Apache-2.0
/// attention(queue, y, q, k, v, attention_parameters): every query sees every key (the vision tower).
///   q (R, H·d), k, v (T, H·d) f32, T ≥ 1; y (R, H·d), an operand (operand.hpp), may not overlap the others
///
/// paged_attention(queue, y, q, cache, rows, attention_parameters): token t sees positions [max(0, p − window + 1), p]
/// of its own sequence, p = rows.positions[t]; window 0 means all. Query head h uses key head h / (H / KV).
///   q (T, H·d) f32, y (T, H·d) an operand · cache: one layer of the block pool, in which these tokens' own keys
///   already stand, in B's layout for it
///
/// store_kv(queue, k, v, rows, cache): writes keys and values (T, KV·d) f32 to their slots, rounded to the cache's
/// type. rope(queue, x, angles): turns the heads of x (T, n·d) f32 in place, in pairs half a head apart (rotate-half).
/// rope_angles(queue, angles, positions, inverse_frequencies): angles[t] = (cos(p·f_0) …, sin(p·f_0) …)  (T, d).
///
/// Softmax in f32, NMSE ≤ 1e-6; the whole ≤ 1e-7 in f32, ≤ 5e-4 with an f16 cache, against double (R15). Keys are taken
/// in blocks at absolute positions, ascending: a row does not depend on the rows beside it (R14).
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

/// Tokens in a block of the KV cache.
inline constexpr int kv_block = 16;
/// The largest d.
inline constexpr int largest_head = 512;

/// How queries look at keys.
struct attention_parameters {
  int heads = 1;      ///< H, of the queries
  float scale = 1.f;  ///< of a score
  int window = 0;     ///< keys that a token sees, its own among them; 0: all
};

/// A backend says with `template <class T> using kv_layout = …` how a layer of the cache lies in its memory: a type
/// with a `view` that its ops take, layer_bytes(heads, dim, blocks) and make_view(memory of the layer, heads, dim,
/// blocks).
template <class B, class T>
using kv_layout_of = typename B::template kv_layout<T>;
template <class B, class T>
using kv_view_of = typename kv_layout_of<B, T>::view;

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

/// The layout of scalar and simd: all keys of a layer, then all values.
template <class T>
struct block_kv_layout {
  using view = kv_view<T>;
  static constexpr std::size_t layer_bytes(int heads, int dim, int blocks) {
    return 2 * half(heads, dim, blocks) * sizeof(T);
  }
  static view make_view(std::byte* layer, int heads, int dim, int blocks) {
    T* const keys = reinterpret_cast<T*>(layer);
    return {keys, keys + half(heads, dim, blocks), heads, dim};
  }

 private:
  static constexpr std::size_t half(int heads, int dim, int blocks) {
    return std::size_t{static_cast<unsigned>(heads)} * static_cast<unsigned>(dim) * kv_block *
           static_cast<unsigned>(blocks);
  }
};

/// Where the rows of a step belong. All of it is device memory: a captured graph replays with other contents.
struct step_rows {
  vector_view<const std::int32_t> positions;  // (T) place in the sequence, from 0
  vector_view<const std::int32_t> sequences;  // (T) row of `blocks`
  vector_view<const std::int32_t> kv_slots;   // (T) where key and value go: block · 16 + offset
  matrix_view<const std::int32_t> blocks;     // (sequences, most blocks) block of positions 16 m … 16 m + 15
};

namespace ops {
template <class Y>
shapes attention_shapes(matrix_view<Y> y, matrix_view<const float> q, matrix_view<const float> k,
                        matrix_view<const float> v, const attention_parameters& p) {
  shapes s("attention");
  const int heads = p.heads;
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
                              const step_rows& rows, const attention_parameters& p) {
  shapes s("paged_attention");
  const int heads = p.heads;
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
shapes store_kv_shapes(matrix_view<const float> k, matrix_view<const float> v, const step_rows& rows,
                       const kv_view<T>& cache) {
  shapes s("store_kv");
  s.require(cache.heads > 0 && cache.dim > 0, "the cache has ", cache.heads, " heads of ", cache.dim,
            " elements; expected some");
  const operand keys{"k", k}, held{"KV, d of the cache", {cache.heads, cache.dim}};
  s.expect(keys, {k.extent(0), std::ptrdiff_t{cache.heads} * cache.dim}, held);
  s.expect({"v", v}, k, keys);
  s.expect({"kv_slots", rows.kv_slots}, k.extent(0), keys);
  return s;
}

inline shapes rope_shapes(matrix_view<const float> x, matrix_view<const float> angles) {
  shapes s("rope");
  const std::ptrdiff_t width = x.extent(1), dim = angles.extent(1);
  s.require(dim > 0 && dim % 2 == 0, "angles has ", dim, " columns; expected some, of an even number");
  s.require(dim <= 0 || width % dim == 0, "x has ", width, " columns, no multiple of the d of angles, ", dim);
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

/// F: the format of the weights that y feeds.
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
