// SPDX-License-Identifier: Apache-2.0
/// prefix_matcher: finds the longest of a set of texts that begins at a position. It is used for the tokens that are
/// cut out of a text before encoding.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A set of texts, searched for the longest that begins at a position.
class prefix_matcher {
 public:
  /// Maximum size of a text of the set in bytes, which bounds the cost per position.
  static constexpr std::size_t longest = 1024;

  prefix_matcher() = default;
  /// Each text has a number, which a match reports. Empty texts never match. Of equal texts the one with the largest
  /// number matches.
  explicit prefix_matcher(std::vector<std::pair<std::string, std::int32_t>> texts) : texts_(std::move(texts)) {
    std::sort(texts_.begin(), texts_.end());
    for (const auto& [text, number] : texts_)
      if (!text.empty()) begins_[static_cast<unsigned char>(text[0])] = true;
  }
  bool empty() const { return texts_.empty(); }

  /// The result of a search.
  struct match {
    std::int32_t number = -1;  ///< −1: no match
    std::size_t bytes = 0;
  };
  /// The longest text that begins at `at` < text.size() and for which accept(number) is true.
  template <class Accept>
  match longest_at(std::string_view text, std::size_t at, Accept&& accept) const {
    match best;
    if (!begins_[static_cast<unsigned char>(text[at])]) return best;
    // The texts that share the first n bytes are a range of the sorted list. It begins with those of exactly n bytes.
    auto first = texts_.begin(), last = texts_.end();
    for (std::size_t n = 0; first != last && n < longest && at + n < text.size();) {
      const char byte = text[at + n];
      const auto less = [n](const auto& t, unsigned char b) {
        return t.first.size() <= n || static_cast<unsigned char>(t.first[n]) < b;
      };
      const auto more = [n](unsigned char b, const auto& t) {
        return t.first.size() > n && b < static_cast<unsigned char>(t.first[n]);
      };
      first = std::lower_bound(first, last, static_cast<unsigned char>(byte), less);
      last = std::upper_bound(first, last, static_cast<unsigned char>(byte), more);
      ++n;
      for (auto whole = first; whole != last && whole->first.size() == n; ++whole)
        if (accept(whole->second)) best = {whole->second, n};
    }
    return best;
  }
  match longest_at(std::string_view text, std::size_t at) const {
    return longest_at(text, at, [](std::int32_t) { return true; });
  }

 private:
  std::vector<std::pair<std::string, std::int32_t>> texts_;
  bool begins_[256] = {};
};

LLAVA_END
