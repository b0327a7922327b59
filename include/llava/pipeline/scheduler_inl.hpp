// SPDX-License-Identifier: Apache-2.0
/// Definitions of scheduler.hpp.
#pragma once
#include <algorithm>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/pipeline/answer_row.hpp>
#include <llava/pipeline/scheduler.hpp>

LLAVA_BEGIN

LLAVA_INLINE scheduler::scheduler(const opened_model& model, std::mutex& mutex) : model_(model), mutex_(mutex) {
  const auto most = static_cast<std::size_t>(model.limits.sequences);
  chosen_.reserve(most), parts_.reserve(most), flight_.rows.reserve(most), ahead_.rows.reserve(most),
      drawing_.reserve(static_cast<std::size_t>(model.limits.logit_rows)), computed_.reserve(most);
}

LLAVA_INLINE void scheduler::submit(row_list& row) {
  submitted_.splice(submitted_.end(), row);
  ++alive_;
}

LLAVA_INLINE void scheduler::remove(const answer_row& r, row_list& over) {
  for (row_list* list : {&submitted_, &rows_})
    for (auto i = list->begin(); i != list->end(); ++i)
      if (i->get() == &r) {
        if (!r.ended && --alive_ == 0) counts_.running = counts_.waiting = 0;
        if (!flight_.forget(&r)) drain();  // waits for one step at most
        return over.splice(over.end(), *list, i);
      }
}

LLAVA_INLINE void scheduler::finish(row_list& over) {
  for (auto i = rows_.begin(); i != rows_.end();) {
    const auto next = std::next(i);
    if (!(*i)->ended && (*i)->abandoned) --alive_;
    if ((*i)->is_over()) {
      if (!flight_.forget(i->get())) drain();
      over.splice(over.end(), rows_, i);
    }
    i = next;
  }
  if (alive_ == 0) counts_.running = counts_.waiting = 0;
}

LLAVA_INLINE void scheduler::step(function_ref<void()> announce) {
  end_cancelled();
  admit();
  if (flight_.is_begun()) return advance();
  encoded_last_ = !encoded_last_ && encode(announce);  // images and steps of the language model take turns
  if (encoded_last_) return;
  for (;;) {
    if (choose_parts(false)) return run_chosen();
    if (encode(announce) || !make_room()) return;
    admit();
  }
}

LLAVA_INLINE void scheduler::end_cancelled() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& r : rows_) {
    if (r->is_over()) continue;
    if (r->stop.stop_requested())
      end(*r, finish_reason::cancelled);
    else if (now >= r->deadline)
      end(*r, finish_reason::deadline);
    else if (r->made.done())  // no token is wanted
      end(*r, r->made.result().reason);
  }
}

LLAVA_INLINE void scheduler::reuse(answer_row& r) {
  r.tokens.reuse([this](const kv_key& name) { return model_.load_kept_block(name); });
}

