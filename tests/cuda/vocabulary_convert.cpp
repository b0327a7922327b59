// SPDX-License-Identifier: Apache-2.0
/// Conversions of the device vocabulary, all values or very many, against definitions of the formats.
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

using llava::bf16;
using llava::f16;
using llava::fp8_e4m3;

/// std::array's functions are not the device's.
template <class T, std::size_t N>
struct array_of {
  T x[N];
  LLAVA_HOST_DEVICE const T& operator[](std::size_t i) const { return x[i]; }
};
template <std::size_t N>
using words = array_of<std::uint32_t, N>;

/// y[i] = F::of(x[i]).
template <class F, class X, class Y>
struct map_kernel {
  struct values {
    const X* x;
    Y* y;
    int count;
  };
  static constexpr int threads = 128, min_blocks = 1;
  using Params = values;
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.count + 4095) / 4096}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    for (int i = block_index().x * 4096 + thread_index(); i < p.count && i < (block_index().x + 1) * 4096; i += threads)
      p.y[i] = F::of(p.x[i]);
  }
};
template <class F, class X>
auto mapped(const std::vector<X>& x) {
  using Y = decltype(F::of(X{}));
  const device_array<X> x_on_device(x);
  const device_array<Y> y(x.size());
  launch<map_kernel<F, X, Y>>(test_stream(), {x_on_device.data(), y.data(), static_cast<int>(x.size())}).value();
  return y.read();
}

std::vector<std::uint32_t> random_bits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> bits(count);
  for (std::uint32_t& b : bits) b = static_cast<std::uint32_t>(random());
  return bits;
}

template <class T>
struct widened {
  LLAVA_DEVICE static words<3> of(std::uint32_t bits) {
    const float_pair p = to_f32(packed_pair<T>{bits});
    return {bits_of(to_f32(T{static_cast<std::uint16_t>(bits & 0xffffu)})), bits_of(p.lo), bits_of(p.hi)};
  }
};
template <class T>
struct narrowed {
  LLAVA_DEVICE static words<3> of(std::uint32_t bits) {
    const float x = float_of(bits), y = float_of(bits ^ 0x80000000u);
    return {from_f32<T>(x).bits, pack<T>(x, y).bits, bits_of(from_f32<float>(x))};
  }
};

/// A format with 16 bits by its definition: sign, exponent, fraction.
template <class T>
double value_of(std::uint16_t bits) {
  constexpr int fraction = std::is_same_v<T, f16> ? 10 : 7, bias = std::is_same_v<T, f16> ? 15 : 127;
  constexpr int largest = std::is_same_v<T, f16> ? 31 : 255;
  const int e = (bits & 0x7fff) >> fraction, m = bits & ((1 << fraction) - 1);
  double x = std::ldexp(e == 0 ? m : m + (1 << fraction), (e == 0 ? 1 : e) - bias - fraction);
  if (e == largest) x = m == 0 ? INFINITY : NAN;
  return bits & 0x8000 ? -x : x;
}

template <class T>
void check_16_bits() {
  // All values, the second half of a pair another one.
  std::vector<std::uint32_t> bits(65536);
  for (std::uint32_t i = 0; i < bits.size(); ++i) bits[i] = i | (i * 40503u & 0xffffu) << 16;
  const auto wide = mapped<widened<T>>(bits);
  int wrong = 0;
  const auto equals = [](std::uint32_t found, double expected) {
    const float x = std::bit_cast<float>(found);
    return std::isnan(expected) ? std::isnan(x) : x == expected && std::signbit(x) == std::signbit(expected);
  };
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const double lo = value_of<T>(static_cast<std::uint16_t>(bits[i])),
                 hi = value_of<T>(static_cast<std::uint16_t>(bits[i] >> 16));
    wrong += !equals(wide[i][0], lo) || !equals(wide[i][1], lo) || !equals(wide[i][2], hi);
  }
  CHECK(wrong == 0);

  // Between each value and the next one: just below the middle, the middle, just above. And anything.
  std::vector<std::uint32_t> x = random_bits(20000, 1), expected(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    expected[i] =
        std::isnan(std::bit_cast<float>(x[i])) ? 0x7fffu : llava::from_float<T>(std::bit_cast<float>(x[i])).bits;
  constexpr std::uint16_t infinity = std::is_same_v<T, f16> ? 0x7c00 : 0x7f80;
  for (std::uint16_t i = 0; i < infinity; ++i) {
    const double a = value_of<T>(i);
    const double b = i + 1 == infinity ? 2 * a - value_of<T>(static_cast<std::uint16_t>(i - 1))
                                       : value_of<T>(static_cast<std::uint16_t>(i + 1));
    const auto middle = static_cast<float>((a + b) / 2);  // exact
    const std::uint32_t m = std::bit_cast<std::uint32_t>(middle);
    for (const std::uint32_t sign : {0u, 1u}) {
      x.insert(x.end(), {(m - 1) | sign << 31, m | sign << 31, (m + 1) | sign << 31});
      const std::uint32_t s = sign << 15, lower = s | i, upper = s | (i + 1u);
      expected.insert(expected.end(), {lower, i % 2 == 0 ? lower : upper, upper});
    }
  }
  const auto narrow = mapped<narrowed<T>>(x);
  wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool is_nan = std::isnan(std::bit_cast<float>(x[i]));
    const std::uint32_t other = is_nan ? 0x7fffu : expected[i] ^ 0x8000u;
    wrong += narrow[i][0] != expected[i] || narrow[i][1] != (expected[i] | other << 16) || narrow[i][2] != x[i];
  }
  CHECK(wrong == 0);
}

