// SPDX-License-Identifier: Apache-2.0
/// Tensor cores: 16×8 += 16×16 · 16×8 of f16 or bf16 with f32 sums, and loads of its operands from shared memory. A
/// warp holds a matrix in the registers of its 32 lanes, as fragments. Below, g = lane / 4 and t = lane % 4.
#pragma once
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/device/convert.cuh>
#include <llava/backend/cuda/device/thread.cuh>
#include <llava/base/macros.hpp>

LLAVA_CUDA_BEGIN

/// A, 16×16 (M×K) of T, f16 or bf16. The lane's word i is a packed_pair<T> of the columns c and c + 1 of row r:
///
/// | i | 0 | 1 | 2 | 3 |
/// |---|---|---|---|---|
/// | r | g | g + 8 | g | g + 8 |
/// | c | 2t | 2t | 2t + 8 | 2t + 8 |
template <class T>
struct fragment_a {
  std::uint32_t word[4];
};
/// B, 16×8 (K×N) of T. The lane's word i is a packed_pair<T> of the rows 2t + 8i and 2t + 8i + 1 of column g.
template <class T>
struct fragment_b {
  std::uint32_t word[2];
};
/// C and D, 16×8 (M×N) of f32. The lane's value i is in row g + 8 (i / 2) and column 2t + i % 2. Two of them side by
/// side, packed, are an A: word 0 is values 0 and 1 of the left one, word 1 its values 2 and 3, and words 2 and 3 are
/// those of the right one.
struct fragment_c {
  float value[4];
  /// The row of value i, 0 ≤ row < 16.
  LLAVA_HOST_DEVICE static constexpr int row(int lane, int i) { return lane / 4 + i / 2 * 8; }
  /// The column of value i, 0 ≤ column < 8.
  LLAVA_HOST_DEVICE static constexpr int column(int lane, int i) { return lane % 4 * 2 + i % 2; }
};

/// c += a · b. Products are exact; the order of their sum, and its rounding, are those of the device.
/// PTX: mma.sync.aligned.m16n8k16.row.col.f32.{f16.f16, bf16.bf16}.f32, "Matrix Fragments for mma.m16n8k16".
template <class T>
LLAVA_DEVICE void mma_m16n8k16(fragment_c& c, const fragment_a<T>& a, const fragment_b<T>& b,
                               [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(std::is_same_v<T, f16> || std::is_same_v<T, bf16>, "llava: mma_m16n8k16 multiplies f16 or bf16");
#if defined(__CUDACC__)
  if constexpr (std::is_same_v<T, bf16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
        : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
        : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
#else
  constexpr auto type = std::is_same_v<T, bf16> ? cuda_host::warp_op::mma_bf16 : cuda_host::warp_op::mma_f16;
  cuda_host::mma_m16n8k16(c.value, a.word, b.word, type, at);
#endif
}

/// What ldmatrix_x4() gives a lane: word i is row g of matrix i, columns 2t and 2t + 1; transposed, the rows 2t and
/// 2t + 1 of column g.
struct matrices {
  std::uint32_t word[4];
};
/// Reads four 8×8 matrices of 16-bit elements from shared memory. Lane l gives the address of 16 bytes, row l % 8 of
/// matrix l / 8; addresses are multiples of 16. PTX: ldmatrix.sync.aligned.m8n8.x4.shared.b16.
LLAVA_DEVICE matrices ldmatrix_x4(const void* row, [[maybe_unused]] call_site at = call_site::current()) {
  matrices m;
#if defined(__CUDACC__)
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.word[0]), "=r"(m.word[1]), "=r"(m.word[2]), "=r"(m.word[3])
               : "r"(from)
               : "memory");
#else
  cuda_host::load_matrices(m.word, row, cuda_host::warp_op::ldmatrix, at);
#endif
  return m;
}
/// ldmatrix_x4() that transposes each matrix. PTX: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16.
LLAVA_DEVICE matrices ldmatrix_x4_transposed(const void* row, [[maybe_unused]] call_site at = call_site::current()) {
  matrices m;
#if defined(__CUDACC__)
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.word[0]), "=r"(m.word[1]), "=r"(m.word[2]), "=r"(m.word[3])
               : "r"(from)
               : "memory");
#else
  cuda_host::load_matrices(m.word, row, cuda_host::warp_op::ldmatrix_transposed, at);
#endif
  return m;
}

/// @name Fragments by ldmatrix
/// Each lane gives the address of the 16 bytes that start at its row and column of a tile in shared memory. The kernel
/// chooses how rows lie there: a stride, a swizzle.
/// @{

