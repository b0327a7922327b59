// SPDX-License-Identifier: Apache-2.0
/// chat_model and chat_session: any opened pipeline behind a virtual interface, for code that only calls a model. This
/// header parses in a fraction of the time of llava.hpp. One other translation unit opens the model:
///   llava::result<llava::chat_model> m = llava::try_open_erased<llava::any, llava::simd, llava::f16>(folder, {});
/// (llava/pipeline/erase.hpp, or llava_instantiate() in CMake).
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/conversation_state.hpp>
#include <llava/generate/settings.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;

/// The extents of the stages' outputs.
struct stage_shapes {
  int image = 0;          ///< side S of a square
  int features = 0;       ///< rows of the tower's features of a square
  int vision_hidden = 0;  ///< Dv, times the number of selected layers
  int image_tokens = 0;   ///< rows of the projector's output for a square
  int hidden = 0;         ///< D
};

/// The conversation template and the generation defaults of an opened model.
struct chat_description {
  std::string conversation;         ///< name of the conversation template; "chat_template" is the folder's own
  std::string conversation_reason;  ///< why it was chosen
  bool conversation_guessed = false;
  generation_rules generation;  ///< defaults of settings that a session leaves unset
  bool has_video = false;       ///< the model takes videos
  bool force_sample = false;    ///< `uniform` of try_sample_frames, for this model
};

namespace detail {
struct erased_session {
  virtual ~erased_session() = default;
  /// Sets what the next calls use.
  virtual void set(const generation_settings&, const generation_hooks&, const std::shared_ptr<const adapter>&) = 0;
  virtual result<answer> try_ask(std::span<const image>, std::string_view, text_callback) = 0;
  virtual result<answer> try_ask(const video&, std::string_view, text_callback) = 0;
  virtual result<answer> try_generate(std::string_view, std::span<const image>, text_callback) = 0;
  virtual result<std::vector<float>> try_logits(std::string_view, std::span<const image>) = 0;
  virtual const conversation_state& save() const = 0;
  virtual result<void> try_restore(conversation_state) = 0;
  virtual void truncate(std::size_t) = 0;
  virtual std::unique_ptr<erased_session> fork() const = 0;
};
struct erased_model {
  virtual ~erased_model() = default;
  virtual std::unique_ptr<erased_session> session() const = 0;
  virtual result<std::shared_ptr<const adapter>> try_load_adapter(std::string_view) const = 0;
  virtual result<std::string> try_prompt(std::span<const image>, std::string_view) const = 0;
  virtual std::vector<std::int32_t> encode(std::string_view, bool) const = 0;
  virtual std::string decode(std::span<const std::int32_t>, bool) const = 0;
  virtual result<int> try_count_image_tokens(int, int) const = 0;
  virtual result<void> try_keep_cache() const = 0;
  virtual result<std::vector<float>> try_pixels(const image&) const = 0;
  virtual result<std::vector<float>> try_features(const image&) const = 0;
  virtual result<std::vector<float>> try_image_tokens(const image&) const = 0;
  virtual stage_shapes shapes() const = 0;
  virtual chat_description description() const = 0;
  virtual std::shared_ptr<const opened_model> shared() const = 0;
  virtual std::string_view backend() const = 0;
  virtual int vocab() const = 0;
};
}  // namespace detail

/// One conversation, with the interface of session. llava/pipeline/session.hpp documents each call.
class chat_session {
 public:
  explicit chat_session(std::unique_ptr<detail::erased_session> s) : session_(std::move(s)) {}

  generation_settings settings;
  generation_hooks hooks;
  std::shared_ptr<const llava::adapter> adapter;  ///< from chat_model::try_load_adapter, or null

