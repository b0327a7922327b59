// SPDX-License-Identifier: Apache-2.0
/// The settings of an answer, and the answer. The default is greedy decoding, unless the model's folder samples.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/hook.hpp>
#include <llava/base/macros.hpp>
#include <llava/ops/token_logprob.hpp>

LLAVA_BEGIN

/// The most that a caller may ask for.
struct generation_limits {
  static constexpr int top_logprobs = 20;                      ///< likeliest tokens of each new token
  static constexpr int beams = 64;                             ///< num_beams
  static constexpr std::size_t stop_texts = 256;               ///< number of stop texts
  static constexpr std::size_t stop_bytes = 4096;              ///< bytes of a stop text
  static constexpr std::size_t stop_tokens = 1024;             ///< number of stop tokens
  static constexpr std::size_t tokens = std::size_t{1} << 20;  ///< entries of suppress_tokens and of logit_bias
};

/// A number that is added to the logit of a token.
struct token_bias {
  std::int32_t token = 0;
  float bias = 0.f;
};

/// The settings of an answer. The default of an unset value is the model folder's (generation_config.json), or else the
/// one given here.
struct generation_settings {
  std::optional<int> max_new_tokens{};        ///< default 512
  std::optional<float> temperature{};         ///< default 0: greedy; else temperature, top_k, top_p, min_p in order
  std::optional<float> top_p{};               ///< default 1: all tokens
  std::optional<int> top_k{};                 ///< default 50; 0: all tokens
  std::optional<float> min_p{};               ///< least probability, as a share of the largest; default 0: all tokens
  std::optional<float> repetition_penalty{};  ///< over prompt and answer; default 1: no penalty
  std::optional<std::vector<std::int32_t>> suppress_tokens{};  ///< tokens that are never chosen; default none
  float presence_penalty = 0.f;          ///< -2 to 2: subtracted from the logits of tokens that the answer has (OpenAI)
  float frequency_penalty = 0.f;         ///< -2 to 2: subtracted for each time that the answer has the token (OpenAI)
  std::vector<token_bias> logit_bias{};  ///< added to the logits of these tokens; each at most once
  std::uint64_t seed = 0;                ///< the same seed gives the same answer, alone or in a batch
  std::vector<std::string> stop{};       ///< texts that end the answer; they are not part of it
  std::vector<std::int32_t> stop_token_ids{};  ///< tokens that end the answer as eos does, also under ignore_eos
  bool ignore_eos = false;                     ///< do not end at an eos token
  bool logprobs = false;                       ///< fill answer::logprobs
  int top_logprobs = 0;                        ///< 0 to 20: that many tokens each in answer::top_logprobs
  /// Beams of a search for the likeliest answer (generate/beam_search.hpp); 1: none. More are for sessions and need
  /// temperature 0; stop, top_logprobs and hooks other than hooks.stop are errors. The text comes in one piece.
  int num_beams = 1;
};

/// The settings in force: the caller's, else the folder's, else these defaults.
struct generation_rules {
  int max_new_tokens = 512;
  float temperature = 0.f;
  float top_p = 1.f;
  int top_k = 50;
  float min_p = 0.f;
  float repetition_penalty = 1.f;
  std::vector<std::int32_t> suppress_tokens;
};

/// Errors: a value out of range, or NaN; a list longer than generation_limits allows. `wrong` receives the name of the
/// setting that an error is about.
LLAVA_INLINE result<void> try_check(const generation_settings& s, std::string* wrong = nullptr);
/// The same for a model with `vocab` tokens. Errors: also a token of logit_bias or stop_token_ids that the model lacks.
LLAVA_INLINE result<void> try_check(const generation_settings& s, int vocab, std::string* wrong = nullptr);

class logits_processor;

/// Hooks into the generation of an answer.
struct generation_hooks {
  /// Changes the logits (V) of the next token before it is chosen, for a grammar or a penalty. It sees them after the
  /// penalties and biases of the settings. Log-probabilities remain those of the model. It costs a copy of the logits.
  /// It runs within a step, on any thread that asks the model, and may not ask the model itself (errc::busy).
  hook<void(std::span<float>)> on_logits{};
  /// Changes the logits after on_logits, with a state for each answer: a grammar (grammar/constrained.hpp).
  std::shared_ptr<const logits_processor> processor{};
  /// A std::stop_token. A stop requested from any thread ends the generation, also in prefill.
  stop_signal stop{};
};

/// Receives text as it is generated, in complete UTF-8 characters.
using text_callback = function_ref<void(std::string_view)>;
/// Ignores the text, for callers that need only the whole answer.
inline constexpr auto no_text = [](std::string_view) {};

/// Why an answer ended. Only answers of a batch end as `cancelled`, each by its own hook, while the others continue. In
/// a session a cancelled question is an error instead. `deadline`: answer_request::seconds have passed. `stop_token`:
/// one of generation_settings::stop_token_ids that is not an eos token in force.
enum class finish_reason : std::uint8_t { eos, stop_text, length, context_full, cancelled, deadline, stop_token };

/// Wall time of the parts of an answer, in seconds, with the time in which other answers are computed.
struct answer_seconds {
  double prepare = 0;  ///< the prompt's tokens, the wait for room, and the images that the model has not seen yet
  double prefill = 0;  ///< from there to the first new token
  double decode = 0;   ///< from there to the last
};

/// The answer to a question. Log-probabilities are those of the model, a log softmax of its logits before penalties,
/// biases, hooks and temperature.
struct answer {
  std::string text;                  ///< without special tokens and without white space at its ends
  std::vector<std::int32_t> tokens;  ///< new tokens, eos or stop token included
  std::vector<float> logprobs;       ///< natural logarithm of each new token's probability, if requested
  /// (tokens, K) the K likeliest tokens in the place of each new token, by falling probability and then by id. K is
  /// generation_settings::top_logprobs, or the number of the model's tokens if it has fewer.
  std::vector<token_logprob> top_logprobs;
  finish_reason reason = finish_reason::eos;
  int prompt_tokens = 0;  ///< tokens of the prompt, image tokens included
  int reused_tokens = 0;  ///< tokens of the prompt that were in the KV cache already
  answer_seconds seconds;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/generate/settings_inl.hpp>
#endif
