// SPDX-License-Identifier: Apache-2.0
/// scheduler: chooses what the next step of a model computes and for which requests, and runs it. The engine
/// (pipeline/engine.hpp) says what it promises, and lets one thread at a time into step().
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/generate/settings.hpp>
#include <llava/llm/block_allocator.hpp>
#include <llava/pipeline/step_in_flight.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/pipeline/step_request.hpp>
#include <llava/pipeline/workspace.hpp>

LLAVA_BEGIN

struct answer_row;
class opened_model;

/// The state of an engine for its model's metrics.
struct engine_counts {
  int waiting = 0, running = 0;  ///< requests
  std::uint64_t steps = 0;       ///< of the language model
  std::uint64_t prompt_tokens = 0, reused_tokens = 0, new_tokens = 0;
  std::uint64_t encoded_images = 0, reused_images = 0;
  std::uint64_t preemptions = 0;  ///< answers that gave up their blocks
};

/// The requests of an engine; see the top of this file.
class scheduler {
 public:
  using row_list = std::list<std::shared_ptr<answer_row>>;

  /// `model` outlives it. The engine's mutex guards what askers read of a row.
  scheduler(const opened_model& model, std::mutex& mutex);
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;
  ~scheduler() { drain(); }

  /// @name With the mutex locked
  /// @{

  /// Moves a row from a list to the requests.
  void submit(row_list& row);
  /// Moves a row to `over`. Not while a step runs.
  void remove(const answer_row& r, row_list& over);
  /// Before and after step(). `over` receives the rows that have ended, to be destroyed without the mutex.
  void begin() { rows_.splice(rows_.end(), submitted_); }
  void finish(row_list& over);
  /// Number of requests that have not ended.
  int alive() const { return alive_; }
  const engine_counts& counts() const { return counts_; }
  /// @}

  /// Finishes one step of the language model, or encodes an image. The next step may already compute when it returns.
  /// `announce` is called when rows have news in between.
  void step(function_ref<void()> announce);

 private:
  static constexpr std::size_t rows_that_guess = 4;

  void end_cancelled();
  /// Takes the next tokens of a row from the KV cache, or from the disk.
  void reuse(answer_row& r);
  /// Lets requests begin while the cache has room for their prompts.
  void admit();
  /// Encodes the first image that an admitted row needs. Returns false if there is none.
  bool encode(function_ref<void()> announce);
  /// Chooses the rows of the next step and reserves cache for their tokens. Decode rows come first, one token each;
  /// prompts share the remaining rows. Returns false if there are none.
  bool choose_parts(bool decode_only);
  /// Makes room when no row can continue: the last row gives up its blocks, or the only row that has blocks ends.
  /// Returns false if no row is left.
  bool make_room();
  /// Begins the chosen step, and finishes it.
  void run_chosen();
  /// Finishes the step in flight. Before that it begins the next one, if all rows can run ahead.
  void advance();
  /// Begins the step behind the one in flight. Returns false if it must wait.
  bool run_ahead();
  /// Takes the results of the step in flight.
  result<void> take_results();
  /// Waits for what is in flight, and drops it.
  void drain();
  /// Takes the tokens drawn for a row: those that were guessed right, and the one after them. i: its first row.
  void push(answer_row& r, const step_results& drawn, std::size_t i);
  void push_one(answer_row& r, const step_results& drawn, std::size_t i, bool is_new);
  /// Ends the rows of the step in flight with this error, unless it is errc::cancelled, and drops the step.
  void fail_flight(const error& e);
  void end(answer_row& r, finish_reason why);
  void fail_row(answer_row& r, error e);
  void close(answer_row& r);

  const opened_model& model_;
  std::mutex& mutex_;
  // Under the mutex:
  row_list submitted_;
  int alive_ = 0;
  engine_counts counts_;
  // Of the thread that runs a step, or, if none does, under the mutex:
  row_list rows_;  // in the order of submission
  std::vector<answer_row*> chosen_;
  std::vector<step_part> parts_;    // of the chosen rows
  std::vector<drawn_row> drawing_;  // the rows of logits
  std::vector<kv_key> computed_;    // names of the blocks that the step begins with
  double seconds_of_row_ = 0;       // of a prompt, measured
  bool encoded_last_ = false;
  std::optional<workspace_pool::lease> lent_;  // while a step is in flight
  step_in_flight flight_, ahead_;              // the older and the newer one; empty if there is none
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/scheduler_inl.hpp>
#include <llava/pipeline/scheduler_steps_inl.hpp>
#endif
