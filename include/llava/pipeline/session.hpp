// SPDX-License-Identifier: Apache-2.0
/// session<M, B, P>: one conversation with a model: its turns, its pictures, its part of the KV cache. Made by
/// pipeline::session(), cheap to make, fork and drop. The prompt is always the one that the reference builds from all
/// turns; what of it was computed before is reused.
///
/// A call that fails or is cancelled leaves the conversation as it was. One session is used by one thread at a time.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/pipeline.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/sequence.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

/// Takes text as it comes, in whole UTF-8 characters.
using text_callback = function_ref<void(std::string_view)>;
/// For whoever waits for the whole answer.
inline constexpr auto no_text = [](std::string_view) {};

/// The turns of a conversation and its pictures: what save() gives and restore() takes.
struct conversation_state {
  std::vector<message> turns;   ///< user, assistant, user, … texts hold one `<image>` per picture
  std::vector<image> pictures;  ///< in the order of these
};

/// One conversation with a model.
template <class M, class B, class P>
class session {
 public:
  explicit session(pipeline<M, B, P> model) : model_(std::move(model)), sequence_(*model_.state().blocks) {}

  generation_settings settings;  ///< of the next answers
  generation_hooks hooks;

  /// Asks about new pictures, and all that came before. The question may place them with `<image>` or
  /// `<image-placeholder>`; otherwise they come first, each on a line.
  result<answer> try_ask(std::span<const image> pictures, std::string_view question, text_callback on_text = no_text) {
    LLAVA_TRY(text, try_place_images(question, pictures.size(), model_.description().image_start_end));
    conversation_state next = history_;
    next.turns.push_back({role::user, std::move(text)});
    next.pictures.insert(next.pictures.end(), pictures.begin(), pictures.end());
    next.turns.push_back({role::assistant, std::string()});  // to be answered
    LLAVA_TRY(done, try_generate(llava::prompt(model_.state().conversation, next.turns), next.pictures, on_text));
    next.turns.back().text = done.text;
    history_ = std::move(next);
    return std::move(done);
  }
  result<answer> try_ask(const image& picture, std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(&picture, 1), question, on_text);
  }
  result<answer> try_ask(std::string_view question, text_callback on_text = no_text) {
    return try_ask(std::span<const image>(), question, on_text);
  }

  /// Continues a prompt that the caller has written himself; the conversation's turns are not touched.
  result<answer> try_generate(std::string_view prompt, std::span<const image> pictures,
                              text_callback on_text = no_text) {
    LLAVA_CHECK(try_set_prompt(prompt, pictures));
    auto& state = model_.state();
    generation g(model_.words(), model_.description().eos, settings, hooks);
    g.result().prompt_tokens = static_cast<int>(sequence_.tokens.size());
    g.result().reused_tokens = sequence_.cache.tokens();
    const std::size_t most =
        std::min(sequence_.tokens.size() + static_cast<std::size_t>(std::max(settings.max_new_tokens, 0)),
                 static_cast<std::size_t>(model_.context()) + 1);
    sequence_.tokens.reserve(most);
    sequence_.cache.expect(static_cast<int>(most));
    LLAVA_TRY(lent, state.workspaces->try_lend());
    std::vector<float> logits(g.wants_logits() ? static_cast<std::size_t>(state.decoder_->vocab()) : 0);
    while (!g.done()) {
      LLAVA_TRY(token, try_next(*lent, g, logits));
      on_text(g.push(token, logits));
      sequence_.tokens.push_back({token, 0});
      if (!g.done() && static_cast<int>(sequence_.tokens.size()) > model_.context()) g.end(finish_reason::context_full);
    }
    on_text(g.finish());
    g.result().text = std::string(trimmed(g.result().text));
    return std::move(g.result());
  }

  /// Logits of every position of a prompt, (T, V), T with pictures: what evaluation and comparison need.
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> pictures) {
    LLAVA_CHECK(try_set_prompt(prompt, pictures));
    auto& state = model_.state();
    sequence_.cache.truncate(0);
    std::vector<float> all;
    LLAVA_TRY(lent, state.workspaces->try_lend());
    while (sequence_.pending() > 0) {
      const std::size_t rows = std::min(sequence_.pending(), static_cast<std::size_t>(state.limits.logit_rows));
      step_part<B> part = sequence_.next(rows, static_cast<int>(rows));
      part.logit_rows = static_cast<int>(rows);
      LLAVA_CHECK(try_step(*lent, part, [&](auto& q, matrix_view<float> logits) {
        const std::size_t at = all.size();
        all.resize(at + static_cast<std::size_t>(logits.size()));
        download(q, std::span<float>(all).subspan(at), matrix_view<const float>(logits));
      }));
    }
    return all;
  }

  /// For batch: takes a prompt without computing it; its number of tokens.
  result<std::size_t> try_prepare(std::string_view prompt, std::span<const image> pictures) {
    LLAVA_CHECK(try_set_prompt(prompt, pictures));
    return sequence_.tokens.size();
  }
  sequence<B>& tokens() { return sequence_; }

  /// @name The conversation
  /// @{
  const conversation_state& save() const { return history_; }
  void restore(conversation_state state) { history_ = std::move(state); }
  /// Forgets all but the first `turns` turns and their pictures.
  void truncate(std::size_t turns) {
    if (turns >= history_.turns.size()) return;
    std::size_t pictures = 0;
    for (std::size_t i = 0; i < turns; ++i)
      pictures += static_cast<std::size_t>(count_image_markers(history_.turns[i].text));
    history_.turns.resize(turns);
    history_.pictures.resize(std::min(pictures, history_.pictures.size()));
  }
  /// Another conversation with the same past; what both have in common is computed and kept once.
  session fork() const {
    session other(model_, sequence_.fork());
    other.history_ = history_;
    other.settings = settings;
    other.hooks = hooks;
    return other;
  }
  /// @}

