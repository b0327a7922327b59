// SPDX-License-Identifier: Apache-2.0
/// path_view: a path as a parameter: a text, or a std::filesystem::path, whose header costs a second to parse and is
/// not included here. Borrowed: it must not outlive what it was made from.
#pragma once
#include <concepts>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The text of a path that somebody else owns.
class path_view {
 public:
  template <std::convertible_to<std::string_view> Text>
  path_view(const Text& text) : text_(text) {}
  /// std::filesystem::path, or what looks like it.
  template <class Path>
  requires(!std::convertible_to<const Path&, std::string_view> &&
           requires(const Path& p) {
             { p.native() } -> std::convertible_to<std::string_view>;
           }) path_view(const Path& path)
      : text_(path.native()) {}

  operator std::string_view() const { return text_; }

 private:
  std::string_view text_;
};

LLAVA_END
