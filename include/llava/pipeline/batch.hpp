// SPDX-License-Identifier: Apache-2.0
/// batch: generates several answers at the same time. Each step takes decode rows of the running answers and prompt
/// chunks of the new ones, together at most max_batch_tokens rows and max_sequences sequences. An answer is byte for
/// byte the one that its prompt gets alone (R14).
///
/// All answers share the model's KV cache. A finished answer releases its blocks. An answer without room waits while
/// others continue. If none can continue, the answer that was added last releases its blocks and is computed again
/// later, with the same bytes. So an answer ends early (finish_reason::context_full, with its text so far) only if all
/// blocks that are not used outside the batch are too few for it alone.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/image.hpp>
#include <llava/image/video.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;
class generation;

/// Prompts that are answered together, each as it would be alone. One thread at a time may use a batch, and its own
/// callbacks may not (errc::busy). An exception of a callback passes through; the next step continues.
class batch {
 public:
  explicit batch(std::shared_ptr<const opened_model> model);
  batch(batch&&) noexcept;
  /// Releases its own answers before it takes the other's.
  batch& operator=(batch&& other) noexcept;
  ~batch();

  /// Adds the text of a prompt and returns its index. The next step begins its answer. Each prompt may have its own
  /// adapter (pipeline/load_adapter.hpp).
  result<std::size_t> try_add(std::string_view prompt, std::span<const image> images,
                              const generation_settings& settings = {}, const generation_hooks& hooks = {},
                              std::shared_ptr<const llava::adapter> adapter = {});
  /// The same with a video, which takes the place of one image. Errors: the model takes no videos.
  result<std::size_t> try_add(std::string_view prompt, const video& frames, const generation_settings& settings = {},
                              const generation_hooks& hooks = {}, std::shared_ptr<const llava::adapter> adapter = {});

  /// Runs one step for as many answers as fit. Returns false when every answer is finished. An answer whose stop was
  /// requested ends with its text so far. A step is interrupted only if all its answers are to stop.
  result<bool> try_step();

  /// Runs steps until every answer is finished. Returns an answer or an error for each prompt, in the order of adding.
  /// Errors: those of a step, which concern the whole batch; the next call continues.
  result<std::vector<result<answer>>> try_run();

 private:
  struct row;

  template <class F>
  auto alone(F&& body) -> decltype(body());
  result<std::size_t> add(std::string_view prompt, std::vector<visual> images, const generation_settings& settings,
                          const generation_hooks& hooks, std::shared_ptr<const llava::adapter> adapter);
  result<bool> step();
  /// Chooses the rows of the next step and reserves cache for their tokens. Decode rows come first, one token each;
  /// prompts share the remaining rows. Returns false if there are none.
  bool choose_parts();
  /// Makes room when no row can continue: releases the blocks of the last row, or ends the only row that has blocks.
  /// Returns false when all are finished.
  bool make_room();

  std::shared_ptr<const opened_model> model_;
  std::vector<std::unique_ptr<row>> rows_;
  // The current step:
  std::vector<row*> chosen_;
  std::vector<step_part> parts_;      // of the chosen rows
  std::vector<row*> owners_;          // of each row of logits
  std::vector<generation*> drawing_;  // of each row of logits
  bool busy_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/batch_inl.hpp>
#endif
