// SPDX-License-Identifier: Apache-2.0
/// text_streamer: cuts the text of an answer into the pieces that transformers' TextIteratorStreamer makes, one for
/// each token and one for the end. A piece is empty until a word is complete: text is given out up to its last space,
/// at a line's end, and behind a Chinese character.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN
namespace serve {

/// See the top of this file. The tokenizer must outlive it.
class text_streamer {
 public:
  explicit text_streamer(const tokenizer& words) : words_(words) {}

  /// The piece of one more token.
  std::string push(std::int32_t token) {
    tokens_.push_back(token);
    const std::string text = words_.decode(tokens_, true);
    if (text.ends_with('\n')) return finish(text);
    if (!text.empty() && is_chinese(last_character(text))) return take(text, text.size());
    const std::size_t space = text.rfind(' ');
    return take(text, space == text.npos ? 0 : space + 1);
  }
  /// The piece of the end.
  std::string end() { return finish(tokens_.empty() ? std::string() : words_.decode(tokens_, true)); }

 private:
  static std::uint32_t last_character(std::string_view text) {
    std::size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return detail::next_character(text, at);
  }
  /// The blocks of CJK ideographs that transformers looks for.
  static bool is_chinese(std::uint32_t c) {
    constexpr std::pair<std::uint32_t, std::uint32_t> blocks[] = {
        {0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
    for (const auto& [first, last] : blocks)
      if (c >= first && c <= last) return true;
    return false;
  }
  std::string take(const std::string& text, std::size_t end) {
    if (end <= given_) return {};
    const std::string piece = text.substr(given_, end - given_);
    given_ = end;
    return piece;
  }
  std::string finish(const std::string& text) {
    const std::string piece = given_ < text.size() ? text.substr(given_) : std::string();
    tokens_.clear();
    given_ = 0;
    return piece;
  }

  const tokenizer& words_;
  std::vector<std::int32_t> tokens_;
  std::size_t given_ = 0;  // bytes of the text of tokens_
};

}  // namespace serve
LLAVA_END
