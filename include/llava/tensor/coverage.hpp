// SPDX-License-Identifier: Apache-2.0
/// coverage: records the elements of a matrix that a planning run would write. It checks, before anything is computed,
/// that user code such as a projector writes all of its output.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// The memory of a view of any type: `rows` rows of `bytes` bytes, `stride` bytes apart.
struct memory_rows {
  std::uintptr_t at = 0;
  std::ptrdiff_t rows = 0, bytes = 0, stride = 0;

  constexpr memory_rows() = default;
  template <class T, class S>
  explicit memory_rows(const view<T, S>& v)
      : at(reinterpret_cast<std::uintptr_t>(v.data())),
        rows(S::rank == 1 ? 1 : v.extent(0)),
        bytes((S::rank == 1 ? v.size() : v.size() / (rows ? rows : 1)) * std::ptrdiff_t{sizeof(T)}),
        stride(v.stride() * std::ptrdiff_t{sizeof(T)}) {}
};

/// The elements of a contiguous matrix, each written or not. Its memory is never accessed.
class coverage {
 public:
  explicit coverage(matrix_view<const float> of)
      : at_(reinterpret_cast<std::uintptr_t>(of.data())),
        columns_(of.extent(1)),
        written_(static_cast<std::size_t>(of.size())) {}

  /// Marks the elements of these rows that lie inside the matrix.
  void note(const memory_rows& m) {
    const auto size = static_cast<std::ptrdiff_t>(written_.size());
    const auto start = static_cast<std::ptrdiff_t>(m.at - at_);  // bytes after the first element
    const std::ptrdiff_t before = -(start + m.bytes);            // bytes from the first row's end to the matrix
    for (std::ptrdiff_t r = before > 0 && m.stride > 0 ? before / m.stride : 0; r < m.rows; ++r) {
      const std::ptrdiff_t from = start + r * m.stride, first = from / element, last = (from + m.bytes) / element;
      for (std::ptrdiff_t i = first > 0 ? first : 0; i < last && i < size; ++i)
        written_[static_cast<std::size_t>(i)] = true;
      if (last >= size || m.stride <= 0) break;  // no other row is inside
    }
  }

  /// Returns the first row with an unwritten element, or −1.
  std::ptrdiff_t first_missing_row() const {
    for (std::size_t i = 0; i < written_.size(); ++i)
      if (!written_[i]) return static_cast<std::ptrdiff_t>(i) / columns_;
    return -1;
  }

 private:
  static constexpr std::ptrdiff_t element = sizeof(float);

  std::uintptr_t at_;
  std::ptrdiff_t columns_;
  std::vector<bool> written_;
};

LLAVA_END
