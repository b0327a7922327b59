// SPDX-License-Identifier: Apache-2.0
/// ldmatrix, mma and fma, decoded by the layouts that the PTX ISA documents. The order in which a tensor core adds
/// products is not documented; here it is that of k.
#include <bit>
#include <cmath>
#include <cstring>

#include <llava/base/dtype.hpp>

#include "block.hpp"
#include "report.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

/// What a lane gives to mma.m16n8k16.
struct operands {
  float c[4];
  std::uint32_t a[4], b[2];
};

/// "Matrix Fragments for mma.m16n8k16 with floating point type": element i of a lane is in word i / 2, half i % 2.
template <class T>
void multiply(const warp_data& given, warp_data& got) {
  float a[16][16], b[16][8], c[16][8];
  const auto half = [](const std::uint32_t* words, unsigned i) {
    return to_float(T{static_cast<std::uint16_t>(words[i / 2] >> 16 * (i % 2) & 0xffffu)});
  };
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    operands x;
    std::memcpy(&x, given[lane].bytes.data(), sizeof x);
    const unsigned group = lane >> 2, in_group = lane % 4;
    for (unsigned i = 0; i < 8; ++i)
      a[i < 2 || (i >= 4 && i < 6) ? group : group + 8][in_group * 2 + (i & 1u) + (i < 4 ? 0 : 8)] = half(x.a, i);
    for (unsigned i = 0; i < 4; ++i) b[in_group * 2 + (i & 1u) + (i < 2 ? 0 : 8)][group] = half(x.b, i);
    for (unsigned i = 0; i < 4; ++i) c[i < 2 ? group : group + 8][in_group * 2 + (i & 1u)] = x.c[i];
  }
  for (unsigned m = 0; m < 16; ++m)
    for (unsigned k = 0; k < 16; ++k)
      for (unsigned n = 0; n < 8; ++n) c[m][n] += a[m][k] * b[k][n];
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    const unsigned group = lane >> 2, in_group = lane % 4;
    float d[4];
    for (unsigned i = 0; i < 4; ++i) d[i] = c[i < 2 ? group : group + 8][in_group * 2 + (i & 1u)];
    std::memcpy(got[lane].bytes.data(), d, sizeof d);
  }
}

/// What a lane gives to mma.m16n8k16 of bytes.
struct byte_operands {
  std::int32_t c[4];
  std::uint32_t a[2], b;
};

/// "Matrix Fragments for mma.m16n8k16 with integer type .u8 or .s8": element i of a lane is byte i % 4 of word i / 4.
void multiply_bytes(const warp_data& given, warp_data& got) {
  std::int32_t a[16][16], b[16][8], c[16][8];
  const auto byte = [](const std::uint32_t* words, unsigned i) {
    return std::int32_t{static_cast<std::int8_t>(words[i / 4] >> 8 * (i % 4) & 0xffu)};
  };
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    byte_operands x;
    std::memcpy(&x, given[lane].bytes.data(), sizeof x);
    const unsigned group = lane >> 2, in_group = lane % 4;
    for (unsigned i = 0; i < 8; ++i) a[i < 4 ? group : group + 8][in_group * 4 + (i & 3u)] = byte(x.a, i);
    for (unsigned i = 0; i < 4; ++i) b[in_group * 4 + i][group] = byte(&x.b, i);
    for (unsigned i = 0; i < 4; ++i) c[i < 2 ? group : group + 8][in_group * 2 + (i & 1u)] = x.c[i];
  }
  for (unsigned m = 0; m < 16; ++m)
    for (unsigned k = 0; k < 16; ++k)
      for (unsigned n = 0; n < 8; ++n) c[m][n] += a[m][k] * b[k][n];
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    const unsigned group = lane >> 2, in_group = lane % 4;
    std::int32_t d[4];
    for (unsigned i = 0; i < 4; ++i) d[i] = c[i < 2 ? group : group + 8][in_group * 2 + (i & 1u)];
    std::memcpy(got[lane].bytes.data(), d, sizeof d);
  }
}

