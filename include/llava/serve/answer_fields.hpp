// SPDX-License-Identifier: Apache-2.0
/// try_read_answer_fields: the fields that say how an answer is generated, in OpenAI's API and with the names that
/// other servers have given to the rest. Both kinds of completions share them.
#pragma once
#include <llava/base/error.hpp>
#include <llava/generate/settings.hpp>
#include <llava/serve/request_fields.hpp>
#include <llava/serve/response_format.hpp>

LLAVA_BEGIN
namespace serve {

/// How many answers to a request, and how they are sent.
struct answer_fields {
  generation_settings settings;
  response_format format;
  bool has_seed = false;
  int n = 1;
  bool stream = false;
  bool include_usage = false;  ///< a last chunk with the usage
};

inline constexpr int most_answers = 8;  ///< n

/// Reads all fields but those of log-probabilities and the prompt's. Errors: a field out of range, or not supported.
result<answer_fields> try_read_answer_fields(request_fields& fields);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/answer_fields_inl.hpp>
#endif
