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
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/generate/settings.hpp>
#include <llava/llm/block_allocator.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;
class generation;
struct step_results;

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
  std::string text;                  ///< in complete UTF-8 characters; may be empty although there are tokens
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;       ///< of these tokens, if requested
  bool ended = false;                ///< the answer is complete
};

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
  struct row;
  answer_stream(std::shared_ptr<const opened_model> model, std::shared_ptr<row> r);
  /// As try_next and try_take, within another guarded() (base/guard.hpp).
  result<const answer_news*> next();
  result<const answer_news*> take();

  std::shared_ptr<const opened_model> model_;
  std::shared_ptr<row> row_;
  answer_news taken_;
};

/// The state of an engine for its model's metrics.
struct engine_counts {
  int waiting = 0, running = 0;       ///< requests
  std::uint64_t steps = 0;            ///< of the language model
  std::uint64_t prompt_tokens = 0, reused_tokens = 0, new_tokens = 0;
  std::uint64_t encoded_images = 0, reused_images = 0;
  std::uint64_t preemptions = 0;      ///< answers that gave up their blocks
};

/// Answers requests together; see the top of this file. Any thread may call its members.
class engine {
 public:
  /// `model` outlives it. Its limits are final.
  explicit engine(const opened_model& model);
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
  using row = answer_stream::row;
  friend answer_stream;

  /// Runs a step on this thread, unless another thread runs one. Returns whether it did.
  bool lead();
  bool leads_here() const;
  /// Tells the waiting threads that there is news, or that nobody runs a step.
  void announce();
  void remove(row& r);

  // Of the thread that runs a step (engine_step_inl.hpp):
  void step();
  void end_cancelled();
  /// Lets requests begin while the cache has room for their prompts.
  void admit();
  /// Encodes the first image that an admitted row needs. Returns false if there is none.
  bool encode();
  /// Chooses the rows of the next step and reserves cache for their tokens. Decode rows come first, one token each;
  /// prompts share the remaining rows. Returns false if there are none.
  bool choose_parts(bool decode_only);
  /// Makes room when no row can continue: the last row gives up its blocks, or the only row that has blocks ends.
  /// Returns false if no row is left.
  bool make_room();
  void run_chosen();
  void push(row& r, const step_results& drawn, std::size_t i);
  void end(row& r, finish_reason why);
  void fail_row(row& r, error e);
  void close(row& r);

  const opened_model& model_;
  mutable std::mutex mutex_;
  std::atomic<unsigned> turn_{0};  // changes with every news
  // Under the mutex:
  std::list<std::shared_ptr<row>> submitted_;
  const void* leader_ = nullptr;  // identifies the thread that runs a step
  int alive_ = 0;                 // requests that have not ended
  engine_counts counts_;
  // Of the thread that runs a step:
  std::list<std::shared_ptr<row>> rows_;  // in the order of submission
  std::vector<row*> chosen_;
  std::vector<step_part> parts_;      // of the chosen rows
  std::vector<row*> owners_;          // of each row of logits
  std::vector<generation*> drawing_;  // of each row of logits
  std::vector<kv_key> computed_;      // names of the blocks that the step begins with
  double seconds_of_row_ = 0;         // of a prompt, measured
  bool encoded_last_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/engine_inl.hpp>
#endif
