// SPDX-License-Identifier: Apache-2.0
/// conversation_state: the history of a conversation, for a program that stores it.
#pragma once
#include <vector>

#include <llava/image/visual.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

/// The turns, images and videos of a conversation. save() returns it and restore() takes it.
struct conversation_state {
  std::vector<message> turns;  ///< optional system, then user, assistant, user, …; one `<image>` per image
  std::vector<visual> images;  ///< in the order of the `<image>` in the turns
};

LLAVA_END
