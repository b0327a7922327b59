// SPDX-License-Identifier: Apache-2.0
/// The sample kernels and one that uses the whole device vocabulary, for nvcc (nvcc.py).
#include <cstdio>

#include <llava/backend/cuda/kernel.cuh>

#include "samples/gemm.cuh"
#include "samples/int4_matvec.cuh"
#include "samples/rms_norm.cuh"

LLAVA_CUDA_BEGIN

/// Its parameter is a value of class type, which nvcc accepts as part of a type.
struct sizes {
  int extra;
};
template <class T, sizes Sizes>
struct whole_vocabulary {
  static constexpr int threads = 128, min_blocks = 2;
  static constexpr bool programmatic_launch = true;
  struct Params {
    const T* x;
    float* y;
    std::uint32_t* counter;
    int blocks;
  };
  struct Smem {
    alignas(128) T tile[16][24];
    float sums[threads / warp_size];
    bool is_last;
    float extra[Sizes.extra];
  };
  static grid_size grid(const Params& p) { return {p.blocks}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int lane = lane_index();
    prefetch_l2(p.x);
    wait_for_previous_kernels();
    if (thread_index() < 32) {
      cp_async16(&smem.tile[lane / 2][lane % 2 * 8], p.x + 8 * lane, lane < 30);
      cp_async4(&smem.extra[lane], p.y + lane, lane < 20);
    }
    cp_async_commit();
    cp_async_wait<0>();
    sync_block();
    const tile_position of_a = position_of_a(lane), of_w = position_of_b_pair(lane),
                        of_v = position_of_b_pair_transposed(lane);
    const fragment_a<T> a = load_a(&smem.tile[of_a.row][of_a.column]);
    fragment_b<T> w[2], v[2];
    load_b_pair(w, &smem.tile[of_w.row][of_w.column]);
    load_b_pair_transposed(v, &smem.tile[of_v.row][of_v.column]);
    fragment_c c = {};
    mma_m16n8k16(c, a, w[0]);
    mma_m16n8k16(c, a, v[1]);
    let_next_kernel_start();

    float x = block_sum(c.value[0], smem.sums) + block_max(c.value[1], smem.sums);
    x += warp_sum<8>(x) + shuffle_up(x, 1) + shuffle_down(x, 2) + shuffle(x, 3) + static_cast<float>(warp_max(lane));
    x += static_cast<float>(shuffle(static_cast<double>(x), 7) + static_cast<double>(shuffle_xor(1LL, 2)));
    vec16 words = load16(p.x);
    words.word[0] ^= load16_readonly(p.x).word[1] ^ load16_streaming(p.x).word[2] ^ load8_streaming(p.x).word[1];
    words.word[1] ^= load4_streaming(p.x) ^ warp_ballot(x > 0);
    x += to_f32(from_f32<T>(x)) + to_f32(from_f32<fp8_e4m3>(x)) + to_f32(int8_pair<T>(words.word[1], 1)).hi;
    x +=
        to_f32(fused_multiply_add(pack<T>(x, 1), int4_pair<T>(words.word[2], 3), add(pack<T>(x, x), pack<T>(1, x)))).lo;
    x += to_f32(multiply(pack<T>(x, 1), int4_pair<T, 0>(words.word[3], 1))).hi + to_f32(unpack_fp8(pack_fp8(x, 1))).lo;
    x += exp_approx(x) + rsqrt_approx(x) + reciprocal_approx(x) + minimum(x, 1.f) + fused_multiply_add(x, x, x);
    if (any_lane(x > 0) && all_lanes(x < 1)) x += static_cast<float>(count_bits(words.word[0]));
    if (sync_block_or(x > 3)) sync_warp();

    const byte_fragment_a bytes{{words.word[0], words.word[1], words.word[2], words.word[3]}};
    const byte_fragment_b of_bytes{{words.word[1], words.word[3]}};
    integer_fragment_c sums = {};
    sums = mma_m16n8k32(bytes, of_bytes, mma_m16n8k16<1>(bytes, of_bytes, mma_m16n8k16<0>(bytes, of_bytes, sums)));
    words.word[2] ^= static_cast<std::uint32_t>(dot4(words.word[0], words.word[1], sums.value[0] + sums.value[3]));
    words.word[3] ^= load16_once(p.y).word[2];
    store16(p.y + 4 * (block_index().x * threads + thread_index()), words);
    if (warp_index() == 0) store8(p.y + 2 * lane, load8(p.y + 64 + 2 * lane));
    if (arrives_last(p.counter, grid_extents().x, smem.is_last)) p.y[fragment_c::row(lane, 1)] = x;
  }
};

/// Launches every kernel: the host code of a launch is compiled too.
inline result<void> launch_all(const stream& s, const f16* x, const bf16* z, float* y, std::uint32_t* words) {
  LLAVA_CHECK(launch<whole_vocabulary<f16, sizes{40}>>(s, {x, y, words, 3}));
  LLAVA_CHECK(launch<whole_vocabulary<bf16, sizes{20000}>>(s, {z, y, words, 3}));  // 78 KiB of shared memory
  LLAVA_CHECK(launch<sample_rms_norm<f16>>(s, {y, x, nullptr, 1, 64, 1e-5f}));
  LLAVA_CHECK(launch<sample_rms_norm<bf16>>(s, {y, z, nullptr, 1, 64, 1e-5f}));
  LLAVA_CHECK(launch<sample_gemm<f16>>(s, {x, x, y, 1, 1, 32}));
  LLAVA_CHECK(launch<sample_gemm<bf16>>(s, {z, z, y, 1, 1, 32}));
  LLAVA_CHECK(launch<sample_int4_matvec<f16>>(s, {words, x, x, y, 1, 128}));
  return launch<sample_int4_matvec<bf16>>(s, {words, z, z, y, 1, 128});
}

/// Memory, copies and errors of the runtime.
inline result<void> copy_back_and_forth(const stream& s) {
  LLAVA_TRY(memory, try_allocate(64));
  float values[16] = {};
  LLAVA_CHECK(fill(s, memory, 0, 64));
  LLAVA_CHECK(copy(s, memory, values, 64, copy_kind::to_device));
  LLAVA_CHECK(copy(s, values, memory, 64, copy_kind::to_host));
  LLAVA_CHECK(finish(s));
  release(memory);
  return {};
}

LLAVA_CUDA_END

#if defined(__CUDACC__)
/// Without a device, the first call says so in one sentence; with one, it runs the copies.
int main() {
  const llava::result<void> done = llava::cuda_backend::copy_back_and_forth({});
  if (!done) std::printf("%s\n", done.error().sentence().c_str());
  return done || done.error().code() == llava::errc::unsupported ? 0 : 1;
}
#endif
