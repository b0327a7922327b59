// SPDX-License-Identifier: Apache-2.0
/// shapes: checks the operands of an op against its contract. Each contract of this folder has a function that builds
/// these checks, once for all backends. Every op passes them to its queue first, before it takes memory or uses an
/// extent:
///   if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
/// The first check that fails becomes the error of the queue:
///   llava: matmul: x is (4, 100), expected (4, 128), since w is (256, 128)
/// Checks cover shapes and numbers that the host knows, not the contents of memory. A user's op makes its own checks in
/// the same way (docs/an-op-of-your-own.md). If LLAVA_UNCHECKED is defined, nothing is checked.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/tensor/coverage.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

namespace ops {

/// One extent or two: (n) or (rows, columns). Further axes are multiplied into columns.
struct extents {
  int rank = 0;
  std::ptrdiff_t first = 0, second = 1;

  constexpr extents(std::ptrdiff_t n) : rank(1), first(n) {}
  constexpr extents(std::ptrdiff_t rows, std::ptrdiff_t columns) : rank(2), first(rows), second(columns) {}
  template <class T, class S>
  constexpr extents(const view<T, S>& v) : rank(S::rank == 1 ? 1 : 2), first(v.extent(0)) {
    for (int axis = 1; axis < S::rank; ++axis) second *= v.extent(axis);
  }
  friend constexpr bool operator==(const extents&, const extents&) = default;
};

/// A named operand of a contract, with its extents.
struct operand {
  const char* name;
  extents is;
};

/// The checks of one op. Keeps the first that fails.
class shapes {
 public:
  /// The checks of the op with this name, which must outlive them.
  constexpr explicit shapes(const char* op) : op_(op) {}

  /// Requires x to have the extents `wanted`, which follow from the operands `since`.
  template <class... Since>
  void expect(const operand& x, const extents& wanted, const Since&... since) {
    if constexpr (LLAVA_CHECKED)
      if (!(x.is == wanted)) [[unlikely]]
        fail_shape(x, wanted, {since...});
  }
  /// Requires `holds`. In the error, `words` follow the name of the op.
  template <class... Parts>
  void require(bool holds, const Parts&... words) {
    if constexpr (LLAVA_CHECKED)
      if (!holds) [[unlikely]]
        fail_check(text_of(words...));
  }
  /// States that the op writes all of y, for planning runs, which check that memory is written completely.
  template <class T, class S>
  void writes(const view<T, S>& y) {
    written_ = memory_rows(y);
  }

  bool fit() const { return sentence_.empty(); }
  /// The error sentence; empty if every check holds.
  const std::string& sentence() const { return sentence_; }
  const memory_rows& written() const { return written_; }

 private:
  [[gnu::cold]] void fail_shape(const operand& x, const extents& wanted, std::initializer_list<operand> since);
  [[gnu::cold]] void fail_check(const std::string& words);

  const char* op_;
  memory_rows written_;
  std::string sentence_;
};

}  // namespace ops

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/ops/shapes_inl.hpp>
#endif
