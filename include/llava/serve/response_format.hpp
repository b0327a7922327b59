// SPDX-License-Identifier: Apache-2.0
/// response_format: the texts that an answer may be, as a request asks for them: OpenAI's `response_format`, or
/// `guided_json` and `guided_choice`, as vLLM called them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/grammar/json_schema.hpp>
#include <llava/serve/request_fields.hpp>

LLAVA_BEGIN
namespace serve {

/// The texts that an answer may be.
struct response_format {
  enum class kind : std::uint8_t { text, json_object, json_schema, choices };
  static constexpr std::size_t most_bytes = 256 << 10;  ///< of a schema, or of all choices

  kind is = kind::text;  ///< text: any
  std::string schema;    ///< JSON
  std::vector<std::string> choices;
  std::string param;  ///< the field that holds it

  /// Compiles it. `leading_space`: the answer may begin with a space, which is no part of its text. Not for text.
  /// Errors: a keyword that is not supported; `field` receives the place of the error.
  result<grammar> try_grammar(bool leading_space, std::string& field) const;
};

/// Reads the fields. Errors: one that is malformed; more than one.
result<response_format> try_read_response_format(request_fields& fields);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/response_format_inl.hpp>
#endif
