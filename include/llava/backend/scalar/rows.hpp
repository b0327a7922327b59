// SPDX-License-Identifier: Apache-2.0
/// The row ops of the scalar backend, and patchify (contracts: ops/rows.hpp, ops/patchify.hpp).
#pragma once
#include <cstring>

#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>

LLAVA_BEGIN

namespace scalar_backend {

namespace detail {
/// Whether every number is negative or less than `rows`. The first that is not becomes the queue's error.
inline bool are_valid_rows(queue& q, const char* op, const char* name, vector_view<const std::int32_t> numbers,
                           std::ptrdiff_t rows) {
  for (std::ptrdiff_t t = 0; t < numbers.extent(0); ++t)
    if (numbers(t) >= rows) return q.reject(ops::row_index_error(op, name, t, numbers(t), rows)), false;
  return true;
}
inline bool are_valid_rows(queue& q, const char* op, matrix_view<const std::int32_t> from, std::ptrdiff_t rows) {
  for (std::ptrdiff_t t = 0; t < from.extent(0); ++t)
    for (std::ptrdiff_t k = 0; k < from.extent(1); ++k)
      if (from(t, k) >= rows) return q.reject(ops::row_index_error(op, "from", t, k, from(t, k), rows)), false;
  return true;
}
}  // namespace detail

template <floating F>
void embed(queue& q, matrix_view<float> y, matrix_view<const F> table, vector_view<const std::int32_t> ids) {
  if (!q.accepts(ops::embed_shapes(y, table, ids))) return;
  q.submit([&](workers) {
    if (!detail::are_valid_rows(q, "embed", "ids", ids, table.extent(0))) return;
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      if (ids(t) >= 0)
        for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) = to_float(table(ids(t), i));
  });
}

inline void gather_rows(queue& q, matrix_view<float> y, matrix_view<const float> x,
                        vector_view<const std::int32_t> from) {
  if (!q.accepts(ops::gather_rows_shapes(y, x, from))) return;
  q.submit([&](workers) {
    if (!detail::are_valid_rows(q, "gather_rows", "from", from, x.extent(0))) return;
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      if (from(t) >= 0) std::memcpy(y.row(t), x.row(from(t)), static_cast<std::size_t>(y.extent(1)) * sizeof(float));
  });
}

inline void mix_rows(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const std::int32_t> from,
                     matrix_view<const float> weights) {
  if (!q.accepts(ops::mix_rows_shapes(y, x, from, weights))) return;
  q.submit([&](workers on) {
    if (!detail::are_valid_rows(q, "mix_rows", from, x.extent(0))) return;
    on.split(y.extent(0), on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t t = first; t < last; ++t) {
        std::memset(y.row(t), 0, static_cast<std::size_t>(y.extent(1)) * sizeof(float));
        for (std::ptrdiff_t k = 0; k < from.extent(1); ++k)
          if (from(t, k) >= 0)
            for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) += weights(t, k) * x(from(t, k), i);
      }
    });
  });
}

inline void max_rows(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const std::int32_t> from) {
  if (!q.accepts(ops::max_rows_shapes(y, x, from))) return;
  q.submit([&](workers on) {
    if (!detail::are_valid_rows(q, "max_rows", from, x.extent(0))) return;
    on.split(y.extent(0), on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t t = first; t < last; ++t) {
        bool any = false;
        for (std::ptrdiff_t k = 0; k < from.extent(1); ++k) {
          if (from(t, k) < 0) continue;
          for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) {
            const float v = x(from(t, k), i);
            if (!any || v > y(t, i) || v != v) y(t, i) = v;
          }
          any = true;
        }
      }
    });
  });
}

inline void add(queue& q, matrix_view<float> y, matrix_view<const float> x) {
  if (!q.accepts(ops::add_shapes(y, x))) return;
  q.submit([&](workers) {
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) += x(t, i);
  });
}

template <floating Y, class X, class S>
void copy(queue& q, view<Y, S> y, view<X, S> x) {
  if (!q.accepts(ops::copy_shapes(y, x))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t rows = S::rank == 1 ? 1 : y.extent(0), width = y.size() / (rows ? rows : 1);
    for (std::ptrdiff_t t = 0; t < rows; ++t)
      if constexpr (std::is_same_v<std::remove_const_t<X>, Y>)
        std::memcpy(y.row(t), x.row(t), static_cast<std::size_t>(width) * sizeof(Y));
      else
        for (std::ptrdiff_t i = 0; i < width; ++i) y.row(t)[i] = from_float<Y>(to_float(x.row(t)[i]));
  });
}

template <class T, class S>
void upload(queue& q, view<T, S> to, std::span<const T> from) {
  if (!q.accepts(ops::transfer_shapes("upload", to, from.size()))) return;
  q.submit([&](workers) { std::memcpy(to.data(), from.data(), from.size_bytes()); });
}
template <class T, class S>
void download(queue& q, std::span<T> to, view<const T, S> from) {
  if (!q.accepts(ops::transfer_shapes("download", from, to.size()))) return;
  q.submit([&](workers) { std::memcpy(to.data(), from.data(), to.size_bytes()); });
}

template <floating Y>
void patchify(queue& q, matrix_view<Y> patches, vector_view<const std::uint8_t> rgb, matrix_view<const float> table,
              int side, int patch) {
  if (!q.accepts(ops::patchify_shapes(patches, rgb, table, side, patch))) return;
  q.submit([&](workers) {
    const int grid = side / patch;
    for (int p = 0; p < grid * grid; ++p) {
      Y* out = patches.row(p);
      for (int channel = 0; channel < 3; ++channel)
        for (int y = 0; y < patch; ++y)
          for (int x = 0; x < patch; ++x) {
            const std::ptrdiff_t pixel = std::ptrdiff_t{p / grid * patch + y} * side + p % grid * patch + x;
            *out++ = from_float<Y>(table(channel, rgb(pixel * 3 + channel)));
          }
    }
  });
}

}  // namespace scalar_backend

LLAVA_END
