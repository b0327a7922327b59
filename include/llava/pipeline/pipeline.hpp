// SPDX-License-Identifier: Apache-2.0
/// pipeline<M, B, P>: an opened model, on backend B, with weights by policy P. An immutable handle that is cheap to
/// copy; its const calls may come from any thread.
///
///   picture -> preprocess -> vit -> projector -> image tokens (P, D) -> splice -> step -> logits (V) -> token -> text
///
/// What a conversation is made of stands in session.hpp; several at a time in batch.hpp.
#pragma once
#include <memory>
#include <string>

#include <llava/base/guard.hpp>
#include <llava/base/path_view.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/sound.hpp>
#include <llava/pipeline/state.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

template <class M, class B, class P>
class session;
template <class M, class B, class P>
class batch;

/// An opened model; see the head of this file.
template <class M, class B, class P, bool Sound = detail::is_sound<M, B, P>()>
class pipeline {
 public:
  using state_type = pipeline_state<M, B, P>;

  /// Opens a folder. Errors: everything that is wrong with its files, at once where that is possible.
  static result<pipeline> try_open(path_view folder, const open_options& options, const B& backend = {}) {
    return guarded([&]() -> result<pipeline> {
      LLAVA_TRY(state, state_type::try_open(folder, options, backend));
      return pipeline(std::shared_ptr<state_type>(std::move(state)));
    });
  }

  /// What was opened: numbers, names, defaults.
  const model_description& description() const { return state_->opened.description; }
  const tokenizer& words() const { return state_->opened.words; }
  /// Positions that a conversation may have.
  int context() const { return state_->context; }

  /// The prompt that a first question about so many pictures becomes.
  result<std::string> try_prompt(std::size_t pictures, std::string_view question) const {
    return guarded([&]() -> result<std::string> {
      LLAVA_TRY(text, try_place_images(question, pictures, description().image_start_end));
      const message turns[] = {{role::user, std::move(text), static_cast<int>(pictures)}, {role::assistant, {}, 0}};
      return llava::try_prompt(state_->conversation, turns);
    });
  }

  llava::session<M, B, P> session() const { return llava::session<M, B, P>(*this); }
  llava::batch<M, B, P> batch() const { return llava::batch<M, B, P>(*this); }

  /// @name Stages
  /// Each stage's result in the program's memory, to be held against another program.
  /// @{

  /// The square picture that the tower sees.
  result<image> try_preprocess(const image& picture) const {
    return guarded([&] { return state_->try_square(picture); });
  }
  /// (3, S, S)
  result<std::vector<float>> try_pixels(const image& picture) const {
    return guarded([&]() -> result<std::vector<float>> {
      LLAVA_TRY(square, state_->try_square(picture));
      return pixel_values(square, normalise_table(description().image));
    });
  }
  /// (features, Dv): what the tower gives to the projector.
  result<std::vector<float>> try_features(const image& picture) const {
    return guarded([&]() -> result<std::vector<float>> {
      LLAVA_TRY(square, state_->try_square(picture));
      LLAVA_TRY(lent, state_->workspaces->try_lend());
      arena_scope scope(lent->queue.workspace());
      LLAVA_TRY(rows, llava::try_features(lent->queue, state_->stages, square.pixels(), [] { return true; }));
      std::vector<float> features(static_cast<std::size_t>(rows.size()));
      download(lent->queue, std::span<float>(features), rows);
      LLAVA_CHECK(lent->queue.finish());
      return features;
    });
  }
  /// The image tokens (rows, D), kept in the backend's memory.
  result<std::shared_ptr<const image_tokens>> try_encode(const image& picture, std::stop_token stop = {}) const {
    return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
      LLAVA_TRY(square, state_->try_square(picture));
      LLAVA_TRY(tokens, image_tokens::try_make(state_->backend.memory(), state_->image_rows,
                                               state_->stages.text->config().hidden));
      LLAVA_TRY(lent, state_->workspaces->try_lend());
      arena_scope scope(lent->queue.workspace());
      LLAVA_TRY(features, llava::try_features(lent->queue, state_->stages, square.pixels(),
                                              [&] { return !stop.stop_requested(); }));
      project(lent->queue, state_->stages, tokens.view(), features);
      LLAVA_CHECK(lent->queue.finish());
      return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
    });
  }
  /// (rows, D)
  result<std::vector<float>> try_image_tokens(const image& picture) const {
    return guarded([&]() -> result<std::vector<float>> {
      LLAVA_TRY(tokens, try_encode(picture));
      std::vector<float> values(static_cast<std::size_t>(tokens->rows) * static_cast<std::size_t>(tokens->width));
      LLAVA_TRY(lent, state_->workspaces->try_lend());
      download(lent->queue, std::span<float>(values), matrix_view<const float>(tokens->view()));
      LLAVA_CHECK(lent->queue.finish());
      return values;
    });
  }
  /// @}

  /// For session and batch.
  state_type& state() const { return *state_; }

 private:
  explicit pipeline(std::shared_ptr<state_type> s) : state_(std::move(s)) {}
  std::shared_ptr<state_type> state_;
};

/// What stands for a pipeline that cannot be made, so that the lines after its one error add none.
template <class M, class B, class P>
class pipeline<M, B, P, false> {
 public:
  /// Answers every call with nothing.
  struct broken {
    generation_settings settings;
    generation_hooks hooks;
    template <class... A>
    answer ask(A&&...) {
      return {};
    }
    template <class... A>
    result<answer> try_ask(A&&...) {
      return answer{};
    }
    template <class... A>
    result<answer> try_generate(A&&...) {
      return answer{};
    }
    template <class... A>
    result<std::vector<float>> try_logits(A&&...) {
      return std::vector<float>{};
    }
    broken fork() const { return {}; }
  };
  static result<pipeline> try_open(path_view, const open_options&, const B& = {}) { return pipeline(); }
  broken session() const { return {}; }
  broken batch() const { return {}; }
};

LLAVA_END
