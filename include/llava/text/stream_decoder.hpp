// SPDX-License-Identifier: Apache-2.0
/// stream_decoder: the text of ids as they come. A piece never ends inside a UTF-8 character, and all pieces together
/// are what decode gives for all ids, whatever the ids are. What a later id can still change waits: the beginning of a
/// character, and in tokenizer.json with byte fallback a run of byte tokens, which is text only when it is as a whole.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/text/decoding.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// Text of ids as they come, in whole UTF-8 characters.
class stream_decoder {
 public:
  /// `words` has to outlive it.
  explicit stream_decoder(const tokenizer& words, bool skip_special = true)
      : words_(&words), state_(words.decoding(), skip_special) {}

  /// The text that can be shown now, perhaps none; good until the next call.
  std::string_view push(std::int32_t id) {
    shown_.clear();
    words_->push(state_, id, shown_);
    return shown_;
  }
  /// What was held back. After it the next text may begin.
  std::string_view finish() {
    shown_.clear();
    state_.finish(shown_);
    return shown_;
  }

 private:
  const tokenizer* words_;
  text_decoder state_;
  std::string shown_;
};

LLAVA_END
