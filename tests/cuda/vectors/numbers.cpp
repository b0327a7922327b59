// SPDX-License-Identifier: Apache-2.0
/// Conversions and arithmetic, element by element.
#include <type_traits>

#include "kernels.cuh"

namespace cuda_vectors {
namespace {

using llava::bf16;
using llava::f16;
using llava::fp8_e4m3;

/// F::of(x, y) for each element: F::in words of x, F::out words of y.
template <class F>
struct each_element {
  static constexpr int threads = 128, min_blocks = 1, elements = 2048;  // of a block
  using Params = in_and_out;
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.count + elements - 1) / elements}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int first = block_index().x * elements;
    for (int i = first + thread_index(); i < p.count && i < first + elements; i += threads) {
      std::uint32_t x[F::in], y[F::out];
      for (int j = 0; j < F::in; ++j) x[j] = p.x[F::in * i + j];
      F::of(x, y);
      for (int j = 0; j < F::out; ++j) p.y[F::out * i + j] = y[j];
    }
  }
};
template <class F>
words of_each(const words& x) {
  const std::size_t count = x.size() / F::in;
  return written<each_element<F>>(x, count * F::out, static_cast<int>(count));
}

/// The bits of a float, the same for every NaN.
LLAVA_DEVICE std::uint32_t number(float x) { return x != x ? 0x7fffffffu : bits_of(x); }

template <class T>
struct widen {
  static constexpr int in = 1, out = 3;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    const float_pair p = to_f32(packed_pair<T>{x[0]});
    y[0] = number(to_f32(T{static_cast<std::uint16_t>(x[0] & 0xffffu)}));
    y[1] = number(p.lo);
    y[2] = number(p.hi);
  }
};
template <class T>
struct narrow {
  static constexpr int in = 1, out = 2;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    const float a = float_of(x[0]), b = float_of(x[0] ^ 0x80000001u);
    y[0] = from_f32<T>(a).bits;
    y[1] = pack<T>(a, b).bits;
  }
};
template <class T>
struct fuse {
  static constexpr int in = 3, out = 3;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    const packed_pair<T> a{x[0]}, b{x[1]}, c{x[2]};
    y[0] = fused_multiply_add(a, b, c).bits;
    y[1] = multiply(a, b).bits;
    y[2] = add(a, c).bits;
  }
};
struct fuse_f32 {
  static constexpr int in = 3, out = 3;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    const float a = float_of(x[0]), b = float_of(x[1]), c = float_of(x[2]);
    y[0] = number(fused_multiply_add(a, b, c));
    y[1] = number(maximum(a, b));
    y[2] = number(minimum(a, b));
  }
};
template <class T>
struct integers {
  static constexpr int in = 1, out = 8;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = int4_pair<T>(x[0], i).bits;
    y[4] = int4_pair<T, 0>(x[0], 1).bits;
    y[5] = int4_pair<T, 16>(x[0], 2).bits;
    y[6] = int8_pair<T>(x[0], 0).bits;
    y[7] = int8_pair<T>(x[0], 1).bits;
  }
};
struct bytes {
  static constexpr int in = 3, out = 4;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    y[0] = select_bytes(x[0], x[1], x[2] & 0x7777u);
    y[1] = and_or(x[0], x[1], x[2]);
    y[2] = static_cast<std::uint32_t>(dot4(x[0], x[1], static_cast<int>(x[2] >> 8)));
    y[3] = static_cast<std::uint32_t>(count_bits(x[0]));
  }
};
struct from_fp8 {
  static constexpr int in = 1, out = 2;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    y[0] = unpack_fp8(static_cast<std::uint16_t>(x[0])).bits;
    y[1] = number(to_f32(fp8_e4m3{static_cast<std::uint8_t>(x[0] & 0xffu)}));
  }
};
struct to_fp8 {
  static constexpr int in = 1, out = 2;
  LLAVA_DEVICE static void of(const std::uint32_t* x, std::uint32_t* y) {
    y[0] = from_f32<fp8_e4m3>(float_of(x[0])).bits;
    y[1] = pack_fp8(float_of(x[0]), float_of(x[0] ^ 0x80000001u));
  }
};

/// Every value of 16 bits; the upper half is another one.
words all_16_bits() {
  words x(65536);
  for (std::uint32_t i = 0; i < x.size(); ++i) x[i] = i | (i * 40503u + 77u) << 16;
  return x;
}
/// Floats around the places where rounding to `kept` bits of the fraction changes, in the exponents `first` to `last`,
/// and any floats.
words near_ties(unsigned kept, std::uint32_t first, std::uint32_t last) {
  words x = random_words(8192, kept);
  const words any = random_words(16 * (last - first + 1), 3 * kept);
  std::size_t at = 0;
  for (std::uint32_t exponent = first; exponent <= last; ++exponent)
    for (int i = 0; i < 16; ++i) {
      const std::uint32_t bits = any[at++], half = 1u << (22 - kept);
      const std::uint32_t tie = (bits & 0x80000000u) | exponent << 23 | (bits & 0x7fffffu & ~(2 * half - 1)) | half;
      x.insert(x.end(), {tie - 1, tie, tie + 1, tie - half, tie + half});
    }
  return x;
}

template <class T>
void add_16_bits(all_vectors& all, const std::string& name) {
  constexpr bool is_f16 = std::is_same_v<T, f16>;
  all["to_f32." + name] = of_each<widen<T>>(all_16_bits());
  all["from_f32." + name] = of_each<narrow<T>>(is_f16 ? near_ties(10, 100, 145) : near_ties(7, 1, 254));
  all["fused_multiply_add." + name] = of_each<fuse<T>>(random_words(3 * 8192, 11));
  words near = random_words(3 * 8192, 12);  // exponents so near that sums round
  for (std::uint32_t& w : near) w = is_f16 ? (w & 0x8fff8fffu) | 0x30003000u : (w & 0x83ff83ffu) | 0x3c003c00u;
  all["fused_multiply_add.near." + name] = of_each<fuse<T>>(near);
  all["small_integers." + name] = of_each<integers<T>>(random_words(2048, 13));
}

}  // namespace

void add_numbers(all_vectors& all) {
  add_16_bits<f16>(all, "f16");
  add_16_bits<bf16>(all, "bf16");
  all["fused_multiply_add.f32"] = of_each<fuse_f32>(random_words(3 * 4096, 14));
  all["bytes"] = of_each<bytes>(random_words(3 * 1024, 15));
  all["to_f32.fp8_e4m3"] = of_each<from_fp8>(all_16_bits());
  all["from_f32.fp8_e4m3"] = of_each<to_fp8>(near_ties(3, 114, 137));
}

}  // namespace cuda_vectors