/// A row and a column of a tile.
struct tile_position {
  int row, column;
};
/// A from a 16×16 tile stored M×K: element [m][k].
LLAVA_HOST_DEVICE constexpr tile_position position_of_a(int lane) { return {lane % 16, lane / 16 * 8}; }
/// Two B, side by side in N, from a 16×16 tile stored N×K: element [n][k]. Such are weights, and K in q · Kᵀ.
LLAVA_HOST_DEVICE constexpr tile_position position_of_b_pair(int lane) {
  return {lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8};
}
/// Two B, side by side in N, from a 16×16 tile stored K×N: element [k][n]. Such is V in p · V.
LLAVA_HOST_DEVICE constexpr tile_position position_of_b_pair_transposed(int lane) { return {lane % 16, lane / 16 * 8}; }

/// `row` is the address of position_of_a(lane_index()).
template <class T>
LLAVA_DEVICE fragment_a<T> load_a(const T* row, call_site at = call_site::current()) {
  const matrices m = ldmatrix_x4(row, at);
  return {{m.word[0], m.word[1], m.word[2], m.word[3]}};
}
/// `row` is the address of position_of_b_pair(lane_index()). b[0] has the columns n = 0 to 7, b[1] has 8 to 15.
template <class T>
LLAVA_DEVICE void load_b_pair(fragment_b<T> (&b)[2], const T* row, call_site at = call_site::current()) {
  const matrices m = ldmatrix_x4(row, at);
  b[0] = {{m.word[0], m.word[1]}};
  b[1] = {{m.word[2], m.word[3]}};
}
/// `row` is the address of position_of_b_pair_transposed(lane_index()). b[0] has the columns n = 0 to 7, b[1] 8 to 15.
template <class T>
LLAVA_DEVICE void load_b_pair_transposed(fragment_b<T> (&b)[2], const T* row, call_site at = call_site::current()) {
  const matrices m = ldmatrix_x4_transposed(row, at);
  b[0] = {{m.word[0], m.word[1]}};
  b[1] = {{m.word[2], m.word[3]}};
}
/// @}

/// @name Tensor cores for bytes
/// 16×8 = 16×32 · 32×8 + 16×8 of signed bytes with i32 sums, which are exact. ldmatrix_x4() loads A, and two B, from
/// tiles of bytes with rows of 32, at position_of_a() and position_of_b_pair() of 16-bit elements.
/// @{

/// A, 16×32 (M×K). The lane's word i holds the columns 4t + 16 (i / 2) to 4t + 3 + 16 (i / 2) of row g + 8 (i % 2).
struct byte_fragment_a {
  std::uint32_t word[4];
};
/// B, 32×8 (K×N). The lane's word i holds the rows 4t + 16 i to 4t + 3 + 16 i of column g.
struct byte_fragment_b {
  std::uint32_t word[2];
};
/// C and D, 16×8 (M×N) of i32, at the rows and columns of fragment_c.
struct integer_fragment_c {
  int value[4];
};

/// a · b + c, for the columns 16 Half to 16 Half + 15 of A only.
/// PTX: mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32, "Matrix Fragments for mma.m16n8k16".
template <int Half>
LLAVA_DEVICE integer_fragment_c mma_m16n8k16(const byte_fragment_a& a, const byte_fragment_b& b, integer_fragment_c c,
                                             [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(Half == 0 || Half == 1, "llava: a 16×32 matrix has two halves");
#if defined(__CUDACC__)
  integer_fragment_c d;
  asm(
      "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
      : "=r"(d.value[0]), "=r"(d.value[1]), "=r"(d.value[2]), "=r"(d.value[3])
      : "r"(a.word[2 * Half]), "r"(a.word[2 * Half + 1]), "r"(b.word[Half]), "r"(c.value[0]), "r"(c.value[1]),
        "r"(c.value[2]), "r"(c.value[3]));
  return d;
#else
  cuda_host::mma_m16n8k16_s8(c.value, {a.word[2 * Half], a.word[2 * Half + 1]}, b.word[Half], at);
  return c;
#endif
}
/// a · b + c. PTX: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32, "Matrix Fragments for mma.m16n8k32".
LLAVA_DEVICE integer_fragment_c mma_m16n8k32(const byte_fragment_a& a, const byte_fragment_b& b, integer_fragment_c c,
                                             [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  integer_fragment_c d;
  asm(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%10, %11, %12, %13};"
      : "=r"(d.value[0]), "=r"(d.value[1]), "=r"(d.value[2]), "=r"(d.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]),
        "r"(c.value[0]), "r"(c.value[1]), "r"(c.value[2]), "r"(c.value[3]));
  return d;
#else
  return mma_m16n8k16<1>(a, b, mma_m16n8k16<0>(a, b, c, at), at);
#endif
}
/// @}

LLAVA_CUDA_END
