// SPDX-License-Identifier: Apache-2.0
/// encode_options: options of tokenizer::encode().
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Options of tokenizer::encode().
struct encode_options {
  bool add_special = true;  ///< puts BOS and the like around the text
  /// Special tokens in the text become their ids, as in the reference; otherwise they are plain text (R10).
  bool parse_special = true;
  std::string_view excluded{};  ///< an added token that stays plain text
  /// If not empty, what the text has in place of each `excluded` that stays plain text. `excluded` becomes its id.
  std::string_view stand_in{};
};

LLAVA_END
