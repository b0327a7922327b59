// SPDX-License-Identifier: Apache-2.0
/// Views of this library as Eigen objects and back, without a copy:
///   as_map(view)      the view's memory as an Eigen::Map: a matrix (rows, columns), row-major, `stride` elements from
///                     row to row; a vector (n) as a column
///   as_view(object)   an Eigen object's memory as a view: a row-major Matrix, Array, Map, Ref or block of one whose
///                     rows have contiguous elements, or a vector
/// Extents known at compile time stay known: shape<576, dyn> ↔ Matrix<float, 576, Dynamic>. const elements stay const.
/// f16 and bf16 are Eigen::half and Eigen::bfloat16.
///
/// The results own no memory: the argument must outlive the result, so as_view rejects a temporary that owns its
/// elements. An object that has no view without a copy (a column-major matrix) is a compile error of one sentence.
#pragma once
#include <Eigen/Core>
#include <type_traits>

#include <llava/base/dtype.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

namespace eigen_backend {

/// @name Corresponding element types
/// @{
template <class T>
struct scalar_of {
  using eigen = T;
  using ours = T;
};
template <>
struct scalar_of<f16> {
  using eigen = Eigen::half;
};
template <>
struct scalar_of<bf16> {
  using eigen = Eigen::bfloat16;
};
template <>
struct scalar_of<Eigen::half> {
  using ours = f16;
};
template <>
struct scalar_of<Eigen::bfloat16> {
  using ours = bf16;
};
static_assert(sizeof(f16) == sizeof(Eigen::half) && sizeof(bf16) == sizeof(Eigen::bfloat16),
              "llava: f16 and bf16 must have the size of Eigen::half and Eigen::bfloat16");
/// @}

/// To, const if From is const.
template <class From, class To>
using as_const_as = std::conditional_t<std::is_const_v<From>, const To, To>;

/// The Eigen matrix type for a view with elements T, Rows and Columns (−1: known at run time).
template <class T, std::ptrdiff_t Rows, std::ptrdiff_t Columns>
using matrix_of = Eigen::Matrix<typename scalar_of<std::remove_const_t<T>>::eigen, static_cast<int>(Rows),
                                static_cast<int>(Columns), Columns == 1 ? Eigen::ColMajor : Eigen::RowMajor>;
static_assert(dyn == Eigen::Dynamic, "llava: dyn must equal Eigen::Dynamic");

template <class E>
inline constexpr bool is_eigen = std::is_base_of_v<Eigen::DenseBase<std::remove_cvref_t<E>>, std::remove_cvref_t<E>>;

/// Whether E owns its elements.
template <class E>
inline constexpr bool owns_elements = std::is_base_of_v<Eigen::PlainObjectBase<E>, E>;

}  // namespace eigen_backend

/// A view (rows, columns) as a matrix: y.noalias() = as_map(x) * …
template <class T, std::ptrdiff_t Rows, std::ptrdiff_t Columns>
auto as_map(const view<T, shape<Rows, Columns>>& x) {
  // With one column at compile time the map is a column vector, whose inner stride is the row stride.
  using matrix = eigen_backend::matrix_of<T, Rows, Columns>;
  using stride = std::conditional_t<Columns == 1, Eigen::InnerStride<>, Eigen::OuterStride<>>;
  using element = typename matrix::Scalar;
  return Eigen::Map<eigen_backend::as_const_as<T, matrix>, Eigen::Unaligned, stride>(
      reinterpret_cast<eigen_backend::as_const_as<T, element>*>(x.data()), x.extent(0), x.extent(1),
      stride(x.stride()));
}

/// A view (n) as a column vector.
template <class T, std::ptrdiff_t N>
auto as_map(const view<T, shape<N>>& x) {
  using matrix = eigen_backend::matrix_of<T, N, 1>;
  using element = typename matrix::Scalar;
  return Eigen::Map<eigen_backend::as_const_as<T, matrix>>(
      reinterpret_cast<eigen_backend::as_const_as<T, element>*>(x.data()), x.extent(0));
}

/// A view (rows, columns) of an Eigen matrix, or (n) of an Eigen vector.
template <class E>
requires(eigen_backend::is_eigen<E>) auto as_view(E&& x) {
  using object = std::remove_cvref_t<E>;
  constexpr bool is_lent = std::is_lvalue_reference_v<E> || !eigen_backend::owns_elements<object>;
  constexpr bool is_vector = object::IsVectorAtCompileTime;
  constexpr bool is_seen = (object::Flags & Eigen::DirectAccessBit) != 0;
  static_assert(is_lent, "llava: as_view of a temporary: give the matrix a name, so that it outlives the view");
  static_assert(is_seen, "llava: as_view of an expression: evaluate it into a matrix first");
  static_assert(is_vector || object::IsRowMajor,
                "llava: as_view takes row-major matrices: the elements of a row are contiguous in every view");
  static_assert(object::InnerStrideAtCompileTime == 1,
                "llava: as_view takes matrices and vectors with an inner stride of 1, known at compile time");
  if constexpr (is_lent && is_seen) {
    using element = std::remove_pointer_t<decltype(x.data())>;
    using T =
        eigen_backend::as_const_as<element, typename eigen_backend::scalar_of<std::remove_const_t<element>>::ours>;
    T* data = reinterpret_cast<T*>(x.data());
    if constexpr (is_vector) {
      constexpr std::ptrdiff_t n = object::SizeAtCompileTime;
      if constexpr (n == dyn)
        return view<T, shape<n>>(data, shape<n>(x.size()));
      else
        return view<T, shape<n>>(data, shape<n>());
    } else {
      constexpr std::ptrdiff_t rows = object::RowsAtCompileTime, columns = object::ColsAtCompileTime;
      const shape<rows, columns> extents(dynamic_shape<2>(x.rows(), x.cols()));
      return view<T, shape<rows, columns>>(data, extents, x.outerStride());
    }
  }
}

LLAVA_END
