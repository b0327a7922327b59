// SPDX-License-Identifier: Apache-2.0
#include <llava/tensor/arena.hpp>
#include <llava/tensor/coverage.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("coverage: finds the first row that is not written, by writes of rows or of columns", "[tensor]") {
  arena planning;
  const auto take = [&] { return matrix_view<float>(planning.allocate<float>(64), dynamic_shape<2>(4, 16)); };
  const matrix_view<float> before = take(), y = take(), behind = take();
  const auto columns = [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    return matrix_view<float>(y.data() + first, dynamic_shape<2>(4, count), y.stride());
  };
  const auto missing = [&](std::initializer_list<matrix_view<float>> written) {
    coverage seen(y);
    planning.watch(&seen);
    for (const auto& w : written) planning.note_written(memory_rows(w));
    planning.watch(nullptr);
    planning.note_written(memory_rows(y));  // not watched any more
    return seen.first_missing_row();
  };
  CHECK(missing({}) == 0);
  CHECK(missing({y}) == -1);
  CHECK(missing({before, behind}) == 0);
  CHECK(missing({rows_of(y, 0, 3)}) == 3);
  CHECK(missing({rows_of(y, 3, 1), rows_of(y, 0, 3)}) == -1);
  CHECK(missing({columns(8, 8), columns(0, 8)}) == -1);
  CHECK(missing({columns(0, 8), columns(9, 7)}) == 0);
  CHECK(missing({rows_of(y, 0, 2), columns(0, 15)}) == 2);
  const matrix_view<float> wide(before.data(), dynamic_shape<2>(12, 16));  // all three matrices
  CHECK(missing({wide}) == -1);
  const matrix_view<float> far(before.data(), dynamic_shape<2>(std::ptrdiff_t{1} << 50, 16));
  CHECK(missing({far}) == -1);  // without visiting all rows
  const matrix_view<float> one(before.data(), dynamic_shape<2>(std::ptrdiff_t{1} << 50, 8), 16);
  CHECK(missing({one}) == 0);
  const vector_view<float> line(y.data(), dynamic_shape<1>(64));
  coverage seen(y);
  seen.note(memory_rows(line));
  CHECK(seen.first_missing_row() == -1);
}

TEST_CASE("arena: an allocation beyond the end sets overrun(), and its address is outside the arena", "[tensor]") {
  alignas(64) std::byte memory[256];
  arena a(memory, sizeof memory);
  CHECK(reinterpret_cast<std::byte*>(a.allocate<float>(32)) == memory);
  CHECK_FALSE(a.overrun());
  {
    arena_scope scope(a);
    const auto* beyond = reinterpret_cast<std::byte*>(a.allocate<float>(33));
    CHECK((beyond < memory || beyond >= memory + sizeof memory));
    CHECK(a.overrun());
  }
  a.forget_overrun();
  CHECK_FALSE(a.overrun());
  CHECK(reinterpret_cast<std::byte*>(a.allocate<float>(32)) == memory + 128);

  for (const std::ptrdiff_t n : {std::ptrdiff_t{-1}, PTRDIFF_MAX, PTRDIFF_MAX / 4}) {
    arena planning;
    planning.allocate<float>(n);
    planning.allocate<float>(n);
    CHECK(planning.overrun());
  }
}
