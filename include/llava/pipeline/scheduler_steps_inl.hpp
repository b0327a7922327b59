// SPDX-License-Identifier: Apache-2.0
/// Definitions of scheduler.hpp: the steps that it runs, and what their rows take from them.
#pragma once
#include <algorithm>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/pipeline/answer_row.hpp>
#include <llava/pipeline/scheduler.hpp>

LLAVA_BEGIN

LLAVA_INLINE void scheduler::run_chosen() {
  const auto go_on = [&] {
    return std::any_of(chosen_.begin(), chosen_.end(), [](const answer_row* r) { return r->wanted(); });
  };
  const result<void> begun = guarded([&]() -> result<void> {
    flight_.clock = {};
    for (answer_row* r : chosen_)
      flight_.rows.push_back({r, static_cast<int>(r->part.tokens.size()), r->part.logit_rows, r->adapter});
    LLAVA_TRY(lent, model_.try_lend());
    lent_.emplace(std::move(lent));
    return begin_draw(**lent_, parts_, drawing_, go_on, flight_.results);
  });
  if (begun) return advance();
  fail_flight(begun.error());
}

LLAVA_INLINE void scheduler::advance() {
  const result<bool> next = guarded([&]() -> result<bool> { return run_ahead(); });
  const result<void> ran = guarded([&] { return take_results(); });
  if (!ran) return fail_flight(ran.error());
  flight_.clear(*model_.blocks);
  std::swap(flight_, ahead_);
  const bool is_wanted = std::any_of(flight_.rows.begin(), flight_.rows.end(),
                                     [](const step_in_flight::row& r) { return r.asked && !r.asked->is_over(); });
  if (!next || !*next || !is_wanted) drain();
  flight_.clock = {};  // it computes from now on
}

LLAVA_INLINE bool scheduler::run_ahead() {
  if (!(*lent_)->may_run_ahead()) return false;
  int alive = 0, ready = 0;
  for (const auto& r : rows_) alive += !r->is_over() && r->admitted;
  parts_.clear(), drawing_.clear();
  int row = 0;
  for (const step_in_flight::row& f : flight_.rows) {
    const int fed = std::exchange(row, row + f.logit_rows);
    answer_row* const r = f.asked;
    if (!r || r->is_over()) continue;
    if (f.logit_rows != 1 || !r->can_run_ahead(static_cast<std::size_t>(ready++) < rows_that_guess)) return false;
    if (r->ends_with_next(model_.context)) continue;
    step_part part{&r->tokens.cache, {&unknown_token, 1}, {}, 1, r->adapter.get(), fed, f.tokens};
    if (!part.try_reserve()) return false;
    parts_.push_back(part);
    drawing_.push_back({&r->made, 1});
    ahead_.rows.push_back({r, 1, 1, r->adapter});
  }
  if (ready < alive || parts_.empty()) return false;  // others wait for a step with their prompts
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const kv_sequence& cache = *parts_[i].cache;
    const int block = cache.slot(parts_[i].first_position()) / kv_block;
    model_.blocks->hold(block);
    ahead_.rows[i].held = block;
  }
  return static_cast<bool>(begin_draw(**lent_, parts_, drawing_, never_stop, ahead_.results));
}

