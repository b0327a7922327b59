// SPDX-License-Identifier: Apache-2.0
/// stream_decoder: the text of ids as they come. A piece never ends inside a UTF-8 character, and all pieces together are
/// what decode gives.
#pragma once
#include <string>
#include <string_view>

#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

class stream_decoder {
 public:
  explicit stream_decoder(const tokenizer& words, bool skip_special = true) : words_(&words), skip_special_(skip_special) {}

  /// What can be shown now; good until the next call.
  std::string_view push(std::int32_t id) {
    if (!skip_special_ || !words_->is_special(id)) pending_ += words_->bytes_of(id);
    if (at_start_ && !pending_.empty()) {
      if (words_->strips_first_space() && pending_[0] == ' ') pending_.erase(0, 1);
      at_start_ = false;
    }
    shown_.clear();
    std::size_t at = 0;
    while (at < pending_.size()) {
      const utf8_character c = utf8_at(pending_, at);
      if (c.cut_short) break;
      if (c.valid) shown_.append(pending_, at, c.bytes);
      else append_utf8(shown_, c.code);
      at += c.bytes;
    }
    pending_.erase(0, at);
    return shown_;
  }

  /// What is left: the beginning of a character that never came.
  std::string_view finish() {
    shown_ = valid_utf8(pending_);
    pending_.clear();
    return shown_;
  }

 private:
  const tokenizer* words_;
  bool skip_special_;
  bool at_start_ = true;
  std::string pending_, shown_;
};

LLAVA_END
