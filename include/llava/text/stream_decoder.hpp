// SPDX-License-Identifier: Apache-2.0
/// stream_decoder: decodes ids one at a time. No returned text ends inside a UTF-8 character, and all of them together
/// equal decode() of all ids, for any ids. Text that a later id can change is held back: an incomplete character and,
/// for a tokenizer.json with byte fallback, a run of byte tokens, which is text only if valid as a whole.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/text/decoding.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// Decodes ids one at a time into whole UTF-8 characters.
class stream_decoder {
 public:
  /// `words` must outlive the decoder.
  explicit stream_decoder(const tokenizer& words, bool skip_special = true)
      : words_(&words), state_(words.decoding(), skip_special) {}

  /// Returns the text that is final now, possibly empty. It is valid until the next call.
  std::string_view push(std::int32_t id) {
    shown_.clear();
    words_->push(state_, id, shown_);
    return shown_;
  }
  /// Returns the text held back and resets the decoder for the next text.
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
