// SPDX-License-Identifier: Apache-2.0
/// tensor_tiles: products of f16 or bf16 with many rows, on tensor cores: the prompt, the tower, the projector.
///   2 T N K FLOPs · 2 (T K + N K) + 4 T N bytes, if each is read once
/// A linear layer of LLaVA-1.5-7B at T = 640 (K = 4096, N = 11008) has 57.7 GFLOP and 124 MB: at the datasheet's
/// 990 TFLOP/s (H100, H200) 58 µs, while the bytes take 37 µs at 3.35 TB/s and 26 µs at 4.8 TB/s. So it is bound by the
/// tensor cores from about T = 400 on. `mma`, the instruction for all targets, reaches about two thirds of that rate on
/// sm_90; only wgmma has it all.
///
/// A block computes BM × BN of y with 4 warps, each a quarter. At 128 × 128 a warp's 64 × 64 takes 8 ldmatrix of 512
/// bytes for 32 mma, which is below the bandwidth of shared memory; the sums fill 128 registers, so 8 warps fit a
/// multiprocessor. Four stages of 32 along K are in flight: 64 KiB, two blocks per multiprocessor. 64 × 64 is for
/// products with too few tiles to fill the device. Neighbouring blocks have the same columns of w, so w is read from
/// DRAM once and from L2 T / BM times. 32 × 32 with eight stages is for few rows of a deterministic queue: what is in
/// flight is 64 N bytes a stage, 1.8 MB for N = 4096, however N is cut; about 2.3 MB hide 0.7 µs at 3.35 TB/s.
///
/// Sums have one order, K ascending by 16, that depends on K alone: a row's bytes do not depend on T within this
/// kernel, nor on BM and BN.
#pragma once
#include <llava/backend/cuda/matmul/tile.cuh>

LLAVA_CUDA_BEGIN

template <class T, int BM, int BN, class A, int Stages = 4>
struct tensor_tiles {
  static constexpr int threads = 128, min_blocks = 2, stages = Stages, bk = 32;  // bk: elements of a tile's row
  static constexpr int m_tiles = BM / 32, n_tiles = BN / 16;                     // 16 × 8 fragments of a warp

  struct Params {
    const T* x;                         // (T, K)
    const T* w;                         // (N, K)
    std::ptrdiff_t x_stride, w_stride;  // in elements
    int inner;                          // K
    bool by_16;                         // rows are 16-byte aligned and K % 8 == 0; otherwise 4-byte and K % 2 == 0
    product_end<A> end;
  };
  struct stage {
    tile<BM> x;
    tile<BN> w;
  };
  union Smem {
    stage stages[extent<tensor_tiles::stages>];
    float slabs[4][16][extent<n_tiles * 8 + 4>];
  };
  static grid_size grid(const Params& p) { return {((p.end.rows + BM - 1) / BM) * ((p.end.columns + BN - 1) / BN)}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int m_blocks = (p.end.rows + BM - 1) / BM;
    const int first_t = block_index().x % m_blocks * BM, first_n = block_index().x / m_blocks * BN;
    const int warp_t = warp_index() % 2 * (BM / 2), warp_n = warp_index() / 2 * (BN / 2);
    const int steps = (p.inner + bk - 1) / bk;

    const auto load = [&](int step) {
      if (step < steps) {
        stage& to = smem.stages[step % stages];
        load_rows(to.x, p.x, p.x_stride, first_t, p.end.rows, step * bk, p);
        load_rows(to.w, p.w, p.w_stride, first_n, p.end.columns, step * bk, p);
      }
      cp_async_commit();
    };
    LLAVA_UNROLL
    for (int step = 0; step < stages - 1; ++step) load(step);

    fragment_c sums[extent<m_tiles>][extent<n_tiles>] = {};
    for (int step = 0; step < steps; ++step) {
      cp_async_wait<stages - 2>();
      sync_block();  // this stage is complete, and nobody reads the one that is loaded next
      load(step + stages - 1);
      stage& from = smem.stages[step % stages];
      LLAVA_UNROLL
      for (int half = 0; half < 2; ++half) {
        fragment_a<T> a[extent<m_tiles>];
        LLAVA_UNROLL
        for (int m = 0; m < m_tiles; ++m) {
          const matrices words = from.x.load_a(warp_t + 16 * m, half);
          a[m] = {{words.word[0], words.word[1], words.word[2], words.word[3]}};
        }
        LLAVA_UNROLL
        for (int n = 0; n < n_tiles; n += 2) {
          const matrices words = from.w.load_b_pair(warp_n + 8 * n, half);
          const fragment_b<T> b[2] = {{{words.word[0], words.word[1]}}, {{words.word[2], words.word[3]}}};
          LLAVA_UNROLL
          for (int m = 0; m < m_tiles; ++m) {
            mma_m16n8k16(sums[m][n], a[m], b[0]);
            mma_m16n8k16(sums[m][n + 1], a[m], b[1]);
          }
        }
      }
    }
    cp_async_wait<0>();
    sync_block();  // slabs lie over the stages
    store_sums(sums, smem.slabs[warp_index()], first_t + warp_t, first_n + warp_n, p.end);
  }

 private:
  /// Starts to load columns k … k + 31 of Rows rows from row `first`. Rows past the end repeat the last one, columns
  /// past the end are zeros.
  template <int Rows>
  LLAVA_DEVICE static void load_rows(tile<Rows>& to, const T* from, std::ptrdiff_t stride, int first, int rows, int k,
                                     const Params& p) {
    LLAVA_UNROLL
    for (int i = 0; i < Rows * tile<Rows>::pieces / threads; ++i) {
      const int at = i * threads + thread_index(), row = at / tile<Rows>::pieces, piece = at % tile<Rows>::pieces;
      const T* const line = from + minimum(first + row, rows - 1) * stride;
      unsigned char* const target = to.at(row, piece);
      const int column = k + piece * 8;
      if (p.by_16) {
        cp_async16(target, line + (column < p.inner ? column : 0), column < p.inner);
      } else {
        LLAVA_UNROLL
        for (int j = 0; j < 4; ++j) {
          const bool valid = column + 2 * j < p.inner;
          cp_async4(target + 4 * j, line + (valid ? column + 2 * j : 0), valid);
        }
      }
    }
  }
};

LLAVA_CUDA_END