LLAVA_INLINE result<void> scheduler::take_results() {
  LLAVA_CHECK((*lent_)->finish(flight_.results));
  std::size_t first = 0, rows = 0;
  for (const step_in_flight::row& f : flight_.rows) {
    rows += static_cast<std::size_t>(f.tokens);
    if (answer_row* const r = f.asked; r && !r->ended) {
      r->tokens.cache.set_tokens(r->tokens.cache.tokens() + f.tokens);
      if (f.logit_rows)
        push(*r, flight_.results, first);
      else
        r->tokens.name_blocks();
    }
    first += static_cast<std::size_t>(f.logit_rows);
  }
  if (rows >= 16) {
    const double each = flight_.clock.seconds() / static_cast<double>(rows);
    seconds_of_row_ = seconds_of_row_ > 0 ? (seconds_of_row_ + each) / 2 : each;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_.steps;
  return {};
}

LLAVA_INLINE void scheduler::fail_flight(const error& e) {
  const bool is_cancelled = e.code() == errc::cancelled;  // the next step ends the rows
  for (const step_in_flight::row& f : flight_.rows) {
    if (!f.asked || f.asked->ended) continue;
    f.asked->drop_guesses();
    if (!is_cancelled && !f.asked->is_over()) fail_row(*f.asked, e);
  }
  drain();
}

LLAVA_INLINE void scheduler::drain() {
  lent_.reset();  // waits
  flight_.clear(*model_.blocks);
  ahead_.clear(*model_.blocks);
}

LLAVA_INLINE void scheduler::push(answer_row& r, const step_results& drawn, std::size_t i) {
  const std::size_t guessed = r.guessed, before = r.tokens.tokens.size() - guessed;
  std::size_t right = 0;
  while (right < guessed && drawn.ids[i + right] == r.tokens.tokens[before + right].id) ++right;
  r.lookup.learn(guessed, right);
  r.drop_guesses(right);
  if (right < guessed) r.tokens.cache.truncate(static_cast<int>(before + right));
  r.tokens.name_blocks();
  for (std::size_t k = 0; k <= right && !r.is_over(); ++k) push_one(r, drawn, i + k, k == right);
}

LLAVA_INLINE void scheduler::push_one(answer_row& r, const step_results& drawn, std::size_t i, bool is_new) {
  const result<void> pushed = guarded([&]() -> result<void> {
    LLAVA_TRY(text, r.made.try_push(drawn, i));
    if (is_new) r.tokens.tokens.push_back({r.made.last(), 0});
    if (!r.made.done() && static_cast<int>(r.tokens.tokens.size()) > model_.context)
      r.made.end(finish_reason::context_full);
    const std::lock_guard<std::mutex> lock(mutex_);
    r.news.tokens.push_back(r.made.last());
    const answer& a = r.made.result();
    if (r.made.wants_logprobs()) r.news.logprobs.push_back(a.logprobs.back());
    if (r.made.wants_top_logprobs())
      r.news.top_logprobs.insert(
          r.news.top_logprobs.end(),
          a.top_logprobs.end() - static_cast<std::ptrdiff_t>(a.top_logprobs.size() / a.tokens.size()),
          a.top_logprobs.end());
    r.news.text += text;
    if (r.on_news && !r.made.done()) r.on_news();
    return {};
  });
  if (!pushed) return fail_row(r, pushed.error());
  if (r.made.done()) end(r, r.made.result().reason);
}

LLAVA_INLINE void scheduler::end(answer_row& r, finish_reason why) {
  r.made.end(why);
  const result<void> ended = guarded([&]() -> result<void> {
    const std::string_view held_back = r.made.finish();
    const std::lock_guard<std::mutex> lock(mutex_);
    r.news.text += held_back;
    return {};
  });
  if (!ended) return fail_row(r, ended.error());
  close(r);
}

LLAVA_INLINE void scheduler::fail_row(answer_row& r, error e) {
  r.failed.emplace(std::move(e));
  close(r);
}

LLAVA_INLINE void scheduler::close(answer_row& r) {
  r.tokens.release();
  r.tokens.encoded.clear(), r.tokens.images.clear();
  const answer& a = r.made.result();
  const std::lock_guard<std::mutex> lock(mutex_);
  r.ended = true;
  --alive_;
  counts_.prompt_tokens += static_cast<unsigned>(r.prompt_tokens);
  counts_.reused_tokens += static_cast<unsigned>(a.reused_tokens);
  counts_.new_tokens += a.tokens.size();
  if (r.on_news) r.on_news();
}

LLAVA_END
