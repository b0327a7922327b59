// SPDX-License-Identifier: Apache-2.0
/// batch: generates several answers at the same time, for a program of one thread. The model's engine
/// (pipeline/engine.hpp) computes them, together with those of its sessions. An answer is byte for byte the one that
/// its prompt gets alone (R14).
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/image.hpp>
#include <llava/image/visual.hpp>
#include <llava/pipeline/engine.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;

/// Prompts that are answered together, each as it would be alone. One thread at a time may use a batch, and its own
/// callbacks may not (errc::busy). An exception of on_logits passes through and ends its answer (errc::cancelled).
class batch {
 public:
  explicit batch(std::shared_ptr<const opened_model> model) : model_(std::move(model)) {}

  /// Adds the text of a prompt and returns its index. The next step begins its answer. Each prompt may have its own
  /// adapter (pipeline/load_adapter.hpp).
  result<std::size_t> try_add(std::string_view prompt, std::span<const image> images,
                              const generation_settings& settings = {}, const generation_hooks& hooks = {},
                              std::shared_ptr<const llava::adapter> adapter = {});
  /// The same with a video, which takes the place of one image. Errors: the model takes no videos.
  result<std::size_t> try_add(std::string_view prompt, const video& frames, const generation_settings& settings = {},
                              const generation_hooks& hooks = {}, std::shared_ptr<const llava::adapter> adapter = {});

  /// Receives the index of a prompt and new text of its answer.
  using text_of_answer = function_ref<void(std::size_t, std::string_view)>;
  static constexpr auto no_text_of_answers = [](std::size_t, std::string_view) {};

  /// Runs one step for as many answers as fit. Returns false when every answer is finished. An answer whose stop was
  /// requested ends with its text so far. A step is interrupted only if all its answers are to stop.
  result<bool> try_step(text_of_answer on_text = no_text_of_answers);

  /// Runs steps until every answer is finished. Returns an answer or an error for each prompt, in the order of adding,
  /// and forgets them.
  result<std::vector<result<answer>>> try_run(text_of_answer on_text = no_text_of_answers);

 private:
  struct row {
    answer_stream stream;
    std::optional<error> failed{};  // replaces the answer
    bool ended = false;
  };

  template <class F>
  auto alone(F&& body) -> decltype(body());
  result<std::size_t> add(std::string_view prompt, std::vector<visual> images, const generation_settings& settings,
                          const generation_hooks& hooks, std::shared_ptr<const llava::adapter> adapter);
  result<bool> step(text_of_answer on_text);

  std::shared_ptr<const opened_model> model_;
  std::vector<row> rows_;
  bool busy_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/batch_inl.hpp>
#endif