  result<answer> try_ask(std::span<const image> images, std::string_view question, text_callback on_text = no_text) {
    return set().try_ask(images, question, on_text);
  }
  result<answer> try_ask(const image& img, std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(&img, 1), question, on_text);
  }
  result<answer> try_ask(std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(), question, on_text);
  }
  result<answer> try_ask(const video& frames, std::string_view question, text_callback on_text = no_text) {
    return set().try_ask(frames, question, on_text);
  }
  /// Continues the text of a prompt, without a conversation template.
  result<answer> try_generate(std::string_view prompt, std::span<const image> images, text_callback on_text = no_text) {
    return set().try_generate(prompt, images, on_text);
  }
  /// Returns the logits (T, V) of every position of a prompt.
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> images) {
    return set().try_logits(prompt, images);
  }
  const conversation_state& save() const { return session_->save(); }
  result<void> try_restore(conversation_state state) { return session_->try_restore(std::move(state)); }
  /// Forgets all but the first `turns` turns and their images.
  void truncate(std::size_t turns) { session_->truncate(turns); }
  chat_session fork() const {
    chat_session other(session_->fork());
    other.settings = settings;
    other.hooks = hooks;
    other.adapter = adapter;
    return other;
  }

#if LLAVA_EXCEPTIONS
  /// Throwing forms of the calls above; they throw llava::error.
  /// @{
  answer ask(std::span<const image> images, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(images, question, on_text));
  }
  answer ask(const image& img, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(img, question, on_text));
  }
  answer ask(std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(question, on_text));
  }
  answer ask(const video& frames, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(frames, question, on_text));
  }
  void restore(conversation_state state) { value_or_throw(try_restore(std::move(state))); }
  /// @}
#endif

 private:
  detail::erased_session& set() {
    session_->set(settings, hooks, adapter);
    return *session_;
  }

  std::unique_ptr<detail::erased_session> session_;
};

/// An opened model. It is cheap to copy. Any thread may call its const members.
class chat_model {
 public:
  explicit chat_model(std::shared_ptr<detail::erased_model> m) : model_(std::move(m)) {}

  chat_session session() const { return chat_session(model_->session()); }
  /// Loads a LoRA adapter that PEFT has saved, for any sessions of this model. Errors: those of
  /// pipeline/load_adapter.hpp, and that the model was not opened on a backend with adapters (backend/adapted.hpp).
  result<std::shared_ptr<const adapter>> try_load_adapter(std::string_view folder) const {
    return model_->try_load_adapter(folder);
  }
#if LLAVA_EXCEPTIONS
  /// The same, throwing llava::error.
  std::shared_ptr<const adapter> load_adapter(std::string_view folder) const {
    return value_or_throw(try_load_adapter(folder));
  }
#endif

  /// Returns the prompt of a first question.
  result<std::string> try_prompt(std::span<const image> images, std::string_view question) const {
    return model_->try_prompt(images, question);
  }
  /// Returns the reference's input_ids of a prompt, with one image token per image.
  std::vector<std::int32_t> encode(std::string_view prompt, bool has_images) const {
    return model_->encode(prompt, has_images);
  }
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const {
    return model_->decode(ids, skip_special);
  }
  /// Returns the number of image tokens of an image of width × height pixels. Nothing is computed for it.
  result<int> try_count_image_tokens(int width, int height) const {
    return model_->try_count_image_tokens(width, height);
  }
  /// Writes the named blocks of the KV cache to open_options::cache_folder; see pipeline.hpp.
  result<void> try_keep_cache() const { return model_->try_keep_cache(); }
  /// @name Stages: pixels (n, 3, S, S) of n squares, features (n, features, Dv), image tokens (T, D)
  /// @{
  result<std::vector<float>> try_pixels(const image& img) const { return model_->try_pixels(img); }
  result<std::vector<float>> try_features(const image& img) const { return model_->try_features(img); }
  result<std::vector<float>> try_image_tokens(const image& img) const { return model_->try_image_tokens(img); }
  stage_shapes shapes() const { return model_->shapes(); }
  /// @}
  chat_description description() const { return model_->description(); }
  /// The opened model, for programs that submit requests to its engine (pipeline/engine.hpp).
  std::shared_ptr<const opened_model> shared() const { return model_->shared(); }
  std::string_view backend() const { return model_->backend(); }
  int vocab() const { return model_->vocab(); }

 private:
  std::shared_ptr<detail::erased_model> model_;
};

LLAVA_END
