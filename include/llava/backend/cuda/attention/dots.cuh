// SPDX-License-Identifier: Apache-2.0
/// Attention of a few queries by f32 multiply-add: decode, and everything whose result is f32. The Q queries of a
/// block have the same keys, so that each key and value is loaded once: the query heads of a group (GQA), or rows of a
/// matrix.
///
/// A row of keys is spread over `lanes` lanes, 16 bytes each, so a warp loads 32 / lanes keys at once, and `batch`
/// times that before it computes: with one query and D = 128 in 16 bits all 16 keys and values of a block, 8 KiB; with
/// more queries, whose sums take the registers, half of them. Warps take the blocks of 16 keys in turn. Each group of
/// lanes has its own running maximum and sums, which are added at the end: first over the groups of a warp, then over
/// the warps, always in the same order.
#pragma once
#include <llava/backend/cuda/attention/keys.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// Floats of 16 bytes.
template <class T>
LLAVA_DEVICE void unpack(float (&x)[16 / sizeof(T)], const vec16& from) {
  LLAVA_UNROLL
  for (int w = 0; w < 4; ++w) {
    if constexpr (sizeof(T) == 4) {
      x[w] = float_of(from.word[w]);
    } else if constexpr (sizeof(T) == 2) {
      const float_pair pair = to_f32(packed_pair<T>{from.word[w]});
      x[2 * w] = pair.lo;
      x[2 * w + 1] = pair.hi;
    } else {
      LLAVA_UNROLL
      for (int half = 0; half < 2; ++half) {
        const float_pair pair = to_f32(unpack_fp8(static_cast<std::uint16_t>(from.word[w] >> 16 * half & 0xffffu)));
        x[4 * w + 2 * half] = pair.lo;
        x[4 * w + 2 * half + 1] = pair.hi;
      }
    }
  }
}

/// T: element of keys and values; D: largest head dimension; Q: largest number of queries.
template <class T, int D, int Q>
struct dots {
  static constexpr int threads = 128, warps = threads / warp_size;
  static constexpr int in16 = 16 / static_cast<int>(sizeof(T));
  static constexpr int vectors = D / in16, lanes = vectors < warp_size ? vectors : warp_size;
  static constexpr int in_lane = vectors / lanes, columns = in_lane * in16;
  static constexpr int at_once = warp_size / lanes;  // keys of one load
  static constexpr int loads = Q == 1 ? 8 : 4;       // 16 bytes of keys, and of values, that a lane has in flight
  static constexpr int wanted = in_lane < loads ? loads / in_lane : 1, fitting = kv_block / at_once;
  static constexpr int batch = wanted < fitting ? wanted : fitting;
  static_assert(kv_block % (batch * at_once) == 0, "llava: loads must divide a block of the cache");

  struct Smem {
    array_of<array_of<array_of<float, D>, Q>, warps> sum;
    array_of<array_of<float, Q>, warps> largest, total;
  };

  struct operands {
    int count;        // of queries, 1 to Q
    float factor;     // of scores, times log2(e)
    bool has_slopes;  // ALiBi
    int position;     // of the queries, from which slopes fall
    int begin, end;   // keys
  };

