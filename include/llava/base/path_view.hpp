// SPDX-License-Identifier: Apache-2.0
/// path_view: a path parameter that takes a text or a std::filesystem::path, whose header costs a second to parse and
/// is not included here. It is non-owning and must not outlive its argument.
#pragma once
#include <concepts>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A non-owning view of the text of a path.
class path_view {
 public:
  template <std::convertible_to<std::string_view> Text>
  path_view(const Text& text) : text_(text) {}
  /// From a std::filesystem::path, or any type with the same native().
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
