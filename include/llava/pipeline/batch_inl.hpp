// SPDX-License-Identifier: Apache-2.0
/// Definitions of batch.hpp.
#pragma once
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/pipeline/batch.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>

LLAVA_BEGIN

template <class F>
auto batch::alone(F&& body) -> decltype(body()) {
  const reentry_guard entered(busy_);
  if (!entered)
    return fail(
        errc::busy,
        "llava: this batch was called by a callback of one of its own answers; call it when the step has returned");
  return guarded(body);
}

LLAVA_INLINE result<std::size_t> batch::try_add(std::string_view prompt, std::span<const image> images,
                                                const generation_settings& settings, const generation_hooks& hooks,
                                                std::shared_ptr<const llava::adapter> adapter) {
  return alone([&] { return add(prompt, {images.begin(), images.end()}, settings, hooks, std::move(adapter)); });
}
LLAVA_INLINE result<std::size_t> batch::try_add(std::string_view prompt, const video& frames,
                                                const generation_settings& settings, const generation_hooks& hooks,
                                                std::shared_ptr<const llava::adapter> adapter) {
  return alone([&] { return add(prompt, {visual(frames)}, settings, hooks, std::move(adapter)); });
}

LLAVA_INLINE result<std::size_t> batch::add(std::string_view prompt, std::vector<visual> images,
                                            const generation_settings& settings, const generation_hooks& hooks,
                                            std::shared_ptr<const llava::adapter> adapter) {
  LLAVA_CHECK(try_check(settings, model_->opened.description.text.vocab));
  const stopwatch asked;
  LLAVA_TRY(prepared, try_prepare(*model_, prompt, std::move(images)));
  const int most = effective_rules(settings, model_->opened.description.generation).max_new_tokens;
  if (static_cast<std::int64_t>(prepared.tokens.size()) + most > model_->context)
    return fail(errc::context_full,
                text_of("llava: the prompt has ", prepared.tokens.size(), " tokens and max_new_tokens is ", most,
                        "; together they exceed the context of ", model_->context));
  rows_.reserve(rows_.size() + 1);
  LLAVA_TRY(stream, engine::try_submit(model_, {.prompt = std::move(prepared),
                                                .settings = settings,
                                                .hooks = hooks,
                                                .adapter = std::move(adapter),
                                                .prepared_in = asked.seconds()}));
  rows_.push_back({std::move(stream)});
  return rows_.size() - 1;
}

LLAVA_INLINE result<bool> batch::try_step(text_of_answer on_text) {
  return alone([&] { return step(on_text); });
}

LLAVA_INLINE result<std::vector<result<answer>>> batch::try_run(text_of_answer on_text) {
  return alone([&]() -> result<std::vector<result<answer>>> {
    for (;;) {
      LLAVA_TRY(more, step(on_text));
      if (!more) break;
    }
    std::vector<result<answer>> answers;
    answers.reserve(rows_.size());
    for (row& r : rows_) {
      if (r.failed)
        answers.emplace_back(*std::move(r.failed));
      else
        answers.emplace_back(std::move(r.stream.whole()));
    }
    rows_.clear();
    return answers;
  });
}

LLAVA_INLINE result<bool> batch::step(text_of_answer on_text) {
  LLAVA_CHECK(model_->engine().try_step());
  bool more = false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    row& r = rows_[i];
    if (r.ended) continue;
    r.failed = fail(errc::cancelled, "llava: the logits hook has thrown an exception");
    r.ended = true;  // if the hook's exception comes now
    const auto news = r.stream.take();
    r.failed.reset();
    if (!news) {
      r.failed = news.error();
      continue;
    }
    r.ended = *news && (*news)->ended;
    more = more || !r.ended;
    if (*news) call_back([&] { on_text(i, (*news)->text); });
  }
  return more;
}

LLAVA_END
