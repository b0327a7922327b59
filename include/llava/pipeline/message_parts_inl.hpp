// SPDX-License-Identifier: Apache-2.0
/// Definitions of message_parts.hpp.
#pragma once
#include <utility>

#include <llava/pipeline/message_parts.hpp>
#include <llava/pipeline/prompt.hpp>

LLAVA_BEGIN

LLAVA_INLINE void message_parts::add_text(std::string_view text) {
  is_mixed_ = is_mixed_ || is_behind_;
  for (std::string* to : {&text_, &placed_}) to->append(to->empty() ? "" : "\n").append(text);
}

LLAVA_INLINE void message_parts::add_image() {
  ++images_;
  is_behind_ = is_behind_ || !text_.empty();
  placed_.append(placed_.empty() ? "" : "\n").append(start_end_ ? tagged_image_marker : image_marker);
}

LLAVA_INLINE result<message> message_parts::try_message(role from) const {
  const auto count = static_cast<int>(images_);
  if (is_mixed_ && count_image_markers(text_) == 0) return message{from, placed_, count};
  LLAVA_TRY(placed, try_place_images(text_, images_, start_end_));
  return message{from, std::move(placed), count};
}

LLAVA_END
