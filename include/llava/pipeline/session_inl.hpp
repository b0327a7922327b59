// SPDX-License-Identifier: Apache-2.0
/// Definitions of session.hpp.
#pragma once
#include <algorithm>
#include <iterator>

#include <llava/base/guard.hpp>
#include <llava/generate/settings_inl.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

LLAVA_INLINE session::session(std::shared_ptr<const opened_model> model)
    : model_(std::move(model)), sequence_(model_->blocks) {}
LLAVA_INLINE session::session(std::shared_ptr<const opened_model> model, sequence tokens)
    : model_(std::move(model)), sequence_(std::move(tokens)) {}

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
  LLAVA_TRY(prompt, model_->try_prompt(next.turns));
  const bool by_chat_template = !model_->opened.description.conversation.own.text.empty();
  LLAVA_TRY(done, generate(prompt, next.images, on_text, by_chat_template));
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
  return alone([&] { return generate(prompt, {images.begin(), images.end()}, on_text); });
}
LLAVA_INLINE result<answer> session::try_generate(std::string_view prompt, const video& frames, text_callback on_text) {
  return alone([&] { return generate(prompt, {visual(frames)}, on_text); });
}

LLAVA_INLINE result<std::vector<float>> session::try_logits(std::string_view prompt, std::span<const image> images) {
  return alone([&] { return logits(prompt, {images.begin(), images.end()}); });
}
LLAVA_INLINE result<std::vector<float>> session::try_logits(std::string_view prompt, const video& frames) {
  return alone([&] { return logits(prompt, {visual(frames)}); });
}

LLAVA_INLINE result<std::size_t> session::try_prepare(std::string_view prompt, std::vector<visual> images) {
  LLAVA_CHECK(try_set_prompt(prompt, std::move(images)));
  return sequence_.tokens.size();
}

LLAVA_INLINE result<void> session::try_restore(conversation_state state) {
  std::size_t markers = 0;
  for (const message& turn : state.turns) markers += images_in(turn);
  if (markers != state.images.size())
    return fail(errc::mismatch,
                text_of("llava: the conversation to be restored has ", markers, " <image> for ", state.images.size(),
                        " images; a turn whose <image> is only text has message::images = 0"));
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
  session other(model_, sequence_.fork());
  other.history_ = history_;
  other.settings = settings;
  other.hooks = hooks;
  other.adapter = adapter;
  return other;
}

LLAVA_INLINE result<answer> session::generate(std::string_view prompt, std::vector<visual> images,
                                              text_callback on_text, bool by_chat_template) {
  LLAVA_CHECK(try_check(settings));
  const stopwatch asked;
  LLAVA_CHECK(try_set_prompt(prompt, std::move(images), by_chat_template));
  generation g(model_->opened.tokenizer, model_->opened.description, settings, hooks);
  g.begin(sequence_.tokens, asked.seconds());
  g.result().reused_tokens = sequence_.cache.tokens();
  const std::size_t most =
      (std::min)(sequence_.tokens.size() + static_cast<std::size_t>((std::max)(g.rules().max_new_tokens, 0)),
                 static_cast<std::size_t>(model_->context) + 1);
  sequence_.tokens.reserve(most);
  sequence_.cache.expect(static_cast<int>(most));
  LLAVA_TRY(lent, model_->try_lend());
  while (!g.done()) {
    LLAVA_CHECK(try_next(*lent, g));
    LLAVA_TRY(text, g.try_push(lent->results, 0));
    sequence_.tokens.push_back({g.last(), 0});
    call_back([&] { on_text(text); });
    if (!g.done() && static_cast<int>(sequence_.tokens.size()) > model_->context) g.end(finish_reason::context_full);
  }
  const std::string_view held_back = g.finish();
  call_back([&] { on_text(held_back); });
  return std::move(g.result());
}

LLAVA_INLINE result<std::vector<float>> session::logits(std::string_view prompt, std::vector<visual> images) {
  LLAVA_CHECK(try_set_prompt(prompt, std::move(images)));
  sequence_.cache.truncate(0);
  std::vector<float> all;
  const auto go_on = [this] { return !hooks.stop.stop_requested(); };
  LLAVA_TRY(lent, model_->try_lend());
  while (sequence_.pending() > 0) {
    const std::size_t rows = (std::min)(sequence_.pending(), static_cast<std::size_t>(model_->limits.logit_rows));
    step_part part = sequence_.next(rows, static_cast<int>(rows));
    part.logit_rows = static_cast<int>(rows);
    LLAVA_CHECK(part.try_reserve());
    LLAVA_CHECK(lent->run({std::span<const step_part>(&part, 1)}, go_on));
    const matrix_view<const float> values = lent->results.logits;
    for (std::ptrdiff_t r = 0; r < values.extent(0); ++r)
      all.insert(all.end(), values.row(r), values.row(r) + values.extent(1));
  }
  return all;
}