LLAVA_INLINE void scheduler::admit() {
  int running = 0, waiting = 0;
  for (auto& r : rows_) running += !r->is_over() && r->admitted;
  for (auto& r : rows_) {
    if (r->is_over() || r->admitted) continue;
    const int blocks = static_cast<int>(r->tokens.tokens.size()) / kv_block + 1;
    // Each of the running ones may need another block soon.
    if (waiting > 0 || running >= model_.limits.sequences ||
        (running > 0 && model_.blocks->available() < blocks + running)) {
      ++waiting;
      continue;
    }
    r->admitted = true;
    reuse(*r);
    ++running;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  counts_.running = running, counts_.waiting = waiting;
}

LLAVA_INLINE bool scheduler::encode(function_ref<void()> announce) {
  answer_row* first = nullptr;
  int image = -1;
  for (auto& r : rows_)
    if (!r->is_over() && r->admitted && (image = r->tokens.missing_image()) >= 0) {
      first = r.get();
      break;
    }
  if (!first) return false;
  const visual seen = first->tokens.images[static_cast<std::size_t>(image)];
  const kv_key root = first->root;
  /// Calls use(row, image number) for each row that needs the same image.
  const auto each = [&](auto use) {
    for (auto& r : rows_)
      if (!r->is_over() && r->root == root)
        for (std::size_t i = 0; i < r->tokens.images.size(); ++i)
          if (!r->tokens.encoded[i] && r->tokens.images[i] == seen) use(*r, i);
  };
  bool is_known = true;
  const auto go_on = [&] {
    is_known = false;
    if (flight_.is_begun())
      advance(), announce();
    else if (choose_parts(true))
      run_chosen(), announce();
    bool wanted = false;
    each([&](const answer_row& r, std::size_t) { wanted = wanted || r.wanted(); });
    return wanted;
  };
  const auto tokens = model_.try_encode(seen, go_on, first->adapter.get());
  if (!tokens) {
    const error& e = tokens.error();
    if (e.code() != errc::cancelled) each([&](answer_row& r, std::size_t) { fail_row(r, e); });
    return true;
  }
  std::uint64_t users = 0;
  each([&](answer_row& r, std::size_t i) {
    r.tokens.encoded[i] = *tokens;
    ++users;
  });
  const std::lock_guard<std::mutex> lock(mutex_);
  counts_.encoded_images += !is_known;
  counts_.reused_images += users - !is_known;
  return true;
}

LLAVA_INLINE bool scheduler::choose_parts(bool decode_only) {
  const step_limits& limits = model_.limits;
  chosen_.clear(), computed_.clear();
  auto left = static_cast<std::size_t>(limits.tokens);
  auto spare = static_cast<std::size_t>(limits.logit_rows - limits.sequences);  // rows of logits for guesses
  for (const bool prefill : {false, true}) {
    if (prefill && decode_only) break;
    if (prefill && !chosen_.empty() && seconds_of_row_ > 0)  // others are answering
      left = (std::min)(left, static_cast<std::size_t>((std::max)(16., 0.5 / seconds_of_row_)));
    for (auto& r : rows_) {
      const bool is_prefill = r->tokens.pending() - r->guessed > 1;
      if (r->is_over() || !r->admitted || is_prefill != prefill || left == 0 ||
          chosen_.size() == static_cast<std::size_t>(limits.sequences))
        continue;
      if (prefill) reuse(*r);
      if (r->tokens.missing_image() >= 0) continue;
      const kv_key* const name = r->tokens.next_name();
      if (name && std::find(computed_.begin(), computed_.end(), *name) != computed_.end())
        continue;  // reuses the block after this step
      if (!prefill && chosen_.size() < rows_that_guess) r->guess((std::min)(left - 1, spare), model_.context);
      r->part = r->tokens.next(left, r->adapter.get(), 1 + static_cast<int>(r->guessed));
      if (!r->tokens.cache.try_reserve(r->tokens.cache.tokens() + static_cast<int>(r->part.tokens.size())))
        continue;  // waits for a later step
      spare -= r->guessed;
      if (name) computed_.push_back(*name);
      left -= r->part.tokens.size();
      if (!std::exchange(r->begun, true)) {
        r->made.prepared(r->prepared_in + r->asked.seconds());
        r->made.result().reused_tokens = r->tokens.cache.tokens();
      }
      chosen_.insert(std::upper_bound(chosen_.begin(), chosen_.end(), r.get(), answer_row::comes_first), r.get());
    }
  }
  parts_.clear(), drawing_.clear();
  for (answer_row* r : chosen_) {
    parts_.push_back(r->part);
    for (int i = 0; i < r->part.logit_rows; ++i) drawing_.push_back({&r->made, static_cast<std::size_t>(i)});
  }
  return !parts_.empty();
}

LLAVA_INLINE bool scheduler::make_room() {
  answer_row *first = nullptr, *last = nullptr;  // rows that hold blocks; if none does, `first` is the first row
  for (auto& r : rows_) {
    if (r->is_over() || !r->admitted) continue;
    const bool holds = !r->tokens.cache.blocks().empty();
    if (!first || (holds && !last)) first = r.get();
    if (holds) last = r.get();
  }
  if (!first) return false;
  if (last && last != first) {
    last->tokens.release();
    last->admitted = false;
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_.preemptions;
  } else {
    end(*first, finish_reason::context_full);
  }
  return true;
}

LLAVA_END
