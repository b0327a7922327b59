// SPDX-License-Identifier: Apache-2.0
/// Arguments of kernels: plain pointers and sizes. A kernel is text in kernels/*.inc that is compiled once for each
/// instruction set, inside that set's namespace and target region. It calls no function outside them, because the
/// linker keeps one copy of an inline function, and that copy must run on every machine.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/ops/attention.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/ops/rope.hpp>

LLAVA_BEGIN

namespace simd_backend {

/// y (T, N) = act(x (T, K) · w (N, K)ᵀ + bias), or y += or *= that; w of f32, f16 or bf16.
template <class F>
struct matmul_arguments {
  const float* x;
  const F* w;
  const float* bias;  // or null
  float* y;
  std::ptrdiff_t x_stride, w_stride, y_stride;
  std::ptrdiff_t rows, inner, columns;  // T, K, N
  update how;
};

/// Number of elements along K that are summed before they are added to the output: a few rows of x and of w of this
/// length fit into a first-level cache.
inline constexpr std::ptrdiff_t k_block = 1024;
/// Stride of packed rows of w: a power of two would put all rows into the same sets of a first-level cache.
inline constexpr std::ptrdiff_t packed_stride = k_block + 16;
/// Bytes of w packed at a time, for a second-level cache, and the largest number of columns of y that they cover.
inline constexpr std::ptrdiff_t packed_bytes = std::ptrdiff_t{256} << 10, packed_columns = 128;
/// Up to this number of rows, weights are read in place and not packed.
inline constexpr std::ptrdiff_t max_unpacked_rows = 16;
/// The locality argument of __builtin_prefetch for a second-level cache.
inline constexpr int prefetch_l2 = 2;
/// The bits of √½, as a float.
inline constexpr std::int32_t bits_of_root_half = 0x3f3504f3;
/// Scratch memory of a thread for `rows` rows, in floats.
constexpr std::ptrdiff_t matmul_scratch(std::ptrdiff_t rows) {
  return rows * packed_columns + (rows <= max_unpacked_rows ? 0 : packed_bytes / 4 / k_block * packed_stride);
}

/// Attention of query rows over blocks of 16 keys. Row i is head i % group of token i / group: heads that share a key
/// head are contiguous.
template <class T>
struct attention_arguments {
  const float* queries;  // of the first token, at the first of these heads
  float* y;              // of the same token and head
  std::ptrdiff_t q_stride, y_stride;
  const T* keys;                  // of block 0, at this key head: (d, 16)
  const T* values;                // of block 0, at this key head: (16, d)
  std::ptrdiff_t block_stride;    // elements from one block to the next
  const std::int32_t* blocks;     // [m]: block of positions 16 m … 16 m + 15; null: block m
  const std::int32_t* positions;  // last key of each token; null: `last` for all
  std::ptrdiff_t last;
  std::ptrdiff_t window;  // number of keys; 0: no window
  std::ptrdiff_t dim;     // d
  float scale;
  std::ptrdiff_t group;
  const float* slopes = nullptr;  // of these heads; null: no ALiBi
};
/// Number of keys of a tile, at absolute positions. The maximum is updated once per tile.
inline constexpr int attention_keys = 64;
/// Largest head dimension of the kernels.
inline constexpr int attention_dim = max_head_dim;

}  // namespace simd_backend

LLAVA_END
