// SPDX-License-Identifier: Apache-2.0
/// session: one conversation with a model: its turns, its images, its part of the KV cache. Made by
/// pipeline::session(), cheap to make, fork and drop. The prompt is always the one that the reference builds from all
/// turns; what of it was computed before is reused.
///
/// A call that fails or is cancelled leaves the conversation as it was; so does what a callback throws, which passes
/// by. One session is used by one thread at a time. A callback may not ask the session that is answering it
/// (errc::busy), nor move or destroy it; it may ask a fork.
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
#include <llava/pipeline/sequence.hpp>

LLAVA_BEGIN

class opened_model;
class workspace;
class generation;

/// One conversation with a model.
class session {
 public:
  explicit session(std::shared_ptr<const opened_model> model);
  session(session&&) noexcept = default;
  /// What it had is given back before it takes another's.
  session& operator=(session&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }

  generation_settings settings;  ///< of the next answers
  generation_hooks hooks;

  /// Asks about new images, and all that came before. The question may place them with `<image>` or
  /// `<image-placeholder>`; otherwise they come first, each on a line.
  result<answer> try_ask(std::span<const image> images, std::string_view question, text_callback on_text = no_text);
  result<answer> try_ask(const image& img, std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(&img, 1), question, on_text);
  }
  result<answer> try_ask(std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(), question, on_text);
  }

  /// Continues a prompt that the caller has written himself; the conversation's turns are not touched.
  result<answer> try_generate(std::string_view prompt, std::span<const image> images, text_callback on_text = no_text);

  /// Logits of every position of a prompt, (T, V), T with images: what evaluation and comparison need.
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> images);

  /// For batch, inside its guard: takes a prompt without computing it; its number of tokens.
  result<std::size_t> try_prepare(std::string_view prompt, std::span<const image> images);
  sequence& tokens() { return sequence_; }

  /// @name The conversation
  /// Inside a callback these are about what came before the question that is being answered.
  /// @{
  const conversation_state& save() const { return history_; }
  /// Errors: turns in which not as many images stand as there are; nothing changes then.
  result<void> try_restore(conversation_state state);
  /// Forgets all but the first `turns` turns and their images.
  void truncate(std::size_t turns);
  /// Another conversation with the same past; what both have in common is computed and kept once.
  session fork() const;
  /// @}

#if LLAVA_EXCEPTIONS
  /// The same, throwing llava::error.
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
  void restore(conversation_state state) { value_or_throw(try_restore(std::move(state))); }
  /// @}
#endif

 private:
  session(std::shared_ptr<const opened_model> model, sequence tokens);

  /// The body of a question, guarded; an error when another is being answered.
  template <class F>
  auto alone(F&& body) -> decltype(body());
  result<answer> generate(std::string_view prompt, std::span<const image> images, text_callback on_text,
                          bool by_chat_template = false);
  result<std::vector<float>> logits(std::string_view prompt, std::span<const image> images);
  /// Tokens and images of a prompt become the sequence's, keeping what is common.
  result<void> try_set_prompt(std::string_view prompt, std::span<const image> images, bool by_chat_template = false);
  /// Computes what is pending and draws the next token.
  result<void> try_next(workspace& w, generation& g);

  std::shared_ptr<const opened_model> model_;
  sequence sequence_;
  conversation_state history_;
  bool busy_ = false;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/session_inl.hpp>
#endif
