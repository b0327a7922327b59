// SPDX-License-Identifier: Apache-2.0
/// Attention of many queries on tensor cores, with an online softmax (Dao et al. 2022; Milakov and Gimelshein 2018). A
/// warp has 16 queries, and all keys pass by in tiles. Scores, maxima and sums are f32; q, k, v and probabilities are
/// rounded to C, f16 or bf16, as they come in, once.
///
/// Why the tile is what it is. A warp keeps its 16 × D sums in registers: 64 per lane for D = 128, besides the scores
/// of 32 keys (16) and the next tile's keys and values (32 in 16 bits, 64 in f32). So two blocks fit a multiprocessor,
/// three or four with D = 64, and a block computes while another waits for its one barrier per tile. Above D = 128 the
/// columns of the sums are divided among 2 or 4 warps, which compute the same scores. Keys lie in shared memory D + 8
/// elements apart, so the eight rows of a matrix that ldmatrix reads are in different banks. Each warp reads all of a
/// tile's keys and values from shared memory for 16 queries: that limits it to about 0.4 of the peak of the tensor
/// cores.
#pragma once
#include <llava/backend/cuda/attention/keys.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// The keys that a query attends to: first to last, none if last < first.
struct key_range {
  int first, last;
};

/// Eight elements of a row of keys or values, as they lie in memory.
template <class T>
struct raw_elements {
  vec16 part[sizeof(T) == 4 ? 2 : 1];

  /// From column c, a multiple of 8.
  template <class Source>
  LLAVA_DEVICE void load(const Source& source, const T* row, int c, bool ok) {
    if constexpr (sizeof(T) == 1) {  // two of them share 16 bytes
      const vec16 both = source.load(row, c / 16 * 16, ok);
      part[0].word[0] = c % 16 == 0 ? both.word[0] : both.word[2];
      part[0].word[1] = c % 16 == 0 ? both.word[1] : both.word[3];
    } else {
      part[0] = source.load(row, c, ok);
      if constexpr (sizeof(T) == 4) part[1] = source.load(row, c + 4, ok);
    }
  }
  /// Rounded to C.
  template <class C>
  LLAVA_DEVICE vec16 rounded() const {
    vec16 x;
    LLAVA_UNROLL
    for (int w = 0; w < 4; ++w) {
      if constexpr (sizeof(T) == 4)
        x.word[w] = pack<C>(float_of(part[w / 2].word[w % 2 * 2]), float_of(part[w / 2].word[w % 2 * 2 + 1])).bits;
      else if constexpr (sizeof(T) == 2)
        x.word[w] = part[0].word[w];
      else
        x.word[w] = unpack_fp8(static_cast<std::uint16_t>(part[0].word[w / 2] >> w % 2 * 16 & 0xffffu)).bits;
    }
    return x;
  }
};

/// C: what is multiplied; T: element of keys and values; D: largest head dimension.
template <class C, class T, int D>
struct tiles {
  static_assert(sizeof(T) != 2 || std::is_same_v<C, T>, "llava: keys of 16 bits are multiplied as they are");
  static_assert(sizeof(T) != 1 || std::is_same_v<C, f16>, "llava: keys of fp8 are multiplied as f16");
  static constexpr int threads = 128, warps = threads / warp_size;
  static constexpr int slices = D > 128 ? D / 128 : 1;  // warps that share queries
  static constexpr int width = D / slices;              // columns of a warp's sums
  static constexpr int rows = 16 * warps / slices, keys = D > 256 ? 16 : 32;
  static constexpr int chunks = keys * (D / 8) / threads;  // of keys, and of values, per thread and tile
  static constexpr bool prefetches = static_cast<int>(sizeof(raw_elements<T>)) / 4 * chunks <= 32;
  static constexpr int stride = D + 8;

  struct Smem {
    alignas(16) array_of<array_of<C, stride>, rows> query;
    alignas(16) array_of<array_of<array_of<C, stride>, keys>, 2> key;
    alignas(16) array_of<array_of<array_of<C, stride>, keys>, 2> value;
  };

  struct operands {
    float factor, slope;  // of scores, and of ALiBi, times log2(e)
    int begin, end;       // keys of any row
    bool has_aligned_queries;
  };

