// SPDX-License-Identifier: Apache-2.0
/// stop_text: ends an answer at the first stop text. It holds back the end of the text while it may be the beginning of
/// a stop text, so no part of a stop text is ever streamed.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Finds stop texts in streamed text, and holds back possible beginnings of one.
class stop_text {
 public:
  explicit stop_text(std::span<const std::string> stops) : stops_(stops) {
    for (const std::string& s : stops_) longest_ = (std::max)(longest_, s.size());
  }

  /// Takes the next piece and returns the text that can be shown now. The view is valid until the next call.
  std::string_view push(std::string_view piece) {
    held_.erase(0, shown_);
    held_ += piece;
    std::size_t end = std::string::npos;
    for (const std::string& s : stops_)
      if (!s.empty()) end = (std::min)(end, held_.find(s));
    reached_ = end != std::string::npos;
    shown_ = reached_ ? end : held_.size() - undecided();
    return std::string_view(held_).substr(0, shown_);
  }
  /// Returns the text still held back, after the last piece.
  std::string_view finish() {
    held_.erase(0, shown_);
    shown_ = held_.size();
    return reached_ ? std::string_view{} : std::string_view(held_);
  }
  bool reached() const { return reached_; }

 private:
  /// Length of the longest suffix of held_ that is a prefix of a stop text.
  std::size_t undecided() const {
    for (std::size_t n = (std::min)(longest_, held_.size()); n > 0; --n) {
      const std::string_view tail = std::string_view(held_).substr(held_.size() - n);
      for (const std::string& s : stops_)
        if (s.size() > n && s.compare(0, n, tail) == 0) return n;
    }
    return 0;
  }

  std::span<const std::string> stops_;
  std::size_t longest_ = 0;
  std::string held_;
  std::size_t shown_ = 0;
  bool reached_ = false;
};

LLAVA_END
