// SPDX-License-Identifier: Apache-2.0
/// answer_request: what the engine is asked. answer_news: what it has to tell.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <llava/base/hook.hpp>
#include <llava/generate/settings.hpp>
#include <llava/pipeline/prepare.hpp>

LLAVA_BEGIN

class adapter;

/// A prompt to be answered.
struct answer_request {
  prepared_prompt prompt;
  generation_settings settings{};
  /// on_logits runs on the thread that runs the step, which need not be the asking one, and may not ask the model.
  generation_hooks hooks{};
  std::shared_ptr<const llava::adapter> adapter{};
  /// Wall time in seconds after which the answer ends (finish_reason::deadline); 0: none.
  double seconds = 0;
  /// Called when there is news, on the thread that runs the step; it must return soon and may not call the engine.
  hook<void()> on_news{};
  double prepared_in = 0;  ///< for answer_seconds::prepare: what has passed already
};

/// What has been added to an answer since the last time.
struct answer_news {
  std::string text;  ///< in complete UTF-8 characters; may be empty although there are tokens
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;              ///< of these tokens, if requested
  std::vector<token_logprob> top_logprobs;  ///< (tokens, K), as in answer
  bool ended = false;                       ///< the answer is complete
};

LLAVA_END
