// SPDX-License-Identifier: Apache-2.0
/// tile: rows of 64 bytes in shared memory, from which ldmatrix reads without bank conflicts: 32 elements of 16 bits or
/// 64 of 8 bits along K. A row is four pieces of 16 bytes; piece c of row r lies at place c ^ (r / 2 % 4). So the eight
/// rows that ldmatrix reads at once, at one c, cover all 32 banks: even and odd rows take different halves of 128
/// bytes, and four successive pairs of rows take the four places of a half.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/device.cuh>
#include <llava/backend/cuda/matmul/end.cuh>

LLAVA_CUDA_BEGIN

template <int Rows>
struct tile {
  static constexpr int row_bytes = 64, pieces = row_bytes / 16;
  alignas(128) unsigned char bytes[extent<Rows * row_bytes>];

  LLAVA_DEVICE unsigned char* at(int row, int piece) {
    return bytes + row * row_bytes + (piece ^ (row / 2 % pieces)) * 16;
  }
  /// The words of an A: 16 rows from `row`, the 32 bytes of `half` (0 or 1).
  LLAVA_DEVICE matrices load_a(int row, int half, call_site where = call_site::current()) {
    const int lane = lane_index();
    return ldmatrix_x4(at(row + lane % 16, 2 * half + lane / 16), where);
  }
  /// The words of two B: 16 rows from `row`, words 0 and 1 those of the first eight; the 32 bytes of `half`.
  LLAVA_DEVICE matrices load_b_pair(int row, int half, call_site where = call_site::current()) {
    const int lane = lane_index();
    return ldmatrix_x4(at(row + lane % 8 + lane / 16 * 8, 2 * half + lane / 8 % 2), where);
  }
};

/// Stores a warp's sums, MTiles × NTiles fragments from row t and column n of y. They go through `slab` in shared
/// memory, 16 rows at a time, so that lanes store whole runs of a row. End is a product_end or has its store_four().
template <std::size_t MTiles, std::size_t NTiles, class End>
LLAVA_DEVICE void store_sums(const fragment_c (&sums)[MTiles][NTiles], float (&slab)[16][NTiles * 8 + 4], int t, int n,
                             const End& end) {
  constexpr auto m_tiles = static_cast<int>(MTiles), n_tiles = static_cast<int>(NTiles), columns = n_tiles * 8;
  const int lane = lane_index();
  LLAVA_UNROLL
  for (int m = 0; m < m_tiles; ++m) {
    LLAVA_UNROLL
    for (int j = 0; j < n_tiles; ++j) {
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i)
        slab[fragment_c::row(lane, i)][j * 8 + fragment_c::column(lane, i)] = sums[m][j].value[i];
    }
    sync_warp();
    for (int i = lane; i < 16 * columns / 4; i += warp_size) {
      const int row = i / (columns / 4), column = i % (columns / 4) * 4;
      const float* const from = &slab[row][column];
      const float four[4] = {from[0], from[1], from[2], from[3]};
      end.store_four(t + 16 * m + row, n + column, four);
    }
    sync_warp();
  }
}

LLAVA_CUDA_END
