// SPDX-License-Identifier: Apache-2.0
/// What kernels are called with: plain pointers and sizes. A kernel is text in kernels/*.inc that is compiled once for
/// each instruction set, inside that set's namespace and target region; it calls nothing outside them, because the
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

/// Elements along K whose products are added up before they join the output: a few rows of x and of w, so long, are in
/// a first-level cache.
inline constexpr std::ptrdiff_t depth_at_once = 1024;
/// From one packed row of w to the next: a power of two would put them all into the same sets of a first-level cache.
inline constexpr std::ptrdiff_t packed_stride = depth_at_once + 16;
/// Of w at a time: for a second-level cache, and the columns of y that this is at most.
inline constexpr std::ptrdiff_t packed_bytes = std::ptrdiff_t{256} << 10, packed_columns = 128;
/// Up to so many rows, weights are read where they are.
inline constexpr std::ptrdiff_t few_rows = 16;
/// How __builtin_prefetch is told to bring something no nearer than a second-level cache.
inline constexpr int second_cache = 2;
/// Floats of scratch that a thread needs for so many rows.
constexpr std::ptrdiff_t matmul_scratch(std::ptrdiff_t rows) {
  return rows * packed_columns + (rows <= few_rows ? 0 : packed_bytes / 4 / depth_at_once * packed_stride);
}

/// Attention of some query rows over blocks of 16 keys. Row i is head i % group of token i / group: heads that share a
/// key head lie side by side.
template <class T>
struct attention_arguments {
  const float* queries;  // first token, at the first of these heads
  float* y;              // likewise
  std::ptrdiff_t q_stride, y_stride;
  const T* keys;                  // of block 0, at this key head: (d, 16)
  const T* values;                // likewise: (16, d)
  std::ptrdiff_t block_stride;    // elements from one block to the next
  const std::int32_t* blocks;     // which block holds positions 16 m … ; null: block m
  const std::int32_t* positions;  // of each token: its last key; null: `last` for all
  std::ptrdiff_t last;
  std::ptrdiff_t window;  // 0: none
  std::ptrdiff_t dim;     // d
  float scale;
  std::ptrdiff_t group;
};
/// Keys between two looks at the largest score: a tile, at absolute positions.
inline constexpr int attention_keys = 64;
/// Columns of a head that a kernel has room for.
inline constexpr int attention_dim = largest_head;

}  // namespace simd_backend

LLAVA_END