LLAVA_INLINE result<int> session::try_count(const visual& v) const {
  if (v.is_video()) {
    LLAVA_TRY(plan, model_->try_plan(v.as_video()));
    return plan.tokens;
  }
  LLAVA_TRY(plan, model_->try_plan(v.as_image().width(), v.as_image().height()));
  return plan.tokens;
}

LLAVA_INLINE result<void> session::try_set_prompt(std::string_view prompt, std::vector<visual> images,
                                                  bool by_chat_template) {
  LLAVA_CHECK(model_->try_accept(adapter.get()));
  sequence_.use(adapter);
  std::vector<int> rows;
  std::int64_t of_images = 0;
  for (const visual& v : images) {
    LLAVA_TRY(count, try_count(v));
    rows.push_back(count);
    of_images += count;
  }
  if (of_images > model_->context)
    return fail(errc::context_full, text_of("llava: the images have ", of_images,
                                            " image tokens, expected at most the context of ", model_->context));
  const model_description& d = model_->opened.description;
  const std::int32_t marker = d.prompt == prompt_rule::processor ? d.image_token : image_token_index;
  std::vector<std::int32_t> ids =
      prompt_ids(model_->opened.tokenizer, d, d.video_token < 0 ? std::string(prompt) : mark_videos(prompt, images),
                 !images.empty(), by_chat_template);
  if (d.video_token >= 0 && std::any_of(images.begin(), images.end(), [](const visual& v) { return v.is_video(); }))
    std::replace(ids.begin(), ids.end(), d.video_token, marker);
  LLAVA_TRY(tokens, try_splice(ids, marker, rows));
  LLAVA_CHECK(try_check_rows(model_->opened.tokenizer, tokens, d.text.vocab));
  if (tokens.empty()) return fail(errc::invalid_argument, "llava: the prompt is empty");
  if (static_cast<int>(tokens.size()) > model_->context)
    return fail(errc::context_full,
                text_of("llava: the prompt has ", tokens.size(),
                        " tokens, images included, expected at most the context of ", model_->context));
  if (!images.empty() && d.longest_prompt > 0 && tokens.size() > static_cast<std::size_t>(d.longest_prompt))
    return fail(errc::context_full,
                text_of("llava: the prompt has ", tokens.size(), " tokens, images included; config.json's ",
                        "tokenizer_model_max_length is ", d.longest_prompt, ", where the reference cuts it off"));
  std::vector<std::shared_ptr<const image_tokens>> encoded;
  std::size_t same = 0;  // number of leading images that are unchanged
  for (const visual& v : images) {
    if (same == encoded.size() && same < sequence_.images.size() && sequence_.images[same] == v) {
      encoded.push_back(sequence_.encoded[same++]);
    } else {
      LLAVA_TRY(of_image, v.is_video() ? model_->try_encode_video(v.as_video(), hooks.stop, adapter.get())
                                       : model_->try_encode_image(v.as_image(), hooks.stop, adapter.get()));
      encoded.push_back(std::move(of_image));
    }
  }
  // A different image in the same place has the same tokens, so the common prefix ends before it.
  for (std::size_t i = 0; i < sequence_.tokens.size(); ++i)
    if (sequence_.tokens[i].is_image() && static_cast<std::size_t>(sequence_.tokens[i].image()) >= same) {
      sequence_.cache.truncate((std::min)(sequence_.cache.tokens(), static_cast<int>(i)));
      break;
    }
  sequence_.replace(std::move(tokens));
  sequence_.images = std::move(images);
  sequence_.encoded = std::move(encoded);
  return {};
}

LLAVA_INLINE result<void> session::try_next(workspace& w, generation& g) {
  const auto go_on = [this] { return !hooks.stop.stop_requested(); };
  while (sequence_.pending() > 0) {
    const step_part part = sequence_.next(static_cast<std::size_t>(model_->limits.tokens), 1);
    LLAVA_CHECK(part.try_reserve());
    generation* const one[] = {&g};
    LLAVA_CHECK(try_draw(w, std::span<const step_part>(&part, 1),
                         std::span<generation* const>(one).first(static_cast<std::size_t>(part.logit_rows)), go_on));
  }
  return {};
}

LLAVA_END
