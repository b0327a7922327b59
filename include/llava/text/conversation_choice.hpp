// SPDX-License-Identifier: Apache-2.0
/// conversation_choice: which conversation a folder asks for, and what says so.
#pragma once
#include <string>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A folder's own chat template, not yet read.
struct chat_template_text {
  std::string text, file;    ///< file: where it stands, for errors
  bool parts_first = false;  ///< of a processor; otherwise of a tokenizer
};

/// Which conversation a folder asks for, and why.
struct conversation_choice {
  std::string name;  ///< of one of the reference's templates; "chat_template": the folder's own; empty: nothing says it
  std::string reason;    ///< what says so: "the folder is called llava-v1.5-7b"
  bool guessed = false;  ///< nothing says it: another may be right
  chat_template_text own;
};

LLAVA_END
