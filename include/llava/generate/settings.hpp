// SPDX-License-Identifier: Apache-2.0
/// How an answer is generated, and what comes back. Nothing set is greedy, unless the model's folder samples.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/hook.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// What is not set is what the model's folder says (generation_config.json), or else what stands behind it.
struct generation_settings {
  std::optional<int> max_new_tokens{};        ///< 512
  std::optional<float> temperature{};         ///< 0: greedy. Otherwise temperature, top_k, top_p, in this order
  std::optional<float> top_p{};               ///< 1: all tokens
  std::optional<int> top_k{};                 ///< 50; 0: all tokens
  std::optional<float> repetition_penalty{};  ///< 1: none
  std::optional<std::vector<std::int32_t>> suppress_tokens{};  ///< tokens that are never chosen: none
  std::uint64_t seed = 0;         ///< the same seed gives the same answer, whatever else runs
  std::vector<std::string> stop;  ///< texts that end the answer; they are not part of it
  bool ignore_eos = false;        ///< go on to max_new_tokens
  bool logprobs = false;          ///< fill answer::logprobs
};

/// The settings in force: those of the caller, and the folder's where the caller has none.
struct generation_rules {
  int max_new_tokens = 512;
  float temperature = 0.f;
  float top_p = 1.f;
  int top_k = 50;
  float repetition_penalty = 1.f;
  std::vector<std::int32_t> suppress_tokens;
};

/// Errors: a number that has no meaning, NaN among them.
LLAVA_INLINE result<void> try_check(const generation_settings& s);

/// What a host may do while an answer is generated. Called on the asking thread.
struct generation_hooks {
  /// Changes the logits (V) of the next token before it is chosen: grammars, penalties. It costs a copy of the logits.
  hook<void(std::span<float>)> on_logits{};
  /// Ends the generation, in prefill too, when a stop is requested from any thread: a std::stop_token.
  stop_signal stop{};
};

/// Takes text as it comes, in whole UTF-8 characters.
using text_callback = function_ref<void(std::string_view)>;
/// For whoever waits for the whole answer.
inline constexpr auto no_text = [](std::string_view) {};

/// Why an answer ended. Only a batch's answers end `cancelled`, each by its own hook, while the others go on: a
/// session's question fails instead.
enum class finish_reason : std::uint8_t { eos, stop_text, length, context_full, cancelled };

/// What came of a question.
struct answer {
  std::string text;                  ///< without special tokens, white space at its ends removed
  std::vector<std::int32_t> tokens;  ///< new tokens, eos included
  std::vector<float> logprobs;       ///< natural logarithm of each new token's probability, if asked for
  finish_reason reason = finish_reason::eos;
  int prompt_tokens = 0;  ///< tokens of the prompt, image tokens included
  int reused_tokens = 0;  ///< of which so many were in the KV cache already
};

LLAVA_END
