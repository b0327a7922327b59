// SPDX-License-Identifier: Apache-2.0
/// answer_job: the answers to one request, from the engine to the client. The engine's on_news notifies the pool; a
/// thread of the pool takes the news and writes them. If the client is gone, the answers are dropped at once (R11).
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <llava/pipeline/engine.hpp>
#include <llava/serve/admission.hpp>
#include <llava/serve/answer_fields.hpp>
#include <llava/serve/http_response.hpp>
#include <llava/serve/openai_reply.hpp>
#include <llava/serve/served_model.hpp>
#include <llava/serve/task_pool.hpp>

LLAVA_BEGIN
namespace serve {

/// Removes white space at both ends of a text that comes in pieces, as answer::text has none.
class stripped_pieces {
 public:
  /// Returns what can be shown now.
  std::string push(std::string_view piece);

 private:
  std::string held_;
  bool has_begun_ = false;
};

/// What a job is made of.
struct answer_job_parts {
  served_model* model;  ///< outlives the pool
  http_response response;
  reply_head head;
  answer_fields fields;
  std::shared_ptr<const logits_processor> processor;  ///< keeps the answers in a grammar, or null
  admission answers, image_bytes;
  std::chrono::steady_clock::time_point received;
  double seconds = 0;  ///< from `received` on, after which the answers end; 0: none
};

/// The answers to one request. It lives until all have ended or the client is gone: its streams hold the engine's rows,
/// whose on_news hold the job.
class answer_job final : public pool_task {
 public:
  /// Submits n answers to the prompt. Errors: those of engine::try_submit; nothing has been sent then.
  static result<void> try_start(task_pool& pool, answer_job_parts parts, prepared_prompt prompt);

  explicit answer_job(answer_job_parts parts) : pool_task(true), parts_(std::move(parts)) {}

 private:
  struct choice {
    std::optional<answer_stream> stream;
    reply_choice made;
    stripped_pieces stripped;
    std::string chat_logprobs;
    completion_logprobs logprobs;
    std::size_t offset = 0;  // bytes of the tokens so far
    bool begins_with_space = false, has_text = false;
    std::chrono::steady_clock::time_point last{};
  };

  void run() noexcept override;
  void take_news();
  /// Returns false if the request has ended with an error.
  bool take(choice& c, const answer_news& news);
  /// The text as the continuation of a prompt: decoders drop a space in front of an answer.
  std::string continued(choice& c, const answer_news& news) const;
  void measure(choice& c, std::size_t tokens);
  std::string logprobs_of(choice& c) const;
  void finish();
  void fail_with(const error_reply& r);
  /// Ends what still runs. The caller holds the job.
  void drop() noexcept;

  answer_job_parts parts_;
  std::vector<choice> choices_;
  reply_usage usage_;
  bool is_over_ = false;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/answer_job_inl.hpp>
#endif