  /// query(q) is a row of dim floats, and slope(q) a slope times log2(e). Calls emit(q, column, sum, total, largest)
  /// once for each column of each query, in any thread. The result is sum / total; another part of the keys is added
  /// with factors 2^(largest − the larger of both).
  template <class Source, class Query, class Slope, class Emit>
  LLAVA_DEVICE static void run(Smem& smem, const Source& source, const operands& o, Query&& query_row, Slope&& slope,
                               Emit&& emit) {
    const int lane = lane_index(), key_of_lane = lane / lanes;
    array_of<array_of<float, columns>, Q> query, sum;
    array_of<float, Q> largest, total;
    LLAVA_UNROLL
    for (int q = 0; q < Q; ++q) {
      largest[q] = lowest;
      total[q] = 0.f;
      const float* const from = query_row(Q == 1 || q < o.count ? q : 0);
      LLAVA_UNROLL
      for (int i = 0; i < columns; ++i) {
        const int c = column_of(lane, i);
        query[q][i] = c < source.dim ? from[c] * o.factor : 0.f;
        sum[q][i] = 0.f;
      }
    }

    for (int b = o.begin / kv_block + warp_index(); b * kv_block < o.end; b += warps) {
      const key_block<T> at = source.block(b);
      for (int first = 0; first < kv_block; first += batch * at_once) {
        if (b * kv_block + first >= o.end || b * kv_block + first + batch * at_once <= o.begin) continue;
        array_of<array_of<vec16, in_lane>, batch> keys, values;
        array_of<bool, batch> valid;
        LLAVA_UNROLL
        for (int u = 0; u < batch; ++u) {
          const int j = first + u * at_once + key_of_lane;
          valid[u] = b * kv_block + j >= o.begin && b * kv_block + j < o.end;
          LLAVA_UNROLL
          for (int i = 0; i < in_lane; ++i)
            keys[u][i] = source.load(at.key + j * source.key_stride, column_of(lane, i * in16), valid[u]);
        }
        LLAVA_UNROLL
        for (int u = 0; u < batch; ++u) LLAVA_UNROLL
        for (int i = 0; i < in_lane; ++i)
          values[u][i] = source.load(at.value + (first + u * at_once + key_of_lane) * source.value_stride,
                                     column_of(lane, i * in16), valid[u]);
        array_of<array_of<float, batch>, Q> score;
        LLAVA_UNROLL
        for (int u = 0; u < batch; ++u) {
          array_of<float, columns> x;
          unpack_all(x, keys[u]);
          const float distance = static_cast<float>(b * kv_block + first + u * at_once + key_of_lane - o.position);
          LLAVA_UNROLL
          for (int q = 0; q < Q; ++q)
            if (Q == 1 || q < o.count) {
              float dot = 0.f;
              LLAVA_UNROLL
              for (int i = 0; i < columns; ++i) dot = fused_multiply_add(query[q][i], x[i], dot);
              dot = warp_sum<lanes>(dot);
              if (o.has_slopes) dot = fused_multiply_add(slope(q), distance, dot);
              score[q][u] = valid[u] ? dot : minus_infinity;
            }
        }
        LLAVA_UNROLL
        for (int q = 0; q < Q; ++q)
          if (Q == 1 || q < o.count) {
            float most = largest[q];
            LLAVA_UNROLL
            for (int u = 0; u < batch; ++u) most = maximum(most, score[q][u]);
            const float old = exp2_approx(largest[q] - most);
            largest[q] = most;
            total[q] *= old;
            LLAVA_UNROLL
            for (int u = 0; u < batch; ++u) total[q] += score[q][u] = exp2_approx(score[q][u] - most);
            LLAVA_UNROLL
            for (int i = 0; i < columns; ++i) sum[q][i] *= old;
          }
        LLAVA_UNROLL
        for (int u = 0; u < batch; ++u) {
          array_of<float, columns> x;
          unpack_all(x, values[u]);
          LLAVA_UNROLL
          for (int q = 0; q < Q; ++q)
            if (Q == 1 || q < o.count) {
              LLAVA_UNROLL
              for (int i = 0; i < columns; ++i) sum[q][i] = fused_multiply_add(score[q][u], x[i], sum[q][i]);
            }
        }
      }
    }

    LLAVA_UNROLL
    for (int q = 0; q < Q; ++q)
      if (Q == 1 || q < o.count) {
        add_lanes(sum[q], total[q], largest[q]);
        if (key_of_lane == 0) {
          LLAVA_UNROLL
          for (int i = 0; i < columns; ++i) smem.sum[warp_index()][q][column_of(lane, i)] = sum[q][i];
        }
        if (lane == 0) {
          smem.largest[warp_index()][q] = largest[q];
          smem.total[warp_index()][q] = total[q];
        }
      }
    sync_block();
    for (int index = thread_index(); index < o.count * source.dim; index += threads) {
      const int q = index / source.dim, c = index % source.dim;
      float most = lowest, all = 0.f, added = 0.f;
      LLAVA_UNROLL
      for (int w = 0; w < warps; ++w) most = maximum(most, smem.largest[w][q]);
      LLAVA_UNROLL
      for (int w = 0; w < warps; ++w) {
        const float weight = exp2_approx(smem.largest[w][q] - most);
        all = fused_multiply_add(weight, smem.total[w][q], all);
        added = fused_multiply_add(weight, smem.sum[w][q][c], added);
      }
      emit(q, c, added, all, most);
    }
  }

 private:
  /// The column of element i of a lane.
  LLAVA_DEVICE static int column_of(int lane, int i) { return (i / in16 * lanes + lane % lanes) * in16 + i % in16; }

  LLAVA_DEVICE static void unpack_all(array_of<float, columns>& x, const array_of<vec16, in_lane>& from) {
    LLAVA_UNROLL
    for (int i = 0; i < in_lane; ++i) {
      array_of<float, in16> part;
      unpack<T>(part, from[i]);
      LLAVA_UNROLL
      for (int e = 0; e < in16; ++e) x[i * in16 + e] = part[e];
    }
  }

  /// Adds the sums of the groups of lanes of a warp.
  LLAVA_DEVICE static void add_lanes(array_of<float, columns>& sum, float& total, float& largest) {
    LLAVA_UNROLL
    for (int mask = lanes; mask < warp_size; mask *= 2) {
      const float most = maximum(largest, shuffle_xor(largest, mask));
      const float weight = exp2_approx(largest - most);
      largest = most;
      total *= weight;
      total += shuffle_xor(total, mask);
      LLAVA_UNROLL
      for (int i = 0; i < columns; ++i) {
        sum[i] *= weight;
        sum[i] += shuffle_xor(sum[i], mask);
      }
    }
  }
};

}  // namespace detail

LLAVA_CUDA_END
