// SPDX-License-Identifier: Apache-2.0
/// weight_layout: how a backend stores the rows of a row format in its memory; `B::layout<F>` names it. Rows are
/// packed in units, so that many threads can pack them and a file can hold the result:
///   view                                  the weight type that the backend's matmul takes
///   name                                  of the layout and its version; a file is valid only for the name in it
///   unit                                  number of rows of w in a unit; the last unit may have fewer
///   unit_bytes(columns)                   size of a unit
///   pack(to, stored, rows, columns)       packs `rows` ≤ unit contiguous stored rows into a unit
///   make_view(data, rows, columns)        a view of all units
///
/// A layout of a tensor format packs the whole matrix at once:
///   view, name, make_view                 as above
///   bytes(rows, columns)                  size of the matrix
///   pack(to, stored, threads)             packs a tensor_view
///
/// stored_layout keeps rows, or a matrix, as their format stores them.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <llava/base/executor.hpp>
#include <llava/quant/affine_blocks.hpp>
#include <llava/quant/any_of.hpp>
#include <llava/quant/tensor_format.hpp>

LLAVA_BEGIN

template <class L>
concept weight_layout = requires(std::byte* to, const std::byte* from, std::ptrdiff_t n) {
  typename L::view;
  { L::name } -> std::convertible_to<std::string_view>;
  { L::unit } -> std::convertible_to<std::ptrdiff_t>;
  { L::unit_bytes(n) } -> std::same_as<std::ptrdiff_t>;
  L::pack(to, from, n, n);
  { L::make_view(from, n, n) } -> std::same_as<typename L::view>;
};

/// Size in bytes of a matrix in a layout.
template <weight_layout L>
constexpr std::ptrdiff_t layout_bytes(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return (rows + L::unit - 1) / L::unit * L::unit_bytes(columns);
}

/// Values as they are stored, for backends that read the stored format.
template <class F>
struct stored_layout;

template <row_format F>
struct stored_layout<F> {
  using view = typename format<F>::view;
  static constexpr std::string_view name = "stored";
  static constexpr std::ptrdiff_t unit = 1;
  static constexpr std::ptrdiff_t unit_bytes(std::ptrdiff_t columns) { return view::row_bytes(columns); }
  static void pack(std::byte* to, const std::byte* stored, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    std::memcpy(to, stored, static_cast<std::size_t>(rows * unit_bytes(columns)));
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }
};

template <tensor_format F>
struct stored_layout<F> {
  using view = tensor_view<F>;
  static constexpr std::string_view name = "stored";
  static constexpr std::ptrdiff_t bytes(std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return F::stored_bytes(rows, columns);
  }
  static void pack(std::byte* to, const view& stored, executor&) {
    std::memcpy(to, stored.data, static_cast<std::size_t>(bytes(stored.rows, stored.columns)));
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }
};

namespace detail {
template <class B, class F>
struct weight_view {
  using type = typename format<F>::view;
};
template <class B, coded_format F>
struct weight_view<B, F> {
  using type = typename B::template layout<F>::view;
};
template <class B, coded_format F>
requires mixed_format<F>
struct weight_view<B, F> {
  using type = mixed_view<B, F>;
};
}  // namespace detail

/// The type of weights in format F that the matmul of backend B takes.
template <class B, class F>
using weight_view = typename detail::weight_view<B, F>::type;

LLAVA_END
