// SPDX-License-Identifier: Apache-2.0
/// worker_backend_model: a server with OpenAI's API behind a worker, such as llava serve or llama-server. The worker
/// asks that server, which has the model, as the original's sglang_worker asks SGLang.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/worker_request.hpp>

LLAVA_BEGIN
namespace serve {

/// Where the backend is, and which of its models is asked.
struct backend_settings {
  std::string url = {};                        ///< http://HOST:PORT; /v1 is added unless it has a path
  std::string key = {};                        ///< is sent as `Authorization: Bearer KEY`
  std::string model = {};                      ///< empty: the first that the backend lists
  std::string name = {};                       ///< for LLaVA's clients; empty: the last part of the model's name
  std::chrono::milliseconds silence{600'000};  ///< of the backend, before and within an answer
};

/// See the top of this file. A prompt that one of LLaVA's templates made (prompt_turns.hpp) is sent as messages to
/// /v1/chat/completions: the backend applies its own model's template, with the system text of the prompt. Images
/// become parts where `<image>` stands; a newline beside it is left out, because templates write it. Any other prompt
/// is sent as it is to /v1/completions, which takes no images.
///
/// A request has temperature (0.001 or less is 0), top_p and max_tokens. The stop text is not sent, as in the original:
/// it ends no answer.
class worker_backend_model final : public worker_model {
 public:
  /// Asks the backend for its models if none is named. Errors: the backend does not answer, or lists no model.
  static result<std::shared_ptr<worker_backend_model>> try_make(backend_settings settings);
  explicit worker_backend_model(backend_settings settings) : settings_(std::move(settings)) {}

  std::string name() const override { return settings_.name; }
  /// The model's name at the backend.
  const std::string& model() const { return settings_.model; }
  /// Errors: context_full, also if the backend says so; io, the backend is gone or ends too early; mismatch, images
  /// without `<image>`; unsupported, images in a prompt that is of no template; otherwise the backend refused.
  result<void> try_answer(const worker_request& request, const stop_signal& gone,
                          function_ref<bool(std::string_view)> on_piece) override;

 private:
  result<http_call> try_call_of(const worker_request& request) const;

  const backend_settings settings_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/worker_backend_model_inl.hpp>
#endif