#if LLAVA_EXCEPTIONS
  /// The same, throwing llava::error.
  /// @{
  answer ask(std::span<const image> pictures, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(pictures, question, on_text));
  }
  answer ask(const image& picture, std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(picture, question, on_text));
  }
  answer ask(std::string_view question, text_callback on_text = no_text) {
    return value_or_throw(try_ask(question, on_text));
  }
  /// @}
#endif

 private:
  session(pipeline<M, B, P> model, sequence<B> tokens) : model_(std::move(model)), sequence_(std::move(tokens)) {}

  /// Tokens and pictures of a prompt become the sequence's, keeping what is common.
  result<void> try_set_prompt(std::string_view prompt, std::span<const image> pictures) {
    std::vector<std::shared_ptr<const image_tokens<B>>> images;
    std::vector<int> rows;
    std::size_t same = 0;  // leading pictures that are those of before
    for (const image& picture : pictures) {
      if (same == images.size() && same < sequence_.pictures.size() && sequence_.pictures[same] == picture) {
        images.push_back(sequence_.images[same++]);
      } else {
        LLAVA_TRY(tokens, model_.try_encode(picture, hooks.stop));
        images.push_back(std::move(tokens));
      }
      rows.push_back(images.back()->rows);
    }
    const model_description& d = model_.description();
    const std::int32_t marker = d.names == naming::llava_hf ? d.image_token : image_token_index;
    LLAVA_TRY(tokens, try_splice(prompt_ids(model_.words(), d, prompt, !pictures.empty()), marker, rows));
    if (tokens.empty()) return fail(errc::invalid_argument, "llava: the prompt is empty");
    if (static_cast<int>(tokens.size()) > model_.context())
      return fail(errc::context_full, text_of("llava: the prompt has ", tokens.size(),
                                              " tokens, pictures included; the context holds ", model_.context()));
    // A different picture in the same place has the same tokens: what follows it is not common.
    for (std::size_t i = 0; i < sequence_.tokens.size(); ++i)
      if (sequence_.tokens[i].is_image() && static_cast<std::size_t>(sequence_.tokens[i].image()) >= same) {
        sequence_.cache.truncate(std::min(sequence_.cache.tokens(), static_cast<int>(i)));
        break;
      }
    sequence_.replace(std::move(tokens));
    sequence_.pictures.assign(pictures.begin(), pictures.end());
    sequence_.images = std::move(images);
    return {};
  }

  template <class Finish>
  result<void> try_step(workspace<B>& w, const step_part<B>& part, Finish&& finish) {
    auto& state = model_.state();
    LLAVA_CHECK(part.cache->try_reserve(part.cache->tokens() + static_cast<int>(part.tokens.size())));
    const auto go_on = [&] { return !hooks.stop.stop_requested(); };
    if (!run_step(w.queue, *state.decoder_, state.cache, w.staging, std::span<const step_part<B>>(&part, 1), go_on,
                  finish))
      return fail(errc::cancelled, "llava: the question was cancelled");
    return {};
  }

  /// Computes what is pending and draws the next token.
  result<std::int32_t> try_next(workspace<B>& w, const generation& g, std::span<float> logits) {
    std::int32_t token = 0;
    while (sequence_.pending() > 0) {
      const step_part<B> part = sequence_.next(static_cast<std::size_t>(model_.state().limits.tokens), 1);
      LLAVA_CHECK(try_step(w, part, [&](auto& q, matrix_view<float> rows) {
        const generation* one[] = {&g};
        draw_tokens(q, rows, std::span<const generation* const>(one), logits, std::span<std::int32_t>(&token, 1));
      }));
    }
    return token;
  }

  pipeline<M, B, P> model_;
  sequence<B> sequence_;
  conversation_state history_;
};

LLAVA_END