  /// query(r) is row r of the queries, and range_of(r) its keys, 0 ≤ r < rows. Calls emit(r, column, lo, hi) for each
  /// even column and each row, and for some columns ≥ dim; rows without keys give NaN.
  template <class Source, class Query, class Range, class Emit>
  LLAVA_DEVICE static void run(Smem& smem, const Source& source, const operands& o, Query&& query, Range&& range_of,
                               Emit&& emit) {
    const int padded = (source.dim + 15) / 16 * 16, lane = lane_index();
    const int top = warp_index() / slices * 16, left = warp_index() % slices * width;  // of the warp's sums
    sync_block();  // nobody reads what an earlier call left in shared memory
    for (int i = thread_index(); i < rows * (D / 8); i += threads) {
      const int r = i / (D / 8), c = i % (D / 8) * 8;
      if (c >= padded) continue;
      const float* const from = query(r);
      raw_elements<float> x;
      LLAVA_UNROLL
      for (int part = 0; part < 2; ++part)
        x.part[part] = load_floats(from, c + part * 4, source.dim, o.has_aligned_queries);
      const vec16 rounded = x.template rounded<C>();
      *reinterpret_cast<vec16*>(&smem.query[r][c]) = rounded;
    }
    staged<Source> next(source, o.begin, o.end);
    int tile = o.begin / keys;
    next.start(tile);
    next.finish(smem, 0, tile, padded);

    array_of<fragment_c, width / 8> sum = {};
    float largest[2] = {lowest, lowest}, total[2] = {0.f, 0.f};
    const key_range range[2] = {range_of(top + lane / 4), range_of(top + lane / 4 + 8)};
    // Of the warp: keys that any row attends to, and keys that all rows attend to.
    const int warp_first = -warp_max(-minimum(range[0].first, range[1].first));
    const int warp_last = warp_max(maximum(range[0].last, range[1].last));
    const int all_first = warp_max(maximum(range[0].first, range[1].first));
    const int all_last = -warp_max(-minimum(range[0].last, range[1].last));

    for (int stage = 0; tile * keys < o.end; ++tile, stage ^= 1) {
      sync_block();  // the tile is there, and nobody reads the one before
      if ((tile + 1) * keys < o.end) next.start(tile + 1);
      const int from = tile * keys;
      if (from <= warp_last && from + keys > warp_first) {
        array_of<fragment_c, keys / 8> score = {};
        multiply_keys(score, smem, stage, top, padded);
        LLAVA_UNROLL
        for (int n = 0; n < keys / 8; ++n) LLAVA_UNROLL
        for (int i = 0; i < 4; ++i) score[n].value[i] *= o.factor;
        if (o.slope != 0.f) {
          LLAVA_UNROLL
          for (int n = 0; n < keys / 8; ++n) LLAVA_UNROLL
          for (int i = 0; i < 4; ++i) {
            const int j = from + n * 8 + fragment_c::column(lane, i);
            score[n].value[i] =
                fused_multiply_add(o.slope, static_cast<float>(j - range[i / 2].last), score[n].value[i]);
          }
        }
        if (from < all_first || from + keys - 1 > all_last) {
          LLAVA_UNROLL
          for (int n = 0; n < keys / 8; ++n) LLAVA_UNROLL
          for (int i = 0; i < 4; ++i) {
            const int j = from + n * 8 + fragment_c::column(lane, i);
            if (j < range[i / 2].first || j > range[i / 2].last) score[n].value[i] = minus_infinity;
          }
        }
        to_probabilities(score, sum, largest, total);
        multiply_values(sum, score, smem, stage, left, padded);
      }
      if ((tile + 1) * keys < o.end) next.finish(smem, stage ^ 1, tile + 1, padded);
    }

    LLAVA_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float all = warp_sum<4>(total[half]);
      LLAVA_UNROLL
      for (int n = 0; n < width / 8; ++n)
        emit(top + lane / 4 + half * 8, left + n * 8 + fragment_c::column(lane, 0), sum[n].value[2 * half] / all,
             sum[n].value[2 * half + 1] / all);
    }
  }

 private:
  /// A tile of keys and values on its way through registers to shared memory.
  template <class Source>
  struct staged {
    const Source& source;
    int begin, end;
    array_of<raw_elements<T>, prefetches ? chunks : 1> key, value;

    LLAVA_DEVICE staged(const Source& s, int first, int last) : source(s), begin(first), end(last) {}

    LLAVA_DEVICE void start(int tile) {
      if constexpr (prefetches) {
        LLAVA_UNROLL
        for (int u = 0; u < chunks; ++u) load(key[u], value[u], tile, u);
      }
    }
    LLAVA_DEVICE void finish(Smem& smem, int stage, int tile, int padded) {
      LLAVA_UNROLL
      for (int u = 0; u < chunks; ++u) {
        const int index = thread_index() + u * threads, r = index / (D / 8), c = index % (D / 8) * 8;
        if constexpr (!prefetches) load(key[0], value[0], tile, u);
        if (c >= padded) continue;
        const vec16 k = key[prefetches ? u : 0].template rounded<C>(),
                    v = value[prefetches ? u : 0].template rounded<C>();
        *reinterpret_cast<vec16*>(&smem.key[stage][r][c]) = k;
        *reinterpret_cast<vec16*>(&smem.value[stage][r][c]) = v;
      }
    }

   private:
    LLAVA_DEVICE void load(raw_elements<T>& k, raw_elements<T>& v, int tile, int u) const {
      const int index = thread_index() + u * threads, r = index / (D / 8), c = index % (D / 8) * 8;
      const int j = tile * keys + r;
      const bool ok = j >= begin && j < end;
      const key_block<T> at = source.block(ok ? j / kv_block : begin / kv_block);
      k.load(source, at.key + r % kv_block * source.key_stride, c, ok);
      v.load(source, at.value + r % kv_block * source.value_stride, c, ok);
    }
  };
  /// score += q · kᵀ
  LLAVA_DEVICE static void multiply_keys(array_of<fragment_c, keys / 8>& score, const Smem& smem, int stage, int top,
                                         int padded) {
    const tile_position a = position_of_a(lane_index()), b = position_of_b_pair(lane_index());
    LLAVA_UNROLL
    for (int c = 0; c < D; c += 16)
      if (c < padded) {
        const fragment_a<C> query = load_a(&smem.query[top + a.row][c + a.column]);
        LLAVA_UNROLL
        for (int n = 0; n < keys / 16; ++n) {
          fragment_b<C> key[2];
          load_b_pair(key, &smem.key[stage][n * 16 + b.row][c + b.column]);
          mma_m16n8k16(score[2 * n], query, key[0]);
          mma_m16n8k16(score[2 * n + 1], query, key[1]);
        }
      }
  }
  /// Replaces scores by 2^(score − largest), and scales the sums and totals to the new largest score of each row.
  LLAVA_DEVICE static void to_probabilities(array_of<fragment_c, keys / 8>& score, array_of<fragment_c, width / 8>& sum,
                                            float (&largest)[2], float (&total)[2]) {
    LLAVA_UNROLL
    for (int half = 0; half < 2; ++half) {
      float most = lowest;
      LLAVA_UNROLL
      for (int n = 0; n < keys / 8; ++n)
        most = maximum(most, maximum(score[n].value[2 * half], score[n].value[2 * half + 1]));
      most = maximum(largest[half], warp_max<4>(most));
      const float old = exp2_approx(largest[half] - most);
      largest[half] = most;
      total[half] *= old;
      LLAVA_UNROLL
      for (int n = 0; n < keys / 8; ++n) LLAVA_UNROLL
      for (int i = 2 * half; i < 2 * half + 2; ++i)
        total[half] += score[n].value[i] = exp2_approx(score[n].value[i] - most);
      LLAVA_UNROLL
      for (int n = 0; n < width / 8; ++n) {
        sum[n].value[2 * half] *= old;
        sum[n].value[2 * half + 1] *= old;
      }
    }
  }
  /// sum += p · v
  LLAVA_DEVICE static void multiply_values(array_of<fragment_c, width / 8>& sum,
                                           const array_of<fragment_c, keys / 8>& p, const Smem& smem, int stage,
                                           int left, int padded) {
    const tile_position b = position_of_b_pair_transposed(lane_index());
    LLAVA_UNROLL
    for (int k = 0; k < keys / 16; ++k) {
      const fragment_c &l = p[2 * k], &r = p[2 * k + 1];
      const fragment_a<C> weights{{pack<C>(l.value[0], l.value[1]).bits, pack<C>(l.value[2], l.value[3]).bits,
                                   pack<C>(r.value[0], r.value[1]).bits, pack<C>(r.value[2], r.value[3]).bits}};
      LLAVA_UNROLL
      for (int n = 0; n < width / 16; ++n)
        if (left + n * 16 < padded) {
          fragment_b<C> value[2];
          load_b_pair_transposed(value, &smem.value[stage][k * 16 + b.row][left + n * 16 + b.column]);
          mma_m16n8k16(sum[2 * n], weights, value[0]);
          mma_m16n8k16(sum[2 * n + 1], weights, value[1]);
        }
    }
  }
};

}  // namespace detail

LLAVA_CUDA_END
