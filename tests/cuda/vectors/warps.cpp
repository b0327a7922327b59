// SPDX-License-Identifier: Apache-2.0
/// Functions of whole warps and blocks: fragments, shared memory, copies, shuffles, votes, reductions.
#include <bit>
#include <type_traits>

#include "kernels.cuh"

namespace cuda_vectors {
namespace {

using llava::bf16;
using llava::f16;

template <class S = no_shared_memory, int Threads = 32>
struct block_kernel {
  static constexpr int threads = Threads, min_blocks = 1;
  using Params = in_and_out;
  using Smem = S;
  static grid_size grid(const Params& p) { return {p.count}; }
};
/// What K writes, `each` words of each of its threads.
template <class K>
words of_block(const words& x, std::size_t each, int blocks = 1) {
  return written<K>(x, each * K::threads * static_cast<std::size_t>(blocks), blocks);
}

/// The lane's words are a (4), b (2) and c (4).
template <class T>
struct multiply_floats : block_kernel<> {
  LLAVA_DEVICE static void run(const in_and_out& p, no_shared_memory&) {
    const int lane = lane_index();
    const std::uint32_t* const x = p.x + 10 * lane;
    fragment_c c{{float_of(x[6]), float_of(x[7]), float_of(x[8]), float_of(x[9])}};
    mma_m16n8k16(c, fragment_a<T>{{x[0], x[1], x[2], x[3]}}, fragment_b<T>{{x[4], x[5]}});
    for (int i = 0; i < 4; ++i) p.y[4 * lane + i] = bits_of(c.value[i]);
  }
};
struct multiply_bytes : block_kernel<> {
  LLAVA_DEVICE static void run(const in_and_out& p, no_shared_memory&) {
    const int lane = lane_index();
    const std::uint32_t* const x = p.x + 10 * lane;
    const byte_fragment_a a{{x[0], x[1], x[2], x[3]}};
    const byte_fragment_b b{{x[4], x[5]}};
    const integer_fragment_c c{{static_cast<int>(x[6] >> 8), static_cast<int>(x[7] >> 8), static_cast<int>(x[8] >> 8),
                                static_cast<int>(x[9] >> 8)}};
    const integer_fragment_c all = mma_m16n8k32(a, b, c), low = mma_m16n8k16<0>(a, b, c),
                             high = mma_m16n8k16<1>(a, b, c);
    for (int i = 0; i < 4; ++i) {
      p.y[12 * lane + i] = static_cast<std::uint32_t>(all.value[i]);
      p.y[12 * lane + 4 + i] = static_cast<std::uint32_t>(low.value[i]);
      p.y[12 * lane + 8 + i] = static_cast<std::uint32_t>(high.value[i]);
    }
  }
};

struct rows_of_matrices {
  alignas(16) std::uint32_t row[32][4];
};
/// Words of lane i are row i of the matrices.
struct load_matrices : block_kernel<rows_of_matrices> {
  LLAVA_DEVICE static void run(const in_and_out& p, rows_of_matrices& s) {
    const int lane = lane_index();
    for (int i = 0; i < 4; ++i) s.row[lane][i] = p.x[4 * lane + i];
    sync_warp();
    const matrices plain = ldmatrix_x4(s.row[lane]), transposed = ldmatrix_x4_transposed(s.row[lane]);
    for (int i = 0; i < 4; ++i) {
      p.y[8 * lane + i] = plain.word[i];
      p.y[8 * lane + 4 + i] = transposed.word[i];
    }
  }
};
struct tile {
  alignas(16) std::uint32_t word[16][12];  // 16×16 elements, rows 24 apart
};
/// Fragments from a tile: A, two B of a tile stored N×K, two of one stored K×N.
struct load_fragments : block_kernel<tile> {
  LLAVA_DEVICE static void run(const in_and_out& p, tile& s) {
    const int lane = lane_index();
    for (int i = lane; i < 128; i += 32) s.word[i / 8][i % 8] = p.x[i];
    sync_warp();
    const auto at = [&](tile_position of) { return reinterpret_cast<const f16*>(s.word[of.row]) + of.column; };
    const fragment_a<f16> a = load_a(at(position_of_a(lane)));
    fragment_b<f16> w[2], v[2];
    load_b_pair(w, at(position_of_b_pair(lane)));
    load_b_pair_transposed(v, at(position_of_b_pair_transposed(lane)));
    for (int i = 0; i < 4; ++i) p.y[12 * lane + i] = a.word[i];
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 2; ++i) {
        p.y[12 * lane + 4 + 2 * j + i] = w[j].word[i];
        p.y[12 * lane + 8 + 2 * j + i] = v[j].word[i];
      }
  }
};

/// Of four copies of 16 bytes and one of 4 to each lane's row, some are not valid; the next lane reads them.
struct copied_rows {
  alignas(16) std::uint32_t row[32][20];
};
struct copy_async : block_kernel<copied_rows> {
  LLAVA_DEVICE static void run(const in_and_out& p, copied_rows& s) {
    const int lane = lane_index();
    for (int i = 0; i < 4; ++i) {
      cp_async16(&s.row[lane][4 * i], p.x + 4 * ((lane + 5 * i) % 32), (lane + i) % 5 != 0);
      if (i == 2) cp_async_commit();
    }
    cp_async4(&s.row[lane][16], p.x + 3 * lane, lane % 3 != 0);
    cp_async_commit();
    cp_async_wait<1>();
    sync_warp();
    const int next = (lane + 1) % 32;
    for (int i = 0; i < 12; ++i) p.y[17 * lane + i] = s.row[next][i];
    cp_async_wait<0>();
    sync_warp();
    for (int i = 12; i < 17; ++i) p.y[17 * lane + i] = s.row[next][i];
  }
};

/// Each kind of load and store.
struct loads : block_kernel<> {
  LLAVA_DEVICE static void run(const in_and_out& p, no_shared_memory&) {
    const int lane = lane_index();
    std::uint32_t* const y = p.y + 24 * lane;
    prefetch_l2(p.x);
    store16(y, load16(p.x + 4 * lane));
    store16(y + 4, load16_readonly(p.x + 4 * (31 - lane)));
    store16(y + 8, load16_streaming(p.x + 4 * (lane ^ 5)));
    store16(y + 12, load16_once(p.x + 4 * (lane ^ 9)));
    store8(y + 16, load8(p.x + 2 * lane));
    store8(y + 18, load8_streaming(p.x + 2 * (63 - lane)));
    y[20] = load4_streaming(p.x + lane);
    y[21] = y[22] = y[23] = p.x[127 - lane];
  }
};

struct shuffles : block_kernel<> {
  LLAVA_DEVICE static void run(const in_and_out& p, no_shared_memory&) {
    const int lane = lane_index();
    const std::uint32_t x = p.x[lane];
    std::uint32_t* const y = p.y + 9 * lane;
    y[0] = shuffle(x, static_cast<int>(p.x[32 + lane] % 32));
    y[1] = shuffle_xor(x, 21);
    y[2] = shuffle_up(x, 3);
    y[3] = shuffle_down(x, 7);
    const long long wide = shuffle(static_cast<long long>(x) << 8, 31 - lane);
    y[4] = static_cast<std::uint32_t>(static_cast<unsigned long long>(wide) >> 4);
    y[5] = warp_ballot(x % 3 == 0);
    y[6] = any_lane(x % 64 == 1) ? 1u : 0u;
    y[7] = all_lanes(x % 64 != 1) ? 1u : 0u;
    y[8] = static_cast<std::uint32_t>(warp_max(static_cast<int>(x)));
  }
};

constexpr int threads_of_sums = 96;
struct warps_of_sums {
  float scratch[threads_of_sums / 32];
};
/// Sums of floats in their fixed order, of groups, warps and the block.
struct sums : block_kernel<warps_of_sums, threads_of_sums> {
  LLAVA_DEVICE static void run(const in_and_out& p, warps_of_sums& s) {
    const float x = float_of(p.x[thread_index()]);
    std::uint32_t* const y = p.y + 6 * thread_index();
    y[0] = bits_of(warp_sum(x));
    y[1] = bits_of(warp_sum<8>(x));
    y[2] = bits_of(warp_max<16>(x));
    y[3] = bits_of(block_sum(x, s.scratch));
    y[4] = bits_of(block_max(x, s.scratch));
    y[5] = sync_block_or(x > 0.999f && thread_index() > 64) ? 1u : 0u;
  }
};

/// The first word of x is the counter of arrives_last(), and stays 0; the sum is written by whichever block is last.
struct last_block {
  bool is_last;
};
struct sum_of_blocks : block_kernel<last_block, 64> {
  LLAVA_DEVICE static void run(const in_and_out& p, last_block& s) {
    std::uint32_t* const parts = p.y + 64;
    const int i = 64 * block_index().x + thread_index();
    parts[i] = bits_of(2 * float_of(p.x[i]));
    std::uint32_t* const counter = p.y + 64 + 64 * grid_extents().x;
    if (!arrives_last(counter, grid_extents().x, s.is_last)) return;
    float sum = 0;
    for (int b = 0; b < grid_extents().x; ++b) sum += float_of(parts[64 * b + 63 - thread_index()]);
    p.y[thread_index()] = bits_of(sum);
  }
};

/// Small integers as T: all products and sums of an mma are exact.
template <class T>
words exact_operands() {
  words x = random_words(320, std::is_same_v<T, f16> ? 21 : 22);
  const auto small = [](std::uint32_t bits, int scale) {
    return static_cast<float>(static_cast<int>(bits % 33) - 16) * (scale > 0 ? 2.f : 0.25f);
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t w = x[i];
    if (i % 10 < 6)
      x[i] = llava::from_float<T>(small(w, 0)).bits |
             static_cast<std::uint32_t>(llava::from_float<T>(small(w >> 16, 1)).bits) << 16;
    else
      x[i] = std::bit_cast<std::uint32_t>(small(w, 1));
  }
  return x;
}
/// Floats in (−1, 1).
words fractions(std::size_t count, std::uint32_t seed) {
  words x = random_words(count, seed);
  for (std::uint32_t& w : x)
    w = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(w)) * 0x1p-31f);
  return x;
}

}  // namespace

void add_warps(all_vectors& all) {
  all["mma_m16n8k16.f16"] = of_block<multiply_floats<f16>>(exact_operands<f16>(), 4);
  all["mma_m16n8k16.bf16"] = of_block<multiply_floats<bf16>>(exact_operands<bf16>(), 4);
  all["mma_m16n8k32.s8"] = of_block<multiply_bytes>(random_words(320, 23), 12);
  all["ldmatrix_x4"] = of_block<load_matrices>(random_words(128, 24), 8);
  all["load_fragments"] = of_block<load_fragments>(random_words(128, 25), 12);
  all["cp_async"] = of_block<copy_async>(random_words(128, 26), 17);
  all["loads"] = of_block<loads>(random_words(128, 27), 24);
  all["shuffles"] = of_block<shuffles>(random_words(64, 28), 9);
  all["sums"] = of_block<sums>(fractions(threads_of_sums, 29), 6);
  constexpr int blocks = 7;
  all["arrives_last"] = written<sum_of_blocks>(fractions(64 * blocks, 30), 64 + 64 * blocks + 1, blocks);
}

}  // namespace cuda_vectors
