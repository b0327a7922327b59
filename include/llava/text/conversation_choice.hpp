// SPDX-License-Identifier: Apache-2.0
/// conversation_choice: the conversation template that a folder selects, and the reason.
#pragma once
#include <string>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A folder's own chat template, not yet parsed.
struct chat_template_text {
  std::string text, file;    ///< file: its source, for errors
  bool parts_first = false;  ///< from a processor; otherwise from a tokenizer
};

/// The conversation template that a folder selects, and the reason.
struct conversation_choice {
  std::string name;      ///< a template of the reference; "chat_template": the folder's own; empty: none selected
  std::string reason;    ///< for example "the folder is called llava-v1.5-7b"
  bool guessed = false;  ///< nothing specifies it: another may be right
  chat_template_text own;
};

LLAVA_END
