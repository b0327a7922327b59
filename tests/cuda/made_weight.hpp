// SPDX-License-Identifier: Apache-2.0
/// Weights of random values for tests of products on CUDA.
#pragma once
#include <llava/nn/linear.hpp>

#include "backend/backends.hpp"
#include "ops/affine_rows.hpp"

/// Fills a weight (rows, columns) of backend B in format F. Those of GGUF's formats have random bytes.
template <class B, class F>
void fill(llava::weight<B, F>& made, std::ptrdiff_t rows, std::ptrdiff_t columns, unsigned seed = 2) {
  const auto read = [&](const llava::row_source& from) {
    REQUIRE(made.try_fill(from, {rows, columns}, "w", B().memory()));
  };
  if constexpr (llava::affine_format<F>) {
    const auto bytes = stored_matrix<F>(rows, columns);
    read(rows_in_format<F>(bytes, columns, true));
  } else {
    const auto values = random_values(static_cast<std::size_t>(rows * columns), seed);
    read(llava::stored_rows({llava::dtype::float32, reinterpret_cast<const std::byte*>(values.data())}, columns));
  }
}
template <class B, class F>
llava::weight<B, F> made_weight(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  llava::weight<B, F> made;
  fill(made, rows, columns);
  return made;
}
