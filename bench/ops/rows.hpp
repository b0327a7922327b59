// SPDX-License-Identifier: Apache-2.0
/// Ops that move or add rows (embed, add, copy), and patchify, which looks up pixels in a table, as cases.
#pragma once
#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace bench {

struct embed_case {
  std::ptrdiff_t rows, width, vocab;
  std::string name() const { return "embed/f16/T" + std::to_string(rows) + "/D" + std::to_string(width); }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const auto table = weight_pool<B, llava::f16>(vocab, width).at(0);
    const array<> y(rows, width);
    const array<std::int32_t> ids(1, rows);
    for (std::ptrdiff_t t = 0; t < rows; ++t)
      ids.values()[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(t * 7919 % vocab);
    const auto op = [&](std::size_t) {
      embed(d.queue, y.matrix(), table, llava::vector_view<const std::int32_t>(ids));
      d.finish();
    };
    op(0);
    nmse error;
    for (std::ptrdiff_t t = 0; t < rows; ++t)
      for (std::ptrdiff_t i = 0; i < width; ++i)
        error.add(static_cast<double>(y.matrix()(t, i)),
                  static_cast<double>(llava::to_float(table(ids.vector()(t), i))));
    if (!is_right(state, error.value(), 0)) return;
    time(state, {0., 6. * static_cast<double>(rows * width)}, op);
  }
};

template <bool IsAdd>
struct add_case {
  std::ptrdiff_t rows, width;
  std::string name() const {
    return std::string(IsAdd ? "add" : "copy") + "/T" + std::to_string(rows) + "/D" + std::to_string(width);
  }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const array<> x(rows, width), y(rows, width);
    const auto op = [&](std::size_t) {
      if constexpr (IsAdd)
        add(d.queue, y.matrix(), llava::matrix_view<const float>(x));
      else
        copy(d.queue, y.matrix(), llava::matrix_view<const float>(x));
      d.finish();
    };
    op(0);
    nmse error;
    for (std::size_t i = 0; i < y.values().size(); ++i)
      error.add(static_cast<double>(y.values()[i]), (IsAdd ? 2. : 1.) * static_cast<double>(x.values()[i]));
    if (!is_right(state, error.value(), 0)) return;
    for (float& v : x.values()) v = 0.f;  // so that repeated sums do not grow
    time(state, {0., (IsAdd ? 12. : 8.) * static_cast<double>(rows * width)}, op);
  }
};

struct patchify_case {
  int side, patch;
  std::string name() const { return "patchify/S" + std::to_string(side) + "/p" + std::to_string(patch); }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const std::ptrdiff_t grid = side / patch, values = 3 * patch * patch;
    const array<> y(grid * grid, values), table(3, 256);
    const array<std::uint8_t> rgb(side, 3 * side);
    for (std::size_t i = 0; i < rgb.values().size(); ++i) rgb.values()[i] = static_cast<std::uint8_t>(i * 31 >> 2);
    const auto op = [&](std::size_t) {
      patchify(d.queue, y.matrix(), llava::vector_view<const std::uint8_t>(rgb.vector()),
               llava::matrix_view<const float>(table), side, patch);
      d.finish();
    };
    op(0);
    nmse error;
    for (std::ptrdiff_t p = 0; p < grid * grid; ++p)
      for (std::ptrdiff_t i = 0; i < values; ++i) {
        const std::ptrdiff_t channel = i / (patch * patch), row = p / grid * patch + i % (patch * patch) / patch,
                             column = p % grid * patch + i % patch;
        error.add(static_cast<double>(y.matrix()(p, i)),
                  static_cast<double>(table.matrix()(channel, rgb.matrix()(row, 3 * column + channel))));
      }
    if (!is_right(state, error.value(), 0)) return;
    time(state, {0., 3. * side * side + 4. * static_cast<double>(grid * grid * values)}, op);
  }
};

}  // namespace bench
