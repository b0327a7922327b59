// SPDX-License-Identifier: Apache-2.0
/// Ops that move or add whole rows.
///   embed(queue, y, table, ids):   y[t] = table[ids[t]] where ids[t] ≥ 0, untouched elsewhere      y (T, D) · table (V, D)
///   take_rows(queue, y, x, from):  y[t] = x[from[t]] where from[t] ≥ 0, untouched elsewhere        y (T, D) · x (R, D)
///   add(queue, y, x):              y += x                                                          both (T, D)
///   copy(queue, y, x):             y = x                                                           same type and size
///   upload(queue, view, host), download(queue, host, view): between host memory and the backend's. upload reads its
///   source before it returns; download waits for everything queued before it. These two are the only way by which host code sees an element.
/// The splice of image tokens into a prompt is embed followed by take_rows.
#pragma once
#include <cstdint>
#include <span>

#include <llava/ops/queue_of.hpp>
#include <llava/quant/format.hpp>

LLAVA_BEGIN

namespace ops {
template <class B, class F>
concept has_embed = requires(queue_of<B>& q, matrix_view<float> y, typename format<F>::view table,
                             vector_view<const std::int32_t> ids) {
  embed(q, y, table, ids);
};
template <class B>
concept has_rows = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> x,
                            vector_view<const std::int32_t> from, vector_view<float> line, std::span<float> out,
                            std::span<const float> in) {
  take_rows(q, y, x, from);
  add(q, y, x);
  copy(q, y, x);
  upload(q, line, in);
  download(q, out, vector_view<const float>(line));
};
}  // namespace ops

LLAVA_END
