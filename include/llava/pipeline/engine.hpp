// SPDX-License-Identifier: Apache-2.0
/// engine: answers the requests of all sessions, batches and servers of a model, together. Each step takes decode rows
/// of the running answers and prompt chunks of the new ones, at most max_batch_tokens rows and max_sequences sequences.
/// An answer is byte for byte the one that its prompt gets alone (R14).
///
/// The engine has no thread of its own. A thread that waits for its answer (answer_stream::try_next) runs the next step
/// unless another thread is running one. A server may give it a thread: drive().
///
///  - Prompts. Blocks of the KV cache are shared by all sequences with a common prefix, running and finished ones.
///  - Images. An image is encoded once for all requests that wait for it, and its image tokens stay in the model's
///    image_cache. Running answers continue between the layers of the vision tower.
///  - Order. Requests begin in the order in which they came, as soon as the cache has room for their prompt. While
///    others are answering, a long prompt is computed in chunks that take about half a second.
///  - A full cache. An answer without room waits. If none can continue, the last one gives up its blocks and is
///    computed again later, with the same bytes. An answer ends early (finish_reason::context_full, with its text so
///    far) only if the whole cache is too small for it.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/generate/settings.hpp>
#include <llava/pipeline/answer_request.hpp>
#include <llava/pipeline/scheduler.hpp>

LLAVA_BEGIN

struct answer_row;
class opened_model;

class engine;

/// The asking side of a request. Dropping it cancels the request. One thread at a time may use it.
class answer_stream {
 public:
  answer_stream(answer_stream&&) noexcept;
  /// Cancels its own request before it takes the other's.
  answer_stream& operator=(answer_stream&& other) noexcept;
  ~answer_stream();

  /// Waits for news and takes them. They are valid until the next call. Errors: those of the answer, which has then
  /// ended; errc::busy in a callback of a step. An exception of on_logits is thrown here.
  result<const answer_news*> try_next();
  /// The same without waiting or computing; null if there are none.
  result<const answer_news*> try_take();
  /// The answer. It is complete after news that say so.
  answer& whole();
  /// Tokens of the prompt.
  int prompt_tokens() const;

 private:
  friend engine;
  friend class session;
  friend class batch;
  answer_stream(std::shared_ptr<const opened_model> model, std::shared_ptr<answer_row> row);
  /// As try_next and try_take, within another guarded() (base/guard.hpp).
  result<const answer_news*> next();
  result<const answer_news*> take();

  std::shared_ptr<const opened_model> model_;
  std::shared_ptr<answer_row> row_;
  answer_news taken_;
};

/// Answers requests together; see the top of this file. Any thread may call its members.
class engine {
 public:
  /// `model` outlives it. Its limits are final.
  explicit engine(const opened_model& model) : scheduler_(model, mutex_) {}
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  /// Adds a request to the model's engine. Errors: settings out of range, an adapter of another model.
  static result<answer_stream> try_submit(std::shared_ptr<const opened_model> model, answer_request request);

  /// Runs a step, or waits for the one that another thread runs. Returns false if there is nothing to do. Errors:
  /// errc::busy in a callback of a step.
  result<bool> try_step();
  /// Runs steps until stop_requested(), and sleeps while there are no requests. wake() lets it look again.
  void drive(const stop_signal& stop);
  void wake() { announce(); }
  engine_counts counts() const;

 private:
  friend answer_stream;

  /// Runs a step on this thread, unless another thread runs one. Returns whether it did.
  bool lead();
  bool leads_here() const;
  /// Tells the waiting threads that there is news, or that nobody runs a step.
  void announce();
  /// Cancels a request whose asker is gone.
  void remove(answer_row& r);

  mutable std::mutex mutex_;
  scheduler scheduler_;
  std::atomic<unsigned> turn_{0};  // changes with every news
  const void* leader_ = nullptr;   // identifies the thread that runs a step; under the mutex
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/engine_inl.hpp>
#endif
