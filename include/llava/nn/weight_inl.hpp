// SPDX-License-Identifier: Apache-2.0
/// Definitions of weight.hpp.
#pragma once
#include <algorithm>
#include <vector>

#include <llava/nn/weight.hpp>

LLAVA_BEGIN

namespace detail {

LLAVA_INLINE error not_floats(std::string_view name, std::string_view stored) {
  return fail(errc::unsupported, text_of("llava: ", name, " is stored as ", stored, ", expected f32, f16 or bf16"));
}

template <class To>
void round_all(const float* from, std::int64_t n, std::byte* to) {
  for (std::int64_t i = 0; i < n; ++i) reinterpret_cast<To*>(to)[i] = from_float<To>(from[i]);
}

LLAVA_INLINE result<buffer> try_convert(const row_source& from, dtype to, std::int64_t rows, std::int64_t columns,
                                        std::string_view name, const memory& where, executor* threads) {
  if (!from.unreadable().empty()) return not_floats(name, from.unreadable());
  const auto size = static_cast<std::int64_t>(size_of(to));
  LLAVA_TRY(made, where.try_allocate(static_cast<std::size_t>(rows * columns * size), name));
  serial_executor alone;
  executor& runners = threads ? *threads : alone;
  // Each thread converts a piece of some rows. The pieces of a round are loaded together.
  constexpr std::int64_t values_in_piece = 1 << 16, least_rows = 16;  // low_rank_rows computes 16 at a time
  const std::int64_t piece = (std::min)((std::max)(rows, std::int64_t{1}),
                                        (std::max)(least_rows, values_in_piece / (std::max)(columns, std::int64_t{1})));
  const std::int64_t pieces = (std::min)((rows + piece - 1) / piece, std::int64_t{runners.concurrency()});
  std::vector<std::byte> round(static_cast<std::size_t>(pieces * piece * columns * size));
  std::vector<float> floats(static_cast<std::size_t>(to == dtype::float32 ? 0 : pieces * piece * columns));
  for (std::int64_t first = 0; first < rows; first += pieces * piece) {
    const std::int64_t count = (std::min)(pieces * piece, rows - first);
    parallel_for_dynamic(runners, (count + piece - 1) / piece, [&](std::ptrdiff_t i, std::ptrdiff_t slot) {
      const std::int64_t at = i * piece, n = (std::min)(piece, count - at);
      std::byte* const out = round.data() + at * columns * size;
      float* const values =
          to == dtype::float32 ? reinterpret_cast<float*>(out) : floats.data() + slot * piece * columns;
      from.read(first + at, n, values);
      if (to == dtype::float16) round_all<f16>(values, n * columns, out);
      if (to == dtype::bfloat16) round_all<bf16>(values, n * columns, out);
    });
    LLAVA_CHECK(made.try_load(static_cast<std::size_t>(first * columns * size), round.data(),
                              static_cast<std::size_t>(count * columns * size)));
  }
  return std::move(made);
}

}  // namespace detail

LLAVA_END
