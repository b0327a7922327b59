// SPDX-License-Identifier: Apache-2.0
/// The settings of an answer, and the answer. The default is greedy decoding, unless the model's folder samples.
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

/// The settings of an answer. The default of an unset value is the model folder's (generation_config.json), or else the
/// one given here.
struct generation_settings {
  std::optional<int> max_new_tokens{};        ///< default 512
  std::optional<float> temperature{};         ///< default 0: greedy; else temperature, top_k, top_p, in this order
  std::optional<float> top_p{};               ///< default 1: all tokens
  std::optional<int> top_k{};                 ///< default 50; 0: all tokens
  std::optional<float> repetition_penalty{};  ///< default 1: no penalty
  std::optional<std::vector<std::int32_t>> suppress_tokens{};  ///< tokens that are never chosen; default none
  std::uint64_t seed = 0;         ///< the same seed gives the same answer, alone or in a batch
  std::vector<std::string> stop;  ///< texts that end the answer; they are not part of it
  bool ignore_eos = false;        ///< do not end at an eos token
  bool logprobs = false;          ///< fill answer::logprobs
};

/// The settings in force: the caller's, else the folder's, else these defaults.
struct generation_rules {
  int max_new_tokens = 512;
  float temperature = 0.f;
  float top_p = 1.f;
  int top_k = 50;
  float repetition_penalty = 1.f;
  std::vector<std::int32_t> suppress_tokens;
};

/// Errors: a value out of range, or NaN.
LLAVA_INLINE result<void> try_check(const generation_settings& s);

/// Hooks into the generation of an answer.
struct generation_hooks {
  /// Changes the logits (V) of the next token before it is chosen, for a grammar or a penalty. It costs a copy of the
  /// logits. It runs within a step, on any thread that asks the model, and may not ask the model itself (errc::busy).
  hook<void(std::span<float>)> on_logits{};
  /// A std::stop_token. A stop requested from any thread ends the generation, also in prefill.
  stop_signal stop{};
};

/// Receives text as it is generated, in complete UTF-8 characters.
using text_callback = function_ref<void(std::string_view)>;
/// Ignores the text, for callers that need only the whole answer.
inline constexpr auto no_text = [](std::string_view) {};

/// Why an answer ended. Only answers of a batch end as `cancelled`, each by its own hook, while the others continue. In
/// a session a cancelled question is an error instead. `deadline`: answer_request::seconds have passed.
enum class finish_reason : std::uint8_t { eos, stop_text, length, context_full, cancelled, deadline };

/// Wall time of the parts of an answer, in seconds, with the time in which other answers are computed.
struct answer_seconds {
  double prepare = 0;  ///< the prompt's tokens, the wait for room, and the images that the model has not seen yet
  double prefill = 0;  ///< from there to the first new token
  double decode = 0;   ///< from there to the last
};

/// The answer to a question.
struct answer {
  std::string text;                  ///< without special tokens and without white space at its ends
  std::vector<std::int32_t> tokens;  ///< new tokens, eos included
  std::vector<float> logprobs;       ///< natural logarithm of each new token's probability, if requested
  finish_reason reason = finish_reason::eos;
  int prompt_tokens = 0;  ///< tokens of the prompt, image tokens included
  int reused_tokens = 0;  ///< tokens of the prompt that were in the KV cache already
  answer_seconds seconds;
};

LLAVA_END
