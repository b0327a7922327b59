// SPDX-License-Identifier: Apache-2.0
/// Recognises two common substitutes for a file that was not downloaded: a Git LFS pointer and a server's HTML page.
/// Readers call it when a file is not in its format.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Describes these bytes and says how to get the file, as the end of a sentence "x is …"; empty for any other bytes.
constexpr std::string_view stand_in(std::string_view bytes) {
  if (bytes.substr(0, 41) == "version https://git-lfs.github.com/spec/v")
    return "a Git LFS pointer, not the file itself; run `git lfs pull` in its folder, or download it with `hf "
           "download`";
  if (bytes.substr(0, 3) == "\xef\xbb\xbf") bytes.remove_prefix(3);
  while (!bytes.empty() && (bytes.front() == ' ' || (bytes.front() >= '\t' && bytes.front() <= '\r')))
    bytes.remove_prefix(1);
  for (const std::string_view start : {std::string_view("<!doctype html"), std::string_view("<html")}) {
    bool same = bytes.size() >= start.size();
    for (std::size_t i = 0; same && i < start.size(); ++i) {
      const char c = bytes[i];
      same = (c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) == start[i];
    }
    if (same) return "an HTML page, not the file itself; download it again, for instance with `hf download`";
  }
  return {};
}

LLAVA_END
