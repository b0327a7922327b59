// SPDX-License-Identifier: Apache-2.0
/// encode_options: how a text becomes ids.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// What a tokenizer does beside merging.
struct encode_options {
  bool add_special = true;  ///< BOS and the like around the text
  /// Special tokens in the text are tokens, as in the reference; otherwise they are text (R10).
  bool parse_special = true;
  std::string_view never{};  ///< an added token that is to be text all the same
};

LLAVA_END