/// The integers that a T stands for in units of 2^unit, by exact 128-bit arithmetic.
__extension__ using int128 = __int128;
template <class T>
int128 scaled(std::uint16_t bits, int unit) {
  constexpr int fraction = std::is_same_v<T, f16> ? 10 : 7, bias = std::is_same_v<T, f16> ? 15 : 127;
  const int e = (bits & 0x7fff) >> fraction, m = bits & ((1 << fraction) - 1);
  const int shift = (e == 0 ? 1 : e) - bias - fraction - unit;
  const int128 x = shift < 0 ? 0 : static_cast<int128>(e == 0 ? m : m + (1 << fraction)) << shift;
  return bits & 0x8000 ? -x : x;
}

template <class T>
struct fused {
  LLAVA_DEVICE static words<3> of(words<3> x) {
    const packed_pair<T> a{x[0]}, b{x[1]}, c{x[2]};
    return {fused_multiply_add(a, b, c).bits, multiply(a, b).bits, add(a, c).bits};
  }
};

/// a · b + c of T is the value nearest to the exact one, or the even one of two. Exponents are limited so that the
/// exact value is an integer of 128 bits in units of 2⁻⁵⁶.
template <class T>
void check_fused() {
  std::mt19937 random(3);
  const auto any = [&](int of_zero) {
    constexpr int fraction = std::is_same_v<T, f16> ? 10 : 7, bias = std::is_same_v<T, f16> ? 15 : 127;
    const auto e = static_cast<std::uint32_t>(bias + of_zero + static_cast<int>(random() % 9) - 4);
    return static_cast<std::uint32_t>(e << fraction | (random() & ((1u << fraction) - 1)) | (random() & 1u) << 15);
  };
  std::vector<words<3>> x(20000);
  for (auto& each : x) {
    auto& [a, b, c] = each.x;
    a = any(0) | any(0) << 16;
    b = any(0) | any(0) << 16;
    c = any(random() % 2 ? 0 : -8) | any(0) << 16;
  }
  const auto y = mapped<fused<T>>(x);
  constexpr int unit = -56;
  int wrong = 0;
  const auto is_nearest = [&](int128 exact, std::uint32_t found) {
    const auto distance = [&](std::uint32_t bits) {
      const int128 d = scaled<T>(static_cast<std::uint16_t>(bits), unit / 2) * (int128(1) << 28) - exact;
      return d < 0 ? -d : d;
    };
    const int128 own = distance(found), above = distance(found + 1);
    if ((found & 0x7fffu) == 0) return own <= above;
    const int128 below = distance(found - 1);
    return own <= below && own <= above && ((own != below && own != above) || found % 2 == 0);
  };
  for (std::size_t i = 0; i < x.size(); ++i)
    for (const unsigned half : {0u, 16u}) {
      const auto in = [&](std::size_t j) { return static_cast<std::uint16_t>(x[i][j] >> half); };
      const auto out = [&](std::size_t j) { return y[i][j] >> half & 0xffffu; };
      const int128 a = scaled<T>(in(0), unit / 2), b = scaled<T>(in(1), unit / 2), c = scaled<T>(in(2), unit / 2);
      const int128 one = int128(1) << 28;
      wrong += !is_nearest(a * b + c * one, out(0)) || !is_nearest(a * b, out(1)) || !is_nearest((a + c) * one, out(2));
    }
  CHECK(wrong == 0);
}

