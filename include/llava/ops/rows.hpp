// SPDX-License-Identifier: Apache-2.0
/// Ops that move or add whole rows.
///   embed(queue, y, table, ids):     y[t] = table[ids[t]] where ids[t] ≥ 0, untouched elsewhere y (T, D), table (V, D)
///   gather_rows(queue, y, x, from):  y[t] = x[from[t]] where from[t] ≥ 0, untouched elsewhere    y (T, D), x (R, D)
///     ids and from (T); one beyond the last row is an error of the queue, and nothing is then written
///   add(queue, y, x):                y += x                                                        both (T, D)
///   copy(queue, y, x):               y = x, rounded where y's type is another                      same size
///   upload(queue, view, host), download(queue, host, view): between host memory and the backend's, as many elements in
///   both, view contiguous. upload reads its source before it returns; download waits for everything queued before it,
///   and writes nothing where the queue has failed. These two are the only way by which host code sees an element.
/// The splice of image tokens into a prompt is embed followed by gather_rows.
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
/// The rules of upload and download, of a view and so many elements in the program's memory.
template <class T, class S>
shapes transfer_shapes(const char* op, const view<T, S>& device, std::size_t host) {
  shapes s(op);
  s.require(device.contiguous() || device.empty(), "the view's rows do not follow one another: its stride is ",
            device.stride());
  s.expect({"host", static_cast<std::ptrdiff_t>(host)}, device.size(), operand{"the view", device});
  return s;
}
/// Where a number of a row is beyond the last one.
[[gnu::cold]] inline error beyond_rows(const char* op, const char* numbers, std::ptrdiff_t t, std::int32_t row,
                                       std::ptrdiff_t rows) {
  return fail(errc::mismatch,
              text_of("llava: ", op, ": ", numbers, "[", t, "] is ", row, "; there are ", rows, " rows"));
}

template <class B, class F>
concept has_embed = requires(queue_of<B>& q, matrix_view<float> y, typename format<F>::view table,
                             vector_view<const std::int32_t> ids) {
  embed(q, y, table, ids);
};
template <class B>
concept has_rows = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> x,
                            vector_view<const std::int32_t> from, vector_view<float> line, std::span<float> out,
                            std::span<const float> in) {
  gather_rows(q, y, x, from);
  add(q, y, x);
  copy(q, y, x);
  upload(q, line, in);
  download(q, out, vector_view<const float>(line));
};
}  // namespace ops

LLAVA_END
