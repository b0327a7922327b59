// SPDX-License-Identifier: Apache-2.0
/// message_parts: makes a turn of a message whose content is a list of texts and images, as OpenAI's API has them.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

/// The parts of a message, in order.
class message_parts {
 public:
  /// `start_end`: as for try_place_images (pipeline/prompt.hpp).
  explicit message_parts(bool start_end) : start_end_(start_end) {}

  void add_text(std::string_view text);
  void add_image();
  /// Whether there is neither a text that is not empty nor an image.
  bool empty() const { return text_.empty() && images_ == 0; }

  /// Returns the turn: the texts, each on a line, and an `<image>` for each image. Images come first, as LLaVA was
  /// trained, unless one stands between two texts, or the texts have one `<image>` for each: then they stand there.
  /// Without images `<image>` is text. Errors: the texts have another number of `<image>` than there are images.
  result<message> try_message(role from) const;

 private:
  bool start_end_;
  std::string text_;    // the texts, a line each
  std::string placed_;  // the same with <image> where images are
  std::size_t images_ = 0;
  bool is_behind_ = false;  // an image is behind a text
  bool is_mixed_ = false;   // an image is between two texts
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/message_parts_inl.hpp>
#endif
