// SPDX-License-Identifier: Apache-2.0
/// What often lies in the place of a file that was not fetched: the pointer of Git LFS, or an HTML page of a server.
/// Whoever finds that a file is not what it should be asks here what it is.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// What these bytes are instead, and how the file is fetched, to be put behind "x is "; empty for anything else.
constexpr std::string_view stand_in(std::string_view bytes) {
  if (bytes.substr(0, 41) == "version https://git-lfs.github.com/spec/v")
    return "a pointer of Git LFS, not the file itself; run `git lfs pull` in its folder, or fetch it with `hf "
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
    if (same) return "an HTML page, not the file itself; fetch it anew, for instance with `hf download`";
  }
  return {};
}

LLAVA_END
