// SPDX-License-Identifier: Apache-2.0
/// dialogue: the conversation of `llava chat` and what can be done with it: ask, take back, ask again, save, load. It
/// stands on llava::session, so that each turn computes only what is new.
#pragma once
#include <llava/chat_model.hpp>
#include <llava/pipeline/session.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "given_image.hpp"

/// How answers are drawn, and what the model is called.
struct dialogue_settings {
  llava::generation_settings generation;
  std::string model_name;
};

/// A conversation. A call that fails changes nothing.
class dialogue {
 public:
  dialogue(const llava::chat_model& model, dialogue_settings settings);

  /// Reads an image for the next question. Returns it.
  llava::result<const given_image*> try_attach(const std::string& place);
  const std::vector<given_image>& attached() const { return attached_; }
  /// Forgets the images of the next question, but for the first `kept`.
  void detach_after(std::size_t kept) { attached_.resize(std::min(kept, attached_.size())); }

  /// Asks about the attached images, which then belong to the question. An answer that was stopped
  /// (finish_reason::cancelled) is kept as far as it came; errc::cancelled: it had no text yet.
  llava::result<llava::answer> try_ask(std::string_view question, llava::text_callback on_text);
  /// Asks the last question again, with the next seed.
  llava::result<llava::answer> try_ask_again(llava::text_callback on_text);
  /// Forgets the last question and its answer. Errors: there is none.
  llava::result<void> try_undo();
  /// Forgets all questions, answers and attached images.
  void clear();
  /// Sets the system text; empty: the template's.
  llava::result<void> try_set_system(std::string_view text);

  /// Writes the conversation, with its images, as JSON: a new file, or one that this program has written, which is
  /// replaced by a complete one.
  llava::result<void> try_save(const std::string& file) const;
  /// Replaces the conversation by a saved one.
  llava::result<void> try_load(const std::string& file);

  /// Questions and answers, without the system text.
  std::size_t turns() const;
  const llava::conversation_state& state() const { return session_.save(); }
  /// The prompt of the last answer, and the answer with its special tokens.
  llava::result<std::string> try_last_prompt() const;
  std::string with_special_tokens(const llava::answer& a) const { return model_.decode(a.tokens, false); }

 private:
  bool has_system() const;
  llava::result<llava::answer> try_ask_about(const std::vector<llava::image>& images, std::string_view question,
                                             llava::text_callback on_text);
  bool start_end() const;

  llava::chat_model model_;
  dialogue_settings settings_;
  llava::session session_;
  std::vector<given_image> attached_;
  std::vector<given_image> images_;  // those of the conversation, in the order of state().images; without pixels
};