template <class T>
struct nibbles {
  LLAVA_DEVICE static words<9> of(std::uint32_t word) {
    return {int4_pair<T>(word, 0).bits, int4_pair<T>(word, 1).bits,    int4_pair<T>(word, 2).bits,
            int4_pair<T>(word, 3).bits, int4_pair<T, 0>(word, 1).bits, int4_pair<T, 16>(word, 2).bits,
            int8_pair<T>(word, 0).bits, int8_pair<T>(word, 1).bits,    select_bytes(word, ~word, 0x7150u)};
  }
};
template <class T>
void check_integers() {
  std::vector<std::uint32_t> words = random_bits(2000, 5);
  for (std::uint32_t i = 0; i < 256; ++i) words.push_back(i * 0x01010101u);
  const auto found = mapped<nibbles<T>>(words);
  const auto pair_of = [](int lo, int hi) {
    return llava::from_float<T>(static_cast<float>(lo)).bits |
           static_cast<std::uint32_t>(llava::from_float<T>(static_cast<float>(hi)).bits) << 16;
  };
  int wrong = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto nibble = [&](int n) { return static_cast<int>(words[i] >> 4 * n & 15u); };
    const auto byte = [&](int n) { return static_cast<int>(static_cast<std::int8_t>(words[i] >> 8 * n & 0xffu)); };
    for (int n = 0; n < 4; ++n)
      wrong += found[i][static_cast<std::size_t>(n)] != pair_of(nibble(n) - 8, nibble(n + 4) - 8);
    wrong += found[i][4] != pair_of(nibble(1), nibble(5));
    wrong += found[i][5] != pair_of(nibble(2) - 16, nibble(6) - 16);
    wrong += found[i][6] != pair_of(byte(0), byte(1));
    wrong += found[i][7] != pair_of(byte(2), byte(3));
    const std::uint32_t w = words[i];
    wrong += found[i][8] != ((w & 0xffu) | (~w >> 8 & 0xffu) << 8 | (w >> 8 & 0xffu) << 16 | (~w >> 24) << 24);
  }
  CHECK(wrong == 0);
}

struct of_fp8 {
  LLAVA_DEVICE static array_of<float, 3> of(std::uint32_t pair) {
    const float_pair p = to_f32(unpack_fp8(static_cast<std::uint16_t>(pair)));
    return {to_f32(fp8_e4m3{static_cast<std::uint8_t>(pair & 0xffu)}), p.lo, p.hi};
  }
};
struct to_fp8 {
  LLAVA_DEVICE static words<2> of(float x) { return {from_f32<fp8_e4m3>(x).bits, pack_fp8(x, -x)}; }
};
double fp8_of(int bits) {
  const int e = (bits & 0x7f) >> 3, m = bits & 7;
  const double x = (bits & 0x7f) == 0x7f ? NAN : std::ldexp(e == 0 ? m : m + 8, (e == 0 ? 1 : e) - 10);
  return bits & 0x80 ? -x : x;
}

}  // namespace

TEST_CASE("16-bit floats convert as their formats say") {
  check_16_bits<f16>();
  check_16_bits<bf16>();
}

TEST_CASE("packed arithmetic rounds once") {
  check_fused<f16>();
  check_fused<bf16>();
}

TEST_CASE("small integers become exact pairs") {
  check_integers<f16>();
  check_integers<bf16>();
}

TEST_CASE("fp8 converts as its format says") {
  std::vector<std::uint32_t> pairs(256);
  for (std::uint32_t i = 0; i < 256; ++i) pairs[i] = i | (255 - i) << 8;
  const auto wide = mapped<of_fp8>(pairs);
  const auto equals = [](float found, double expected) {
    return std::isnan(expected) ? std::isnan(found)
                                : found == expected && std::signbit(found) == std::signbit(expected);
  };
  for (int i = 0; i < 256; ++i) {
    const auto& [one, lo, hi] = wide[static_cast<std::size_t>(i)].x;
    CHECK((equals(one, fp8_of(i)) && equals(lo, fp8_of(i)) && equals(hi, fp8_of(255 - i))));
    CHECK(equals(llava::to_float(fp8_e4m3{static_cast<std::uint8_t>(i)}), fp8_of(i)));
  }

  std::vector<float> x = {0.f, 448.f, 449.f, 464.f, 465.f, 1e30f, INFINITY, 0x1p-149f, 0x1p-10f, NAN};
  std::vector<int> expected = {0, 0x7e, 0x7e, 0x7e, 0x7e, 0x7e, 0x7e, 0, 0, 0x7f};
  for (int i = 0; i < 0x7e; ++i) {
    const auto middle = static_cast<float>((fp8_of(i) + fp8_of(i + 1)) / 2);
    x.insert(x.end(), {std::nextafter(middle, 0.f), middle, std::nextafter(middle, INFINITY)});
    expected.insert(expected.end(), {i, i % 2 == 0 ? i : i + 1, i + 1});
  }
  const auto narrow = mapped<to_fp8>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(x[i]);
    const auto own = static_cast<std::uint32_t>(expected[i]), other = own == 0x7f ? own : own | 0x80u;
    CHECK(narrow[i][0] == own);
    CHECK(llava::from_float<fp8_e4m3>(x[i]).bits == own);
    CHECK(llava::from_float<fp8_e4m3>(-x[i]).bits == other);
    CHECK(narrow[i][1] == (own | other << 8));
  }
}

}  // namespace cuda_test
