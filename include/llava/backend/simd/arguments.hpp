// SPDX-License-Identifier: Apache-2.0
/// What kernels are called with: plain pointers and sizes. A kernel is text in kernels/*.inc that is compiled once for each
/// instruction set, inside that set's namespace and target region; it calls nothing outside them, because the linker keeps
/// one copy of an inline function, and that copy must run on every machine.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace simd_backend {

/// y (T, N) = act(x (T, K) · w (N, K)ᵀ + bias) (+ y)
template <class F>
struct matmul_arguments {
  const float* x;
  const F* w;
  const float* bias;  // or null
  float* y;
  std::ptrdiff_t x_pitch, w_pitch, y_pitch;
  std::ptrdiff_t rows, inner, columns;  // T, K, N
  bool add;
};

/// Columns that a piece of a matmul packs at a time, and how deep.
inline constexpr std::ptrdiff_t packed_columns = 128, packed_depth = 256;
/// Up to so many rows, weights are not packed but used as they are transposed.
inline constexpr std::ptrdiff_t few_rows = 4;
/// Floats of scratch that a piece with so many rows needs.
constexpr std::ptrdiff_t matmul_scratch(std::ptrdiff_t rows) {
  return rows <= few_rows ? 0 : packed_columns * packed_depth + rows * packed_columns;
}

/// Attention of some query rows of one head over blocks of 16 keys.
template <class T>
struct attention_arguments {
  const float* queries;  // first row, at this head
  float* y;              // likewise
  std::ptrdiff_t q_pitch, y_pitch;
  const T* keys;                  // of block 0, at this key head: (d, 16)
  const T* values;                // likewise: (16, d)
  std::ptrdiff_t block_pitch;     // elements from one block to the next
  const std::int32_t* blocks;     // which block holds positions 16 m … ; null: block m
  const std::int32_t* positions;  // of each row: its last key; null: `last` for all
  std::ptrdiff_t last;
  std::ptrdiff_t window;  // 0: none
  std::ptrdiff_t dim;     // d
  float scale;
};
/// Query rows that share the reading of keys.
inline constexpr int attention_rows = 4;
/// Largest head: see config.hpp.
inline constexpr int attention_dim = 512;

}  // namespace simd_backend

LLAVA_END