/// Lane 8 i + r gives the address of row r of matrix i.
template <bool Transposed>
void load_matrices_of_warp(const warp_data& given, warp_data& got) {
  for (unsigned i = 0; i < 4; ++i) {
    std::uint16_t matrix[8][8];
    for (unsigned r = 0; r < 8; ++r) {
      const void* row;
      std::memcpy(&row, given[8 * i + r].bytes.data(), sizeof row);
      std::memcpy(matrix[r], row, sizeof matrix[r]);
    }
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      const unsigned r = lane / 4, c = lane % 4 * 2;
      const std::uint16_t pair[2] = {Transposed ? matrix[c][r] : matrix[r][c],
                                     Transposed ? matrix[c + 1][r] : matrix[r][c + 1]};
      std::memcpy(got[lane].bytes.data() + sizeof pair * i, pair, sizeof pair);
    }
  }
}

}  // namespace
}  // namespace llava::emulator

namespace llava::cuda_host {

using namespace emulator;

void mma_m16n8k16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], warp_op op,
                  const call_site& at) {
  const emulator_code code;
  operands x;
  std::memcpy(x.c, c, sizeof c);
  std::memcpy(x.a, a, sizeof a);
  std::memcpy(x.b, b, sizeof b);
  const warp_data& d = exchange(op, &x, sizeof x, op == warp_op::mma_bf16 ? multiply<bf16> : multiply<f16>, at);
  std::memcpy(c, d[lane()].bytes.data(), sizeof c);
}

void mma_m16n8k16_s8(std::int32_t (&c)[4], const std::uint32_t (&a)[2], std::uint32_t b, const call_site& at) {
  const emulator_code code;
  byte_operands x;
  std::memcpy(x.c, c, sizeof c);
  std::memcpy(x.a, a, sizeof a);
  x.b = b;
  const warp_data& d = exchange(warp_op::mma_s8, &x, sizeof x, multiply_bytes, at);
  std::memcpy(c, d[lane()].bytes.data(), sizeof c);
}

void load_matrices(std::uint32_t (&words)[4], const void* row, warp_op op, const call_site& at) {
  const emulator_code code;
  const block& b = *running();
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    throw mistake{"misaligned row of ldmatrix at " + text_of_place(at) + ": rows start at multiples of 16 bytes"};
  const auto* const from = static_cast<const std::byte*>(row);
  if (from < b.shared || from + 16 > b.shared + b.shared_bytes)
    throw mistake{"out of bounds: a row of ldmatrix at " + text_of_place(at) + " is not in shared memory"};
  shadow::check_read(row, 16, at);
  const warp_data& m =
      exchange(op, &row, sizeof row,
               op == warp_op::ldmatrix_transposed ? load_matrices_of_warp<true> : load_matrices_of_warp<false>, at);
  std::memcpy(words, m[lane()].bytes.data(), sizeof words);
}

float multiply_add_to_odd(float a, float b, float c) {
  // s + e is exactly a · b + c: the sum of two doubles and its error.
  const double p = static_cast<double>(a) * b, q = c;
  double s = p + q;
  if (!std::isfinite(s)) return static_cast<float>(s);
  const double v = s - p, e = (p - (s - v)) + (q - v);
  const auto to_odd = [](auto x, bool inexact, bool too_large) {
    using bits = std::conditional_t<sizeof x == 8, std::uint64_t, std::uint32_t>;
    auto u = std::bit_cast<bits>(x);
    if (inexact && u % 2 == 0) u += too_large ? bits(0) - 1 : 1;  // the odd neighbour on the side of the exact value
    return std::bit_cast<decltype(x)>(u);
  };
  s = to_odd(s, e != 0, std::signbit(e) != std::signbit(s));
  const auto f = static_cast<float>(s);
  if (!std::isfinite(f)) return f;
  return to_odd(f, f != s, std::fabs(static_cast<double>(f)) > std::fabs(s));
}

}  // namespace llava::cuda_host
