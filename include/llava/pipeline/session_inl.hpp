// SPDX-License-Identifier: Apache-2.0
/// Definitions of session.hpp.
#pragma once
#include <algorithm>
#include <iterator>

#include <llava/base/guard.hpp>
#include <llava/generate/settings_inl.hpp>
#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/search_beams.hpp>
#include <llava/pipeline/sequence.hpp>
#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

template <class F>
auto session::alone(F&& body) -> decltype(body()) {
  const reentry_guard entered(busy_);
  if (!entered)
    return fail(errc::busy,
                "llava: this session was asked by a callback of its own answer; ask a fork() of it, or "
                "wait for the answer");
  return guarded(body);
}

LLAVA_INLINE result<answer> session::try_ask(std::span<const image> images, std::string_view question,
                                             text_callback on_text) {
  return alone([&] { return ask_about({images.begin(), images.end()}, question, on_text); });
}

LLAVA_INLINE result<answer> session::try_ask(const video& frames, std::string_view question, text_callback on_text) {
  return alone([&] {
    if (!model_->opened.description.video.time_instruction) return ask_about({visual(frames)}, question, on_text);
    return ask_about({visual(frames)}, time_instruction(frames).append("\n").append(question), on_text);
  });
}

LLAVA_INLINE result<answer> session::ask_about(std::vector<visual> images, std::string_view question,
                                               text_callback on_text) {
  LLAVA_TRY(text, try_place_images(question, images.size(), model_->opened.description.image_start_end));
  conversation_state next = history_;
  next.turns.push_back({role::user, std::move(text), static_cast<int>(images.size())});
  next.images.insert(next.images.end(), images.begin(), images.end());
  next.turns.push_back({role::assistant, std::string(), 0});  // to be answered
  LLAVA_TRY(prompt, try_chat_prompt(*model_, next.turns));
  LLAVA_TRY(done, generate(prompt, next.images, on_text));
  next.turns.back().text = done.text;
  // A callback may have truncated or replaced the history: the turn is appended to the current one.
  history_.turns.reserve(history_.turns.size() + 2);
  history_.images.reserve(history_.images.size() + images.size());
  std::move(next.turns.end() - 2, next.turns.end(), std::back_inserter(history_.turns));
  std::move(next.images.end() - static_cast<std::ptrdiff_t>(images.size()), next.images.end(),
            std::back_inserter(history_.images));
  return std::move(done);
}

LLAVA_INLINE result<answer> session::try_generate(std::string_view prompt, std::span<const image> images,
                                                  text_callback on_text) {
  return alone([&] { return generate({.text = std::string(prompt)}, {images.begin(), images.end()}, on_text); });
}
LLAVA_INLINE result<answer> session::try_generate(std::string_view prompt, const video& frames, text_callback on_text) {
  return alone([&] { return generate({.text = std::string(prompt)}, {visual(frames)}, on_text); });
}

LLAVA_INLINE result<std::vector<float>> session::try_logits(std::string_view prompt, std::span<const image> images) {
  return alone([&] { return logits(prompt, {images.begin(), images.end()}); });
}
LLAVA_INLINE result<std::vector<float>> session::try_logits(std::string_view prompt, const video& frames) {
  return alone([&] { return logits(prompt, {visual(frames)}); });
}

LLAVA_INLINE result<void> session::try_restore(conversation_state state) {
  std::size_t markers = 0;
  for (const message& turn : state.turns) markers += images_in(turn);
  if (markers != state.images.size())
    return fail(errc::mismatch,
                text_of("llava: the conversation to be restored has ", markers, " <image> for ", state.images.size(),
                        " images; a turn whose <image> is only text has images = 0"));
  history_ = std::move(state);
  return {};
}

LLAVA_INLINE void session::truncate(std::size_t turns) {
  if (turns >= history_.turns.size()) return;
  std::size_t images = 0;
  for (std::size_t i = 0; i < turns; ++i) images += images_in(history_.turns[i]);
  history_.turns.resize(turns);
  history_.images.resize((std::min)(images, history_.images.size()));
}

LLAVA_INLINE session session::fork() const {
  session other(model_);
  other.history_ = history_;
  other.settings = settings;
  other.hooks = hooks;
  other.adapter = adapter;
  return other;
}

LLAVA_INLINE result<answer> session::generate(const chat_prompt& prompt, std::vector<visual> images,
                                              text_callback on_text) {
  LLAVA_CHECK(try_check(settings, model_->opened.description.text.vocab));
  const stopwatch asked;
  LLAVA_TRY(prepared, try_prepare(*model_, prompt, std::move(images)));
  if (settings.num_beams > 1) {
    LLAVA_CHECK(model_->try_accept(adapter.get()));
    LLAVA_TRY(found, try_search_beams(*model_, std::move(prepared), settings, hooks, adapter.get(), asked.seconds()));
    call_back([&] { on_text(found.text); });
    return found;
  }
  LLAVA_TRY(stream, engine::try_submit(model_, {.prompt = std::move(prepared),
                                                .settings = settings,
                                                .hooks = hooks,
                                                .adapter = adapter,
                                                .prepared_in = asked.seconds()}));
  for (bool ended = false; !ended;) {
    LLAVA_TRY(news, stream.next());
    ended = news->ended;
    if (ended && stream.whole().reason == finish_reason::cancelled)
      return fail(errc::cancelled, "llava: the question was cancelled");
    call_back([&] { on_text(news->text); });
  }
  return std::move(stream.whole());
}

LLAVA_INLINE result<std::vector<float>> session::logits(std::string_view prompt, std::vector<visual> images) {
  LLAVA_CHECK(model_->try_accept(adapter.get()));
  LLAVA_TRY(prepared, try_prepare(*model_, prompt, std::move(images)));
  const std::size_t count = prepared.tokens.size();
  sequence tokens(model_->blocks, std::move(prepared), count, {}, false);
  const auto go_on = [this] { return !hooks.stop.stop_requested(); };
  for (std::size_t i = 0; i < tokens.images.size(); ++i) {
    LLAVA_TRY(encoded, model_->try_encode(tokens.images[i], go_on, adapter.get()));
    tokens.encoded[i] = std::move(encoded);
  }
  std::vector<float> all;
  LLAVA_TRY(lent, model_->try_lend());
  while (tokens.pending() > 0) {
    step_part part = tokens.next(static_cast<std::size_t>(model_->limits.logit_rows), adapter.get());
    part.logit_rows = static_cast<int>(part.tokens.size());
    LLAVA_CHECK(part.try_reserve());
    LLAVA_CHECK(lent->run({std::span<const step_part>(&part, 1)}, go_on));
    const matrix_view<const float> values = lent->results.logits;
    for (std::ptrdiff_t r = 0; r < values.extent(0); ++r)
      all.insert(all.end(), values.row(r), values.row(r) + values.extent(1));
  }
  return all;
}

LLAVA_END
