// SPDX-License-Identifier: Apache-2.0
/// batch: several answers at the same time. Each step takes decode rows of those that are answering and chunks
/// of prompts of those that are beginning, together at most max_batch_tokens rows and max_sequences sequences. An
/// answer is byte for byte the one that its question would get alone (R14).
///
/// All answers share the model's KV cache. One that is finished gives its part back. One for which there is no room
/// waits for those that go on; when none can, the one that was added last gives its part back and is computed again
/// later, with the same bytes. So an answer ends early (finish_reason::context_full, with what it has) only when it has
/// all that sessions outside the batch have left, and that is not enough.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/image.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

class opened_model;
class generation;

/// Questions that are answered together, each as it would be alone. Used by one thread at a time, and not by its own
/// callbacks (errc::busy). What a callback throws passes by; the next step goes on.
class batch {
 public:
  explicit batch(std::shared_ptr<const opened_model> model);
  batch(batch&&) noexcept;
  /// What it had is given back before it takes another's.
  batch& operator=(batch&& other) noexcept;
  ~batch();

  /// Adds a prompt as its text stands; returns its number. Its answer is begun by the next step.
  result<std::size_t> try_add(std::string_view prompt, std::span<const image> images,
                              const generation_settings& settings = {}, const generation_hooks& hooks = {});

  /// One step for as many as fit. False when every answer is finished. An answer whose stop was requested ends with
  /// what it has; a step is interrupted once that holds for all that are in it.
  result<bool> try_step();

  /// Steps until every answer is finished; answers, or what stands in their place, in the order of adding. Errors:
  /// those of a step, which are of the whole batch; the next call goes on.
  result<std::vector<result<answer>>> try_run();

 private:
  struct row;

  template <class F>
  auto alone(F&& body) -> decltype(body());
  result<bool> step();
  /// The rows of the next step, with room for their tokens. Those that answer come first, one token each; prompts share
  /// what is left. False when there is none.
  bool choose_parts();
  /// When no row can go on: takes the last one's part of the cache, or ends the only one that has a part. False when
  /// all are finished.
  bool make_room();

  std::shared_ptr<const opened_model> model_;
  std::vector<std::unique_ptr<row>> rows_;
  // Of the step:
  std::vector<row*> chosen_;
  std::vector<step_part> parts_;      // of the chosen
  std::vector<row*> owners_;          // of the rows of logits
  std::vector<generation*> drawing_;  // likewise
  bool busy_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/batch_inl.hpp>
#endif
