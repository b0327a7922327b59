// SPDX-License-Identifier: Apache-2.0
/// Ops that move or add whole rows.
///   embed(queue, y, table, ids):     y[t] = table[ids[t]] if ids[t] ≥ 0, unchanged otherwise    y (T, D), table (V, D)
///   gather_rows(queue, y, x, from):  y[t] = x[from[t]] if from[t] ≥ 0, unchanged otherwise       y (T, D), x (R, D)
///   mix_rows(queue, y, x, from, weights): y[t] = Σ weights[t, k] · x[from[t, k]] over the k with from[t, k] ≥ 0, in
///                                    order; 0 without any    y (T, D), x (R, D), from and weights (T, K)
///   max_rows(queue, y, x, from):     y[t, i] = the largest x[from[t, k], i] over the k with from[t, k] ≥ 0, unchanged
///                                    without any; NaN if one is          y (T, D), x (R, D), from (T, K)
///     ids and from (T) or (T, K); an index past the last row is an error of the queue, and the op writes nothing
///   add(queue, y, x):                y += x                                                       both (T, D)
///   copy(queue, y, x):               y = x, rounded if the types differ                           same size
///   upload(queue, view, host), download(queue, host, view): copy between host memory and the backend's memory, the
///   same number of elements on both sides, view contiguous. upload reads its source before it returns. download waits
///   for everything queued before it, and writes nothing if the queue has failed. Only these two give host code access
///   to elements.
/// embed followed by gather_rows splices image tokens into a prompt; mix_rows interpolates between rows and pools by
/// means, max_rows by largest values.
#pragma once
#include <cstdint>
#include <span>

#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/quant/format.hpp>

LLAVA_BEGIN

namespace ops {
template <class Table>
shapes embed_shapes(matrix_view<const float> y, const Table& table, vector_view<const std::int32_t> ids) {
  shapes s("embed");
  s.expect({"y", y}, {y.extent(0), table.extent(1)}, operand{"table", {table.extent(0), table.extent(1)}});
  s.expect({"ids", ids}, y.extent(0), operand{"y", y});
  s.writes(y);
  return s;
}
inline shapes gather_rows_shapes(matrix_view<const float> y, matrix_view<const float> x,
                                 vector_view<const std::int32_t> from) {
  shapes s("gather_rows");
  s.expect({"y", y}, {y.extent(0), x.extent(1)}, operand{"x", x});
  s.expect({"from", from}, y.extent(0), operand{"y", y});
  s.writes(y);
  return s;
}
inline shapes mix_rows_shapes(matrix_view<const float> y, matrix_view<const float> x,
                              matrix_view<const std::int32_t> from, matrix_view<const float> weights) {
  shapes s("mix_rows");
  s.expect({"y", y}, {y.extent(0), x.extent(1)}, operand{"x", x});
  s.expect({"from", from}, {y.extent(0), from.extent(1)}, operand{"y", y});
  s.expect({"weights", weights}, {from.extent(0), from.extent(1)}, operand{"from", from});
  s.writes(y);
  return s;
}
inline shapes max_rows_shapes(matrix_view<const float> y, matrix_view<const float> x,
                              matrix_view<const std::int32_t> from) {
  shapes s("max_rows");
  s.expect({"y", y}, {y.extent(0), x.extent(1)}, operand{"x", x});
  s.expect({"from", from}, {y.extent(0), from.extent(1)}, operand{"y", y});
  s.writes(y);
  return s;
}
inline shapes add_shapes(matrix_view<const float> y, matrix_view<const float> x) {
  shapes s("add");
  s.expect({"x", x}, y, operand{"y", y});
  return s;
}
template <class Y, class X, class S>
shapes copy_shapes(const view<Y, S>& y, const view<X, S>& x) {
  shapes s("copy");
  s.expect({"x", x}, y, operand{"y", y});
  s.writes(y);
  return s;
}
/// The checks of upload and download, of a view and `host` elements in host memory.
template <class T, class S>
shapes transfer_shapes(const char* op, const view<T, S>& device, std::size_t host) {
  shapes s(op);
  s.require(device.contiguous() || device.empty(), "the view has a stride of ", device.stride(),
            ", expected contiguous rows");
  s.expect({"host", static_cast<std::ptrdiff_t>(host)}, device.size(), operand{"the view", device});
  return s;
}
/// The error of an index past the last row: `numbers`[t] is `row`.
[[gnu::cold]] inline error row_index_error(const char* op, const char* numbers, std::ptrdiff_t t, std::int32_t row,
                                           std::ptrdiff_t rows) {
  return fail(errc::mismatch, text_of("llava: ", op, ": ", numbers, "[", t, "] is ", row,
                                      ", expected less than the number of rows, ", rows));
}

/// The same of an index in a matrix.
[[gnu::cold]] inline error row_index_error(const char* op, const char* numbers, std::ptrdiff_t t, std::ptrdiff_t k,
                                           std::int32_t row, std::ptrdiff_t rows) {
  return fail(errc::mismatch, text_of("llava: ", op, ": ", numbers, "[", t, ", ", k, "] is ", row,
                                      ", expected less than the number of rows, ", rows));
}

template <class B, class F>
concept has_embed = requires(queue_of<B>& q, matrix_view<float> y, typename format<F>::view table,
                             vector_view<const std::int32_t> ids) {
  embed(q, y, table, ids);
};
template <class B>
concept has_rows = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> x,
                            vector_view<const std::int32_t> from, vector_view<float> line, std::span<float> out,
                            std::span<const float> in, matrix_view<const std::int32_t> some) {
  gather_rows(q, y, x, from);
  mix_rows(q, y, x, some, x);
  max_rows(q, y, x, some);
  add(q, y, x);
  copy(q, y, x);
  upload(q, line, in);
  download(q, out, vector_view<const float>(line));
};
}  // namespace ops

LLAVA_END
