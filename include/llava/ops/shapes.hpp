// SPDX-License-Identifier: Apache-2.0
/// shapes: what an op is given, held against its contract. Beside each contract of this folder stands a function that
/// does it, once for all backends, and every op asks its queue first, before it takes memory or looks at an extent:
///   if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
/// The first rule that is broken becomes the error of the queue:
///   llava: matmul: x is (4, 100), expected (4, 128), since w is (256, 128)
/// Shapes and numbers that the host knows are checked; what stands in memory is not. An op of one's own does the same
/// with rules of its own (docs/an-op-of-your-own.md). Where LLAVA_UNCHECKED is defined nothing is compared.
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

/// One extent or two: (n), (rows, columns). More axes count as columns.
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

/// What a contract calls by a name.
struct operand {
  const char* name;
  extents is;
};

/// The rules of one op, each looked at once. The first that is broken stays.
class shapes {
 public:
  /// The rules of the op that is so called.
  constexpr explicit shapes(const char* op) : op_(op) {}

  /// `x` must be of these extents, since others are what they are.
  template <class... Since>
  void expect(const operand& x, const extents& wanted, const Since&... since) {
    if constexpr (LLAVA_CHECKED)
      if (!(x.is == wanted)) [[unlikely]]
        differ(x, wanted, {since...});
  }
  /// A rule in words, which follow the op's name in the error.
  template <class... Parts>
  void require(bool holds, const Parts&... words) {
    if constexpr (LLAVA_CHECKED)
      if (!holds) [[unlikely]]
        break_rule(text_of(words...));
  }
  /// The op writes all of y: what a planning run wants to know of memory that must be written whole.
  template <class T, class S>
  void writes(const view<T, S>& y) {
    written_ = memory_rows(y);
  }

  bool fit() const { return sentence_.empty(); }
  /// The error, where they do not fit.
  const std::string& sentence() const { return sentence_; }
  const memory_rows& written() const { return written_; }

 private:
  [[gnu::cold]] void differ(const operand& x, const extents& wanted, std::initializer_list<operand> since);
  [[gnu::cold]] void break_rule(const std::string& words);

  const char* op_;
  memory_rows written_;
  std::string sentence_;
};

}  // namespace ops

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/ops/shapes_inl.hpp>
#endif
