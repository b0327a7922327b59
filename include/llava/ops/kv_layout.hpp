// SPDX-License-Identifier: Apache-2.0
/// The KV cache as ops see it: one layer of a pool of blocks of 16 tokens, in the layout of the backend.
///
/// store_kv(queue, k, v, rows, cache): writes keys and values (T, KV·d) f32 to their slots, rounded to the cache's
/// type; a row whose slot is negative is not written. The type fp8_e4m3 has no scale: an element is off by at most 1/16
/// of itself (2⁻¹⁰ below 2⁻⁶), and elements beyond ±448 become ±448.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <llava/base/dtype.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Number of tokens in a block of the KV cache.
inline constexpr int kv_block = 16;
/// The element types of a KV cache. A backend may lack fp8_e4m3.
template <class T>
concept kv_element = floating<T> || std::is_same_v<T, fp8_e4m3>;

/// A backend defines `template <class T> using kv_layout = …`, the layout of a layer of the cache in its memory: a type
/// with a `view` that its ops take (it has `heads`, KV, and `dim`, d), layer_bytes(heads, dim, blocks),
/// make_view(memory of the layer, heads, dim, blocks), and parts_of(view, block), the vectors that hold one block of a
/// layer.
template <class B, class T>
using kv_layout_of = typename B::template kv_layout<T>;
template <class B, class T>
using kv_view_of = typename kv_layout_of<B, T>::view;

/// One layer of the block pool. Tokens are the innermost axis of keys, so that a block's scores are one vector:
///   key   of slot s: keys[(s / 16 · KV + h) · d · 16 + i · 16 + s % 16]        blocks of (KV, d, 16)
///   value of slot s: values[(s / 16 · KV + h) · 16 · d + s % 16 · d + i]       blocks of (KV, 16, d)
template <class T>
struct kv_view {
  T* keys = nullptr;
  T* values = nullptr;
  int heads = 0;  // KV
  int dim = 0;    // d

  /// Elements of one token and head.
  constexpr int row() const { return dim; }
};

/// All keys of a layer, then all values. View is that of the host backends, or another with these members.
template <class T, class View = kv_view<T>>
struct block_kv_layout {
  using view = View;
  static constexpr std::size_t layer_bytes(int heads, int dim, int blocks) {
    return 2 * half(heads, dim, blocks) * sizeof(T);
  }
  static view make_view(std::byte* layer, int heads, int dim, int blocks) {
    T* const keys = reinterpret_cast<T*>(layer);
    return {keys, keys + half(heads, dim, blocks), heads, dim};
  }
  static std::array<vector_view<T>, 2> parts_of(const view& layer, int block) {
    const auto size = static_cast<std::ptrdiff_t>(half(layer.heads, layer.dim, 1));
    const dynamic_shape<1> extents(static_cast<int>(size));
    return {vector_view<T>(layer.keys + block * size, extents), vector_view<T>(layer.values + block * size, extents)};
  }

 private:
  static constexpr std::size_t half(int heads, int dim, int blocks) {
    const int row = view{nullptr, nullptr, heads, dim}.row();
    return std::size_t{static_cast<unsigned>(heads)} * static_cast<unsigned>(row) * kv_block *
           static_cast<unsigned>(blocks);
  }
};

/// Positions, sequences and cache slots of the rows of a step. All of it is device memory, so that a captured graph can
/// be replayed with new contents.
struct step_rows {
  vector_view<const std::int32_t> positions;  // (T) position in the sequence, from 0
  vector_view<const std::int32_t> sequences;  // (T) row of `blocks`
  vector_view<const std::int32_t> kv_slots;   // (T) slot of key and value: block · 16 + offset; < 0: none
  matrix_view<const std::int32_t> blocks;     // (sequences, most blocks) [s, m]: block of positions 16 m … 16 m + 15
};

namespace ops {
/// Cache: the view of a KV layout.
template <class Cache>
shapes store_kv_shapes(matrix_view<const float> k, matrix_view<const float> v, const step_rows& rows,
                       const Cache& cache) {
  shapes s("store_kv");
  s.require(cache.heads > 0 && cache.dim > 0, "the cache has ", cache.heads, " heads of ", cache.dim,
            " elements, expected at least 1 of each");
  const operand keys{"k", k}, held{"KV, d of the cache", {cache.heads, cache.dim}};
  s.expect(keys, {k.extent(0), std::ptrdiff_t{cache.heads} * cache.dim}, held);
  s.expect({"v", v}, k, keys);
  s.expect({"kv_slots", rows.kv_slots}, k.extent(0), keys);
  return s;
}
}  // namespace ops

LLAVA_END
