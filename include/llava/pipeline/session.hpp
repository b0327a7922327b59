// SPDX-License-Identifier: Apache-2.0
/// session: one conversation with a model: its turns, its images and videos. pipeline::session() makes one. Sessions
/// are cheap to make, fork and drop. The prompt is always the one that the reference builds from all turns. What the
/// model's caches hold of it is reused (pipeline/engine.hpp). Sessions that ask at the same time are answered together.
///
/// A call that fails or is cancelled leaves the conversation unchanged. So does an exception of a callback, which
/// passes through. One thread at a time may use a session. A text callback runs on the asking thread. It may not ask
/// the session that called it (errc::busy), nor move or destroy it; it may ask a fork.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/conversation_state.hpp>
#include <llava/generate/settings.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;
struct chat_prompt;

/// One conversation with a model.
class session {
 public:
  explicit session(std::shared_ptr<const opened_model> model) : model_(std::move(model)) {}

  generation_settings settings;  ///< for the next answers
  generation_hooks hooks;
  /// The adapter of the next answers, from load_adapter (pipeline/load_adapter.hpp), or null. With another one the next
  /// answer computes the conversation again, images included.
  std::shared_ptr<const llava::adapter> adapter;

  /// Asks a question about new images and the conversation so far. The question may place the images with `<image>` or
  /// `<image-placeholder>`; otherwise they come first, each on a line. In a question without images `<image>` is text.
  result<answer> try_ask(std::span<const image> images, std::string_view question, text_callback on_text = no_text);
  result<answer> try_ask(const image& img, std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(&img, 1), question, on_text);
  }
  result<answer> try_ask(std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(), question, on_text);
  }

  /// Asks a question about a new video, which takes the place of one image. If the model wants it
  /// (add_time_instruction), a sentence in front of the question states the times of the frames. Errors: the model
  /// takes no videos.
  result<answer> try_ask(const video& frames, std::string_view question, text_callback on_text = no_text);

  /// Asks for an answer that is a T, a struct with `fields`. Its JSON becomes a turn. Include
  /// llava/pipeline/ask_as.hpp. Errors: those of try_ask; the answer is cut off before its JSON is complete.
  template <class T>
  result<T> try_ask_as(std::span<const image> images, std::string_view question, text_callback on_text = no_text);
  template <class T>
  result<T> try_ask_as(const image& img, std::string_view question, text_callback on_text = no_text) {
    return try_ask_as<T>(std::span<const image>(&img, 1), question, on_text);
  }
  template <class T>
  result<T> try_ask_as(std::string_view question, text_callback on_text = no_text) {
    return try_ask_as<T>(std::span<const image>(), question, on_text);
  }

  /// Continues a prompt that the caller has written. The conversation's turns are unchanged.
  result<answer> try_generate(std::string_view prompt, std::span<const image> images, text_callback on_text = no_text);
  result<answer> try_generate(std::string_view prompt, const video& frames, text_callback on_text = no_text);

  /// Returns the logits (T, V) of every position of a prompt, image tokens included; for evaluation and comparison.
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> images);
  result<std::vector<float>> try_logits(std::string_view prompt, const video& frames);

  /// @name The conversation
  /// In a callback these exclude the question that is being answered.
  /// @{
  const conversation_state& save() const { return history_; }
  /// Errors: the turns do not have one `<image>` per image; then nothing changes.
  result<void> try_restore(conversation_state state);
  /// Forgets all but the first `turns` turns and their images.
  void truncate(std::size_t turns);
  /// Returns a conversation with the same history.
  session fork() const;
  /// @}

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
  template <class T>
  T ask_as(const image& img, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask_as<T>(img, question, on_text));
  }
  template <class T>
  T ask_as(std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask_as<T>(question, on_text));
  }
  void restore(conversation_state state) { value_or_throw(try_restore(std::move(state))); }
  /// @}
#endif

 private:
  /// Runs the guarded body of a call; an error if another call is running.
  template <class F>
  auto alone(F&& body) -> decltype(body());
  result<answer> ask_about(std::vector<visual> images, std::string_view question, text_callback on_text);
  result<answer> generate(const chat_prompt& prompt, std::vector<visual> images, text_callback on_text);
  result<std::vector<float>> logits(std::string_view prompt, std::vector<visual> images);

  std::shared_ptr<const opened_model> model_;
  conversation_state history_;
  bool busy_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/session_inl.hpp>
#endif
