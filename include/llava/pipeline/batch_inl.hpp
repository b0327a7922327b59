// SPDX-License-Identifier: Apache-2.0
/// Definitions of batch.hpp.
#pragma once
#include <algorithm>
#include <compare>
#include <memory>
#include <optional>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/pipeline/batch.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

struct batch::row {
  session asked;
  generation_hooks hooks;
  generation made;
  std::optional<error> failed;  // replaces the answer
  step_part part;               // of the current step
  row(const std::shared_ptr<const opened_model>& model, const generation_settings& settings, const generation_hooks& h)
      : asked(model), hooks(h), made(model->opened.tokenizer, model->opened.description, settings, h) {}
  sequence& tokens() { return asked.tokens(); }
  bool done() const { return made.done() || failed; }
  /// The order of a step: first those that change their logits, for try_draw; then by adapter, whose products take
  /// contiguous rows.
  static bool comes_first(const row* a, const row* b) {
    const bool changes = a->made.changes_logits();
    if (changes != b->made.changes_logits()) return changes;
    return std::compare_three_way()(a->part.adapter, b->part.adapter) < 0;
  }
  void end(finish_reason why) {
    made.end(why);
    give_back();
  }
  void give_back() {
    tokens().cache.truncate(0);
    tokens().encoded.clear(), tokens().images.clear();
  }
};

template <class F>
auto batch::alone(F&& body) -> decltype(body()) {
  const reentry_guard entered(busy_);
  if (!entered)
    return fail(
        errc::busy,
        "llava: this batch was called by a callback of one of its own answers; call it when the step has returned");
  return guarded(body);
}

LLAVA_INLINE batch::batch(std::shared_ptr<const opened_model> model) : model_(std::move(model)) {}
LLAVA_INLINE batch::batch(batch&&) noexcept = default;
LLAVA_INLINE batch& batch::operator=(batch&& other) noexcept {
  if (this == &other) return *this;
  std::destroy_at(this);
  return *std::construct_at(this, std::move(other));
}
LLAVA_INLINE batch::~batch() = default;

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
  LLAVA_CHECK(try_check(settings));
  auto r = std::make_unique<row>(model_, settings, hooks);
  r->asked.adapter = std::move(adapter);
  const stopwatch asked;
  LLAVA_TRY(tokens, r->asked.try_prepare(prompt, std::move(images)));
  const int most = r->made.rules().max_new_tokens;
  if (static_cast<std::int64_t>(tokens) + most > model_->context)
    return fail(errc::context_full, text_of("llava: the prompt has ", tokens, " tokens and max_new_tokens is ", most,
                                            "; together they exceed the context of ", model_->context));
  r->made.begin(r->asked.tokens().tokens, asked.seconds());
  rows_.push_back(std::move(r));
  return rows_.size() - 1;
}

LLAVA_INLINE result<bool> batch::try_step() {
  return alone([&] { return step(); });
}

LLAVA_INLINE result<std::vector<result<answer>>> batch::try_run() {
  return alone([&]() -> result<std::vector<result<answer>>> {
    for (;;) {
      LLAVA_TRY(more, step());
      if (!more) break;
    }
    std::vector<result<answer>> answers;
    answers.reserve(rows_.size());
    for (auto& r : rows_) {
      r->made.finish();
      if (r->failed)
        answers.emplace_back(*std::move(r->failed));
      else
        answers.emplace_back(std::move(r->made.result()));
    }
    rows_.clear();
    return answers;
  });
}

LLAVA_INLINE result<bool> batch::step() {
  while (!choose_parts())
    if (!make_room()) return false;
  LLAVA_TRY(lent, model_->try_lend());
  const auto go_on = [&] {
    return std::any_of(chosen_.begin(), chosen_.end(), [](const row* r) { return !r->hooks.stop.stop_requested(); });
  };
  auto ran = try_draw(*lent, parts_, drawing_, go_on);
  if (!ran && ran.error().code() == errc::cancelled) return true;  // the next step ends them
  LLAVA_CHECK(std::move(ran));
  for (std::size_t i = 0; i < owners_.size(); ++i) {
    row& r = *owners_[i];
    const auto text = r.made.try_push(lent->results, i);
    if (text)
      r.tokens().tokens.push_back({r.made.last(), 0});
    else
      r.failed = text.error();
    if (r.done()) r.give_back();
  }
  return true;
}

LLAVA_INLINE bool batch::choose_parts() {
  const step_limits& limits = model_->limits;
  chosen_.clear();
  std::size_t left = static_cast<std::size_t>(limits.tokens);
  for (const bool prefill : {false, true})
    for (auto& r : rows_) {
      const bool is_prefill = r->tokens().pending() > 1;
      if (r->done() || is_prefill != prefill || left == 0 ||
          chosen_.size() == static_cast<std::size_t>(limits.sequences))
        continue;
      if (r->hooks.stop.stop_requested()) {
        r->end(finish_reason::cancelled);
        continue;
      }
      r->part = r->tokens().next(left, 1);
      if (!r->tokens().cache.try_reserve(r->tokens().cache.tokens() + static_cast<int>(r->part.tokens.size())))
        continue;  // waits for a later step
      left -= r->part.tokens.size();
      chosen_.insert(std::upper_bound(chosen_.begin(), chosen_.end(), r.get(), row::comes_first), r.get());
    }
  parts_.clear(), drawing_.clear(), owners_.clear();
  for (row* r : chosen_) {
    parts_.push_back(r->part);
    if (r->part.logit_rows) owners_.push_back(r), drawing_.push_back(&r->made);
  }
  return !parts_.empty();
}

LLAVA_INLINE bool batch::make_room() {
  row *first = nullptr, *last = nullptr;  // rows that hold blocks; if none does, `first` is the first row
  for (auto& r : rows_) {
    if (r->done()) continue;
    const bool holds = !r->tokens().cache.blocks().empty();
    if (!first || (holds && !last)) first = r.get();
    if (holds) last = r.get();
  }
  if (!first) return false;
  if (last && last != first)
    last->tokens().cache.truncate(0);
  else
    first->end(finish_reason::context_full);
  return true;
}

LLAVA_END
