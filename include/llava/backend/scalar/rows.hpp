// SPDX-License-Identifier: Apache-2.0
/// The row ops of the scalar backend, and patchify (contracts: ops/rows.hpp, ops/patchify.hpp).
#pragma once
#include <cstring>

#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>

LLAVA_BEGIN

namespace scalar_backend {

template <floating F>
void embed(queue& q, matrix_view<float> y, matrix_view<const F> table, vector_view<const std::int32_t> ids) {
  q.submit([&] {
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      if (ids(t) >= 0)
        for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) = to_float(table(ids(t), i));
  });
}

inline void take_rows(queue& q, matrix_view<float> y, matrix_view<const float> x,
                      vector_view<const std::int32_t> from) {
  q.submit([&] {
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      if (from(t) >= 0) std::memcpy(y.row(t), x.row(from(t)), static_cast<std::size_t>(y.extent(1)) * sizeof(float));
  });
}

inline void add(queue& q, matrix_view<float> y, matrix_view<const float> x) {
  q.submit([&] {
    for (std::ptrdiff_t t = 0; t < y.extent(0); ++t)
      for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) += x(t, i);
  });
}

template <class S>
void copy(queue& q, view<float, S> y, view<const float, S> x) {
  q.submit([&] {
    const std::ptrdiff_t rows = S::rank == 1 ? 1 : y.extent(0), width = y.size() / (rows ? rows : 1);
    for (std::ptrdiff_t t = 0; t < rows; ++t)
      std::memcpy(y.row(t), x.row(t), static_cast<std::size_t>(width) * sizeof(float));
  });
}
template <class S>
void copy(queue& q, view<float, S> y, view<float, S> x) {
  copy(q, y, view<const float, S>(x));
}

/// Contiguous views only.
template <class T, class S>
void upload(queue& q, view<T, S> to, std::span<const T> from) {
  q.submit([&] { std::memcpy(to.data(), from.data(), from.size_bytes()); });
}
template <class T, class S>
void download(queue& q, std::span<T> to, view<const T, S> from) {
  q.submit([&] { std::memcpy(to.data(), from.data(), to.size_bytes()); });
}

inline void patchify(queue& q, matrix_view<float> patches, vector_view<const std::uint8_t> rgb,
                     matrix_view<const float> table, int side, int patch) {
  q.submit([&] {
    const int grid = side / patch;
    for (int p = 0; p < grid * grid; ++p) {
      float* out = patches.row(p);
      for (int channel = 0; channel < 3; ++channel)
        for (int y = 0; y < patch; ++y)
          for (int x = 0; x < patch; ++x) {
            const std::ptrdiff_t pixel = std::ptrdiff_t{p / grid * patch + y} * side + p % grid * patch + x;
            *out++ = table(channel, rgb(pixel * 3 + channel));
          }
    }
  });
}

}  // namespace scalar_backend

LLAVA_END
