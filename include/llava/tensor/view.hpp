// SPDX-License-Identifier: Apache-2.0
/// view<T, Shape>: a non-owning pointer with a shape. Rows (steps along the first axis) are `stride` elements apart, so
/// a slice of columns is a view too. The elements of a row are contiguous.
///
/// The memory may belong to a device, where only ops may access it. On a host backend operator() accesses elements.
#pragma once
#include <cstddef>
#include <type_traits>

#include <llava/base/macros.hpp>
#include <llava/tensor/shape.hpp>

LLAVA_BEGIN

/// A non-owning pointer with a shape.
template <class T, class Shape>
class view {
 public:
  using value_type = std::remove_const_t<T>;
  static constexpr int rank = Shape::rank;

  constexpr view() = default;
  constexpr view(T* data, Shape extents) : data_(data), shape_(extents), stride_(row_size(extents)) {}
  constexpr view(T* data, Shape extents, std::ptrdiff_t stride) : data_(data), shape_(extents), stride_(stride) {}

  /// Converts known extents to `dyn` and elements to const.
  template <class U, class Other>
  requires(std::is_convertible_v<U (*)[], T (*)[]>&& Other::rank ==
           Shape::rank) constexpr view(const view<U, Other>& other)
      : data_(other.data()), shape_(other.extents()), stride_(other.stride()) {}

  constexpr T* data() const { return data_; }
  constexpr Shape extents() const { return shape_; }
  constexpr std::ptrdiff_t extent(int axis) const { return shape_[axis]; }
  constexpr std::ptrdiff_t size() const { return shape_.size(); }
  constexpr std::ptrdiff_t stride() const { return stride_; }
  constexpr bool empty() const { return data_ == nullptr || size() == 0; }
  constexpr bool contiguous() const { return stride_ == row_size(shape_); }

  /// Returns a pointer to the first element of row i.
  constexpr T* row(std::ptrdiff_t i) const { return data_ + i * stride_; }

  template <class... I>
  requires(sizeof...(I) == Shape::rank) constexpr T& operator()(I... index) const {
    const std::ptrdiff_t at[] = {static_cast<std::ptrdiff_t>(index)...};
    std::ptrdiff_t offset = 0;
    for (int axis = 1; axis < rank; ++axis) offset = offset * shape_[axis] + at[axis];
    return data_[at[0] * (rank == 1 ? 1 : stride_) + offset];
  }

 private:
  static constexpr std::ptrdiff_t row_size(const Shape& s) {
    std::ptrdiff_t n = 1;
    for (int axis = 1; axis < Shape::rank; ++axis) n *= s[axis];
    return n;
  }

  T* data_ = nullptr;
  [[no_unique_address]] Shape shape_{};
  std::ptrdiff_t stride_ = 0;
};

/// A vector operand of an op.
template <class T>
using vector_view = view<T, dynamic_shape<1>>;  // (n)
/// A matrix operand of an op.
template <class T>
using matrix_view = view<T, dynamic_shape<2>>;  // (rows, columns)

/// Returns `count` rows from row `first`, or those of them that x has. An op then reports the missing rows.
template <class T, class Shape>
constexpr matrix_view<T> rows_of(const view<T, Shape>& x, std::ptrdiff_t first, std::ptrdiff_t count) {
  static_assert(Shape::rank == 2, "llava: the operand of rows_of must be a matrix");
  const std::ptrdiff_t rows = x.extent(0), from = first < 0 ? 0 : first < rows ? first : rows;
  const std::ptrdiff_t left = rows - from, taken = count < 0 || first < 0 ? 0 : count < left ? count : left;
  return {x.row(from), dynamic_shape<2>(taken, x.extent(1)), x.stride()};
}

/// Returns `count` columns from column `first`; x must have them.
template <class T>
constexpr matrix_view<T> columns_of(const matrix_view<T>& x, std::ptrdiff_t first, std::ptrdiff_t count) {
  return {x.data() + first, dynamic_shape<2>(x.extent(0), count), x.stride()};
}

LLAVA_END
