// SPDX-License-Identifier: Apache-2.0
/// paged_attention on the device (contract: ops/attention.hpp): rows of prefill and of decode in one call.
///
/// | rows | kernel |
/// |---|---|
/// | at most 16, or at most one per sequence, or f32 results | decode.cuh, for each row |
/// | more | prefill.cuh, and decode.cuh for rows that are their sequence's only one |
/// | any, on a deterministic queue | decode.cuh, 16 rows at a time |
///
/// Results of 16 bits come from tensor cores in prefill and from f32 multiply-add in decode, where the number of rows
/// decides how many parts the keys of one have: a row's last bits depend on the number of rows, but two runs of one
/// step give the same bits. On a deterministic queue a row depends on itself alone. That costs a prefill: each row
/// reads its keys and values, for 640 rows of LLaVA-1.5-7B 3.3 GB a layer, which come from L2.
#pragma once
#include <llava/backend/cuda/attention/decode.cuh>
#include <llava/backend/cuda/attention/prefill.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/attention.hpp>

LLAVA_CUDA_BEGIN

namespace detail {

/// Rows up to which a step has no tiles of prefill.
inline constexpr int most_decode_rows = 16;
/// Blocks that fill a device: 132 multiprocessors with 4 blocks each, four times.
inline constexpr int enough_blocks = 2048;

template <class Y, class T, int D, bool Grouped>
void launch_decode(queue& q, paged_params<Y, T> p, std::ptrdiff_t most_blocks) {
  using rows = paged_rows<Y, T, D, Grouped>;
  const std::ptrdiff_t heads = std::ptrdiff_t{p.cache.heads} * rows::blocks_of_group(p), blocks = p.slots * heads;
  const std::ptrdiff_t wanted = blocks < enough_blocks ? (enough_blocks + blocks - 1) / blocks : 1;
  const std::ptrdiff_t longest = (most_blocks + 3) / 4;
  p.splits =
      static_cast<int>((std::min)({q.is_deterministic() ? longest : wanted, longest, std::ptrdiff_t{most_splits}}));
  p.divisor = q.is_deterministic() ? most_splits : p.splits;
  arena_scope scope(q.workspace());
  if (p.splits > 1) {
    const std::ptrdiff_t parts = std::ptrdiff_t{p.slots} * p.heads * p.splits;
    p.part_sums = q.workspace().allocate<float>(parts * p.cache.dim);
    p.part_stats = q.workspace().allocate<float>(parts * 2);
  }
  q.launch<rows>(p);
  if (p.splits > 1) q.launch<paged_parts<Y, T>>(p);
}

}  // namespace detail

template <floating Y, kv_element T>
void paged_attention(queue& q, matrix_view<Y> y, matrix_view<const float> queries, kv_row_view<T> cache, step_rows rows,
                     const attention_parameters& p) {
  if (!q.accepts(ops::paged_attention_shapes(y, queries, cache, rows, p)) || queries.extent(0) == 0) return;
  const int tokens = static_cast<int>(queries.extent(0)), sequences = static_cast<int>(rows.blocks.extent(0));
  detail::paged_params<Y, T> params{
      .y = y.data(),
      .q = queries.data(),
      .y_stride = y.stride(),
      .q_stride = queries.stride(),
      .cache = cache,
      .positions = rows.positions.data(),
      .sequences = rows.sequences.data(),
      .blocks = rows.blocks.data(),
      .block_stride = rows.blocks.stride(),
      .slopes = p.slopes.extent(0) > 0 ? p.slopes.data() : nullptr,
      .tokens = tokens,
      .heads = p.heads,
      .window = p.window,
      .factor = p.scale * detail::log2_e,
      .aligned_queries = detail::has_aligned_rows(queries, cache.dim),
      .decode = detail::decode_rows::all,
      .slots = tokens,
      .splits = 1,
      .divisor = 1,
      .part_sums = nullptr,
      .part_stats = nullptr,
  };
  detail::with_head_dim(cache.dim, [&]<int D>() {
    const auto decode = [&](const detail::paged_params<Y, T>& some) {
      if (p.heads == cache.heads)
        detail::launch_decode<Y, T, D, false>(q, some, rows.blocks.extent(1));
      else
        detail::launch_decode<Y, T, D, true>(q, some, rows.blocks.extent(1));
    };
    if (q.is_deterministic()) {
      for (int t = 0; t < tokens; t += detail::most_decode_rows) decode(params.rows_from(t, detail::most_decode_rows));
      return;
    }
    if constexpr (!std::is_same_v<Y, float>) {
      if (tokens > detail::most_decode_rows && tokens > sequences) {
        params.decode = sequences == 1 ? detail::decode_rows::none : detail::decode_rows::of_one_row;
        q.launch<detail::paged_tiles<Y, T, D>>(params);
        if (params.decode == detail::decode_rows::none) return;
        params.slots = sequences;
      }
    }
    decode(params);
  });
}

LLAVA_CUDA_END
