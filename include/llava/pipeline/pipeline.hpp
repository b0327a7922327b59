// SPDX-License-Identifier: Apache-2.0
/// pipeline<M, B, P>: an opened model, on backend B, with weights by policy P. An immutable handle that is cheap to
/// copy; its const calls may come from any thread.
///
///   image -> preprocess -> vit -> projector -> image tokens (P, D) -> splice -> step -> logits (V) -> token -> text
///
/// What a conversation is made of stands in session.hpp; several at a time in batch.hpp.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/base/path_view.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/batch.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/session.hpp>
#include <llava/pipeline/sound.hpp>
#include <llava/pipeline/state.hpp>

LLAVA_BEGIN

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
  const llava::tokenizer& tokenizer() const { return state_->opened.tokenizer; }
  /// Positions that a conversation may have.
  int context() const { return state_->context; }

  /// The prompt that a first question about so many images becomes.
  result<std::string> try_prompt(std::size_t images, std::string_view question) const {
    return state_->try_first_prompt(images, question);
  }

  llava::session session() const { return llava::session(state_); }
  llava::batch batch() const { return llava::batch(state_); }

  /// @name Stages
  /// Each stage's result in the program's memory, to be held against another program.
  /// @{

  /// The square image that the tower sees.
  result<image> try_preprocess(const image& img) const { return state_->try_square(img); }
  /// (3, S, S)
  result<std::vector<float>> try_pixels(const image& img) const { return state_->try_pixels(img); }
  /// (features, Dv): what the tower gives to the projector.
  result<std::vector<float>> try_features(const image& img) const { return state_->try_features_of(img); }
  /// The image tokens (rows, D), kept in the backend's memory.
  result<std::shared_ptr<const image_tokens>> try_encode(const image& img, const stop_signal& stop = {}) const {
    return state_->try_encode_image(img, stop);
  }
  /// (rows, D)
  result<std::vector<float>> try_image_tokens(const image& img) const { return state_->try_image_tokens(img); }
  /// @}

  /// For whoever drives the stages himself.
  state_type& state() const { return *state_; }
  /// The same without its types.
  std::shared_ptr<const opened_model> shared() const { return state_; }

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
