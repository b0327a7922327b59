// SPDX-License-Identifier: Apache-2.0
/// Where attention finds keys and values: rows in groups of 16 tokens, of the KV cache or of a matrix. Both kinds of
/// attention kernel (dots.cuh, tiles.cuh) read through one of these:
///
///   block(b)          first rows of the tokens 16 b … 16 b + 15; the next rows follow after key_stride, value_stride
///   load(row, c, ok)  16 bytes of a row from column c; zeros beyond the row's end, and if not ok
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/device.cuh>
#include <llava/backend/cuda/kv_layout.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// T[N] for an int N, without a warning about its sign.
template <class T, int N>
using array_of = T[static_cast<std::size_t>(N)];

template <class T>
struct key_block {
  const T *key, *value;
};

/// One head of a sequence in the KV cache.
template <class T>
struct cached_keys {
  using element = T;
  const T *keys, *values;
  const std::int32_t* table;  // the sequence's row of the block table
  int heads, head, dim;       // KV, 0 ≤ head < KV, d
  int key_stride, value_stride;

  LLAVA_DEVICE cached_keys(const kv_row_view<T>& cache, const std::int32_t* blocks, int kv_head)
      : keys(cache.keys),
        values(cache.values),
        table(blocks),
        heads(cache.heads),
        head(kv_head),
        dim(cache.dim),
        key_stride(cache.row()),
        value_stride(key_stride) {}

  LLAVA_DEVICE key_block<T> block(int b) const {
    const std::ptrdiff_t at = (std::ptrdiff_t{table[b]} * heads + head) * kv_block * key_stride;
    return {keys + at, values + at};
  }
  LLAVA_DEVICE vec16 load(const T* row, int column, bool ok) const {
    return ok && column < dim ? load16_once(row + column) : vec16{};
  }
};

/// Four floats from column `column` of a row of `dim` columns. `aligned`: they are 16 bytes at a multiple of 16, and
/// dim is a multiple of 4.
LLAVA_DEVICE vec16 load_floats(const float* row, int column, int dim, bool aligned) {
  if (aligned && column < dim) return load16(row + column);
  vec16 x;
  LLAVA_UNROLL
  for (int i = 0; i < 4; ++i) x.word[i] = column + i < dim ? bits_of(row[column + i]) : 0;
  return x;
}

/// One head of two matrices, (T, H·d) each.
struct matrix_keys {
  using element = float;
  const float *keys, *values;  // of row 0
  std::ptrdiff_t key_stride, value_stride;
  int dim;
  bool aligned;

  LLAVA_DEVICE key_block<float> block(int b) const {
    return {keys + b * kv_block * key_stride, values + b * kv_block * value_stride};
  }
  LLAVA_DEVICE vec16 load(const float* row, int column, bool ok) const {
    return ok ? load_floats(row, column, dim, aligned) : vec16{};
  }
};

/// Whether load_floats() may load 16 bytes of every row of x.
template <class T>
bool has_aligned_rows(const matrix_view<T>& x, std::ptrdiff_t dim) {
  return dim % 4 == 0 && x.stride() % 4 == 0 && reinterpret_cast<std::uintptr_t>(x.data()) % 16 == 0;
}

/// Calls f.operator()<D>() with the smallest D ≥ dim for which there are kernels.
template <class F>
void with_head_dim(std::ptrdiff_t dim, F&& f) {
  if (dim <= 64)
    f.template operator()<64>();
  else if (dim <= 128)
    f.template operator()<128>();
  else if (dim <= 256)
    f.template operator()<256>();
  else
    f.template operator()<512>();
}

inline constexpr float log2_e = 1.44269504088896341f;
/// Where a running maximum starts. It is finite, so that masked scores, −∞, become probabilities of 0 and not NaN.
inline constexpr float lowest = -3.402823466e38f;
inline constexpr float minus_infinity = -__builtin_inff();

}  // namespace detail

LLAVA_CUDA_END
