// SPDX-License-Identifier: Apache-2.0
/// Pieces of rows: how kernels that are bound by memory read and write it. A piece is 4 elements, which a thread moves
/// by one access of 16 bytes (f32) or 8 bytes (f16, bf16); lanes take neighbouring pieces. Where a row does not consist
/// of aligned pieces, its pieces are single elements: the same kernel, instantiated for a width of 1.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/device.cuh>
#include <llava/tensor/view.hpp>

LLAVA_CUDA_BEGIN

/// Some floats in registers.
template <int Width>
struct piece {
  float at[static_cast<std::size_t>(Width)];
};

/// Reads a piece of f32, f16 or bf16 at `from`, which is aligned to the size of the piece.
template <int Width, class T>
LLAVA_DEVICE piece<Width> load_piece(const T* from, call_site at = call_site::current()) {
  static_assert(Width == 1 || Width == 4, "llava: a piece has 1 or 4 elements");
  if constexpr (Width == 1) {
    return {{to_f32(*from)}};
  } else if constexpr (sizeof(T) == 4) {
    const vec16 x = load16(from, at);
    return {{float_of(x.word[0]), float_of(x.word[1]), float_of(x.word[2]), float_of(x.word[3])}};
  } else {
    const vec8 x = load8(from, at);
    const float_pair a = to_f32(packed_pair<T>{x.word[0]}), b = to_f32(packed_pair<T>{x.word[1]});
    return {{a.lo, a.hi, b.lo, b.hi}};
  }
}

/// Writes a piece as f32, f16 or bf16 at `to`, which is aligned to the size of the piece.
template <int Width, class T>
LLAVA_DEVICE void store_piece(T* to, const piece<Width>& x, call_site at = call_site::current()) {
  if constexpr (Width == 1)
    *to = from_f32<T>(x.at[0]);
  else if constexpr (sizeof(T) == 4)
    store16(to, {{bits_of(x.at[0]), bits_of(x.at[1]), bits_of(x.at[2]), bits_of(x.at[3])}}, at);
  else
    store8(to, {{pack<T>(x.at[0], x.at[1]).bits, pack<T>(x.at[2], x.at[3]).bits}}, at);
}

/// Whether every row of x consists of aligned pieces of 4 elements.
template <class T, class S>
bool has_pieces(const view<T, S>& x) {
  const std::ptrdiff_t rows = S::rank == 1 ? 1 : x.extent(0), columns = rows ? x.size() / rows : 0;
  return reinterpret_cast<std::uintptr_t>(x.data()) % (4 * sizeof(T)) == 0 && columns % 4 == 0 &&
         (rows <= 1 || x.stride() % 4 == 0);
}

/// Calls run.operator()<4>() if all views consist of pieces of 4 elements, otherwise run.operator()<1>().
template <class F, class... Views>
void with_width(F&& run, const Views&... views) {
  if ((has_pieces(views) && ...))
    run.template operator()<4>();
  else
    run.template operator()<1>();
}

LLAVA_CUDA_END
