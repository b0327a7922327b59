// SPDX-License-Identifier: Apache-2.0
/// product_parts: up to three products with one x that one kernel of few rows computes. It takes tiles of some columns
/// each. The tiles of the products follow each other in the grid; or, if the first is the gate of the second, the
/// first half of a tile is columns of the gate, and the second half the same columns of what it multiplies, so that
/// the block that has a sum of one has that of the other too.
///
/// Which of the three a tile belongs to is known at run time, so a kernel exists once for one product and for several.
/// It costs a block a few instructions, while it reads weights for microseconds.
#pragma once
#include <cstddef>

#include <llava/backend/cuda/matmul/end.cuh>

LLAVA_CUDA_BEGIN

/// W: element of the rows of weights; A: an activation_of<…>.
template <class W, class A>
struct product_parts {
  static constexpr int most = 3;
  struct product {
    const W* w;             // (N, …)
    std::ptrdiff_t stride;  // of w, in elements
    product_end<A> end;
  };
  /// A tile: its product, and its first column there. With a gate: 0, and the first column of both.
  struct tile {
    int product, column;
  };

  product part[most];
  int count = 1;
  bool is_gated = false;

  LLAVA_HOST_DEVICE int rows() const { return part[0].end.rows; }
  LLAVA_HOST_DEVICE static int tiles_of(const product& p, int width) { return (p.end.columns + width - 1) / width; }
  /// The number of tiles with this many columns.
  LLAVA_HOST_DEVICE int tiles(int width) const {
    if (is_gated) return tiles_of(part[0], width / 2);
    int all = 0;
    for (int i = 0; i < count; ++i) all += tiles_of(part[i], width);
    return all;
  }
  /// Tile `index`; beyond the last one, a tile without columns.
  template <int Width>
  LLAVA_DEVICE tile tile_at(int index) const {
    if (is_gated) return {0, index * (Width / 2)};
    int i = 0;
    for (int own; i + 1 < count && index >= (own = tiles_of(part[i], Width)); ++i) index -= own;
    return {i, index * Width};
  }
  /// The row of w for column c of a tile; the last row for columns past the end.
  template <int Width>
  LLAVA_DEVICE const W* row(tile at, int c) const {
    const product& of = part[is_gated ? c / (Width / 2) : at.product];
    const int n = at.column + (is_gated ? c % (Width / 2) : c);
    return of.w + minimum(n, of.end.columns - 1) * of.stride;
  }
  /// Stores the sum of row t and column c of a tile. `gated`: that of column c + Width / 2, if this is a gate.
  template <int Width>
  LLAVA_DEVICE void store(tile at, int t, int c, float sum, float scale, float gated, float gated_scale) const {
    const product_end<A>& end = part[at.product].end;
    const int n = at.column + c;
    if (t >= end.rows || n >= end.columns || c >= (is_gated ? Width / 2 : Width)) return;
    end.store(t, n, sum, scale);
    if (is_gated) part[1].end.store(t, n, gated, gated_scale);
  }

  /// The products of `rows` rows from row t on, or of those that are left.
  product_parts rows_from(int t, int rows) const {
    product_parts some = *this;
    for (product& p : some.part) p.end = from_row(p.end, t, p.end.rows - t < rows ? p.end.rows - t : rows);
    return some;
  }
};

LLAVA_CUDA_END
