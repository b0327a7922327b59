// SPDX-License-Identifier: Apache-2.0
/// attention(queue, y, q, k, v, heads, scale): every token sees every token (the vision tower).
///   q, k, v, y (T, H·d) f32; y may not overlap the others
///
/// paged_attention(queue, y, q, cache, rows, heads, window, scale): token t sees positions [max(0, p − window + 1), p] of its own
/// sequence, p = rows.positions[t]; window 0 means all. Query head h uses key head h / (H / KV).
///   q, y (T, H·d) f32 · cache: one layer of the block pool, in which these tokens' own keys already stand
///
/// rope_and_store(queue, q, k, v, angles, rows, cache): turns q (T, H·d) in place and writes turned k and v (T, KV·d) to their
/// slots. rope_angles(queue, angles, positions, inverse_frequencies): angles[t] = (cos(p·f_0) …, sin(p·f_0) …)  (T, d).
/// Rotation is rotate-half: pairs (i, i + d/2).
///
/// Softmax in f32, NMSE ≤ 1e-6; the whole ≤ 1e-7 in f32, ≤ 5e-4 with an f16 cache, against double (R15). Keys are taken
/// in blocks at absolute positions, ascending: a row does not depend on the rows beside it (R14).
#pragma once
#include <cstdint>

#include <llava/ops/queue_of.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Tokens in a block of the KV cache.
inline constexpr int kv_block = 16;

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
  vector_view<const std::int32_t> slots;      // (T) where key and value go: block · 16 + offset
  matrix_view<const std::int32_t> blocks;     // (S, M) block of positions 16 m … 16 m + 15
};

namespace ops {
template <class B>
concept has_attention = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> x) {
  attention(q, y, x, x, x, 1, 1.f);
};
template <class B, class T>
concept has_paged_attention = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> x, kv_view<T> c,
                                       step_rows r) {
  paged_attention(q, y, x, c, r, 1, 0, 1.f);
  rope_and_store(q, y, x, x, x, r, c);
  rope_angles(q, y, r.positions, vector_view<const float>{});
};
}  // namespace ops

LLAVA_END
