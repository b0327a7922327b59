// SPDX-License-Identifier: Apache-2.0
/// The turns of a conversation as `messages` of OpenAI's API: how `llava chat` saves them, and what `llava batch`
/// takes.
#pragma once
#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/text/conversation_styles.hpp>

#include <string>
#include <vector>

#include "given_image.hpp"

/// An optional system turn, then user and assistant in turn, with one `<image>` for each image of a turn that has any.
struct conversation_text {
  std::vector<llava::message> turns;
  std::vector<given_image> images;  ///< in the order of the turns
};

/// Reads `messages`: role and content, a text or a list of parts. Images are placed as llava::message_parts does, which
/// takes `start_end` (pipeline/message_parts.hpp). `folder`: of images' files. Errors name the message.
llava::result<conversation_text> try_read_messages(const llava::json_value& messages, bool start_end,
                                                   const std::string& folder = {});

/// Writes `messages`, with the images as data: URLs; `files` are in the order of the turns. Each message is a line.
std::string messages_json(const std::vector<llava::message>& turns, const std::vector<given_image>& images);
