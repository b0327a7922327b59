// SPDX-License-Identifier: Apache-2.0
/// Definitions of shapes.hpp.
#pragma once
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

namespace ops {

/// "(4, 100)"
inline std::string text_of_extents(const extents& e) {
  return e.rank == 1 ? text_of('(', e.first, ')') : text_of('(', e.first, ", ", e.second, ')');
}

LLAVA_INLINE void shapes::fail_shape(const operand& x, const extents& wanted, std::initializer_list<operand> since) {
  std::string words = text_of(x.name, " is ", text_of_extents(x.is), ", expected ", text_of_extents(wanted));
  const char* joint = ", since ";
  for (const operand& o : since) {
    words += text_of(joint, o.name, " is ", text_of_extents(o.is));
    joint = " and ";
  }
  fail_check(words);
}

LLAVA_INLINE void shapes::fail_check(const std::string& words) {
  if (fit()) sentence_ = text_of("llava: ", op_, ": ", words);
}

}  // namespace ops

LLAVA_END
