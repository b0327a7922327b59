// SPDX-License-Identifier: Apache-2.0
/// pipeline<M, B, P>: an opened model of type M, on backend B, with weight policy P. It is an immutable handle and
/// cheap to copy. Any thread may call its const members.
///
///   image -> preprocess -> vit -> projector -> image tokens (P, D) -> splice -> step -> logits (V) -> token -> text
///
/// session.hpp has conversations, batch.hpp several answers at a time.
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

/// An opened model; see the top of this file.
template <class M, class B, class P, bool Sound = detail::is_sound<M, B, P>()>
class pipeline {
 public:
  using state_type = pipeline_state<M, B, P>;

  /// Opens a folder. Errors: all problems of its files, together if possible.
  static result<pipeline> try_open(path_view folder, const open_options& options, const B& backend = {}) {
    return guarded([&]() -> result<pipeline> {
      LLAVA_TRY(state, state_type::try_open(folder, options, backend));
      return pipeline(std::shared_ptr<state_type>(std::move(state)));
    });
  }

  /// Describes the model: configuration, names, defaults.
  const model_description& description() const { return state_->opened.description; }
  const llava::tokenizer& tokenizer() const { return state_->opened.tokenizer; }
  /// Tokens of the longest conversation.
  int context() const { return state_->context; }

  /// Returns the prompt of a first question about `images` images.
  result<std::string> try_prompt(std::size_t images, std::string_view question) const {
    return state_->try_first_prompt(images, question);
  }

  llava::session session() const { return llava::session(state_); }
  llava::batch batch() const { return llava::batch(state_); }

  /// Returns the number of image tokens of an image of width × height pixels. Nothing is computed for it.
  result<int> try_count_image_tokens(int width, int height) const {
    LLAVA_TRY(plan, state_->try_plan(width, height));
    return plan.tokens;
  }

  /// Returns the number of image tokens of a video. Errors: the model takes no videos.
  result<int> try_count_image_tokens(const video& v) const {
    LLAVA_TRY(plan, state_->try_plan(v));
    return plan.tokens;
  }

  /// Writes the named blocks of the KV cache to open_options::cache_folder, so that the next start finds them: for the
  /// end of a program. Answers may be running. Errors: there is no such folder; those of the system, a full disk among
  /// them.
  result<void> try_keep_cache() const { return state_->try_keep_cache(); }

  /// @name Stages
  /// The results of each stage in host memory, for comparison with another program.
  /// @{

  /// Returns the n squares of the image, the tower's input. n is 1 unless the model takes any resolution.
  result<std::vector<image>> try_preprocess(const image& img) const { return state_->try_squares(img); }
  /// Returns the normalised pixels (n, 3, S, S).
  result<std::vector<float>> try_pixels(const image& img) const { return state_->try_pixels(img); }
  /// Computes the features (n, features, Dv), the projector's input.
  result<std::vector<float>> try_features(const image& img) const { return state_->try_features_of(img); }
  /// Computes the image tokens (T, D) in the backend's memory.
  result<std::shared_ptr<const image_tokens>> try_encode(const image& img, const stop_signal& stop = {}) const {
    return state_->try_encode_image(img, [&] { return !stop.stop_requested(); });
  }
  /// Computes the image tokens (T, D).
  result<std::vector<float>> try_image_tokens(const image& img) const { return state_->try_image_tokens(img); }
  /// Computes the image tokens (T, D) of a video.
  result<std::vector<float>> try_image_tokens(const video& v) const { return state_->try_image_tokens(v); }
  /// @}

  /// The state, for callers that run the stages themselves.
  state_type& state() const { return *state_; }
  /// The opened model, without its types.
  std::shared_ptr<const opened_model> shared() const { return state_; }

 private:
  explicit pipeline(std::shared_ptr<state_type> s) : state_(std::move(s)) {}
  std::shared_ptr<state_type> state_;
};

/// Replaces an invalid pipeline, so that its uses add no errors to the one static_assert.
template <class M, class B, class P>
class pipeline<M, B, P, false> {
 public:
  /// Returns an empty value from every call.
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
