// SPDX-License-Identifier: Apache-2.0
/// with_replaced: a text in which one text stands for another.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// The text with `to` for each `from`, found from left to right. An empty `from` is nowhere.
inline std::string with_replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at; !from.empty() && (at = text.find(from)) != std::string_view::npos;) {
    out.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return out.append(text);
}

}  // namespace detail

LLAVA_END
