// SPDX-License-Identifier: Apache-2.0
/// A JSON Schema up to the first zero byte, and then choices of tokens: each step must allow a token, and an allowed
/// token must be accepted (R9).
#include <limits>

#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/grammar/constraint.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto words = llava::try_open_tokenizer(LLAVA_TEST_DATA "/text/llama3");
  static const auto vocabulary = llava::token_vocabulary::try_make(*words);
  fuzz::require(words && vocabulary);
  const std::string_view all = fuzz::text(bytes, size), schema = all.substr(0, all.find('\0'));
  const auto space = static_cast<llava::json_space>(size % 3);
  const auto grammar = llava::grammar::try_json_schema(schema, {space, size % 2 == 0});
  if (!fuzz::succeeded(grammar)) return 0;
  const std::int32_t eos[] = {static_cast<std::int32_t>(words->size())};
  const auto masks = llava::token_masks::try_make(*grammar, *vocabulary, eos);
  fuzz::require(masks.has_value());
  llava::constraint at(*masks);
  const std::string_view choices = all.substr(std::min(schema.size() + 1, all.size())).substr(0, 400);
  std::vector<float> logits(words->size() + 1);
  for (const char choice : choices) {
    std::fill(logits.begin(), logits.end(), 0.f);
    fuzz::require(at.try_apply(logits).has_value());
    std::vector<std::int32_t> allowed;
    for (std::size_t t = 0; t < logits.size(); ++t)
      if (logits[t] == 0.f) allowed.push_back(static_cast<std::int32_t>(t));
    fuzz::require(!allowed.empty());
    const auto accepted = at.try_accept(allowed[static_cast<unsigned char>(choice) * allowed.size() / 256]);
    fuzz::require(accepted && *accepted);
  }
  return 0;
}
