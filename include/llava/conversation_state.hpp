// SPDX-License-Identifier: Apache-2.0
/// conversation_state: the past of a conversation, for a program that keeps it.
#pragma once
#include <vector>

#include <llava/image/image.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

/// The turns of a conversation and its images: what save() gives and restore() takes.
struct conversation_state {
  std::vector<message> turns;  ///< perhaps system; user, assistant, user, … texts hold one `<image>` per image
  std::vector<image> images;   ///< in the order of these
};

LLAVA_END
