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
void round_all(const std::vector<float>& from, std::size_t n, std::vector<std::byte>& to) {
  for (std::size_t i = 0; i < n; ++i) reinterpret_cast<To*>(to.data())[i] = from_float<To>(from[i]);
}

LLAVA_INLINE result<buffer> try_convert(const row_source& from, dtype to, std::int64_t rows, std::int64_t columns,
                                        std::string_view name, const memory& where) {
  if (!from.unreadable().empty()) return not_floats(name, from.unreadable());
  LLAVA_TRY(made, where.try_allocate(static_cast<std::size_t>(rows * columns) * size_of(to), name));
  constexpr std::int64_t values_at_once = 1 << 16;
  const std::int64_t run =
      (std::min)(rows, (std::max)(std::int64_t{1}, values_at_once / (std::max)(columns, std::int64_t{1})));
  std::vector<float> floats(static_cast<std::size_t>(run * columns));
  std::vector<std::byte> rounded(to == dtype::float32 ? 0 : floats.size() * size_of(to));
  for (std::int64_t first = 0; first < rows; first += run) {
    const std::int64_t count = (std::min)(run, rows - first);
    const auto n = static_cast<std::size_t>(count * columns);
    from.read(first, count, floats.data());
    if (to == dtype::float16) round_all<f16>(floats, n, rounded);
    if (to == dtype::bfloat16) round_all<bf16>(floats, n, rounded);
    const auto* bytes = to == dtype::float32 ? reinterpret_cast<const std::byte*>(floats.data()) : rounded.data();
    LLAVA_CHECK(made.try_load(static_cast<std::size_t>(first * columns) * size_of(to), bytes, n * size_of(to)));
  }
  return std::move(made);
}

}  // namespace detail

LLAVA_END
