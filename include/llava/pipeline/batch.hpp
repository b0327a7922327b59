// SPDX-License-Identifier: Apache-2.0
/// batch<M, B, P>: several answers at the same time. Each step takes decode rows of those that are answering and chunks
/// of prompts of those that are beginning, together at most max_batch_tokens rows and max_sequences sequences. An
/// answer is byte for byte the one that its question would get alone (R14).
///
/// All answers share the model's KV cache. One that is finished gives its part back. One for which there is no room
/// waits for those that go on; when none can, the one that was added last gives its part back and is computed again
/// later, with the same bytes. So an answer ends early (finish_reason::context_full, with what it has) only when it has
/// all that sessions outside the batch have left, and that is not enough.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

/// Questions that are answered together, each as it would be alone. Used by one thread at a time, and not by its own
/// callbacks (errc::busy). What a callback throws passes by; the next step goes on.
template <class M, class B, class P>
class batch {
 public:
  explicit batch(pipeline<M, B, P> model) : model_(std::move(model)) {}
  batch(batch&&) noexcept = default;
  /// What it had is given back before it takes another's.
  batch& operator=(batch&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }

  /// Adds a prompt as its text stands; returns its number. Its answer is begun by the next step.
  result<std::size_t> try_add(std::string_view prompt, std::span<const image> pictures,
                              const generation_settings& settings = {}, const generation_hooks& hooks = {}) {
    return alone([&]() -> result<std::size_t> {
      LLAVA_CHECK(try_check(settings));
      auto r = std::make_unique<row>(model_, settings, hooks);
      LLAVA_TRY(tokens, r->asked.try_prepare(prompt, pictures));
      const int most = r->made.rules().max_new_tokens;
      if (static_cast<std::int64_t>(tokens) + most > model_.context())
        return fail(errc::context_full, text_of("llava: a prompt of ", tokens, " tokens and ", most,
                                                " new ones are more than the context of ", model_.context()));
      r->made.begin(r->asked.tokens().tokens);
      rows_.push_back(std::move(r));
      return rows_.size() - 1;
    });
  }

  /// One step for as many as fit. False when every answer is finished. An answer whose stop was requested ends with
  /// what it has; a step is interrupted once that holds for all that are in it.
  result<bool> try_step() {
    return alone([&] { return step(); });
  }

  /// Steps until every answer is finished; answers, or what stands in their place, in the order of adding. Errors:
  /// those of a step, which are of the whole batch; the next call goes on.
  result<std::vector<result<answer>>> try_run() {
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

 private:
  struct row {
    session<M, B, P> asked;
    generation_hooks hooks;
    generation made;
    std::optional<error> failed;  // instead of an answer
    step_part part;               // in the step
    row(const pipeline<M, B, P>& model, const generation_settings& settings, const generation_hooks& h)
        : asked(model), hooks(h), made(model.words(), model.description(), settings, h) {}
    sequence& tokens() { return asked.tokens(); }
    bool done() const { return made.done() || failed; }
    void end(finish_reason why) {
      made.end(why);
      give_back();
    }
    void give_back() {
      tokens().cache.truncate(0);
      tokens().images.clear(), tokens().pictures.clear();
    }
  };

  template <class F>
  auto alone(F&& body) -> decltype(body()) {
    const reentry_guard entered(busy_);
    if (!entered) return fail(errc::busy, "llava: this batch was called by a callback of one of its own answers");
    return guarded(body);
  }

  result<bool> step() {
    auto& state = model_.state();
    while (!choose_parts())
      if (!make_room()) return false;
    LLAVA_TRY(lent, state.workspaces->try_lend());
    const auto go_on = [&] {
      return std::any_of(chosen_.begin(), chosen_.end(), [](const row* r) { return !r->hooks.stop.stop_requested(); });
    };
    auto ran = try_draw(*lent, state, parts_, drawing_, go_on);
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

  /// The rows of the next step, with room for their tokens. Those that answer come first, one token each; prompts share
  /// what is left. False when there is none.
  bool choose_parts() {
    const step_limits& limits = model_.state().limits;
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
          continue;  // waits
        left -= r->part.tokens.size();
        chosen_.push_back(r.get());
      }
    std::partition(chosen_.begin(), chosen_.end(),
                   [](const row* r) { return r->made.changes_logits(); });  // see try_draw
    parts_.clear(), drawing_.clear(), owners_.clear();
    for (row* r : chosen_) {
      parts_.push_back(r->part);
      if (r->part.logit_rows) owners_.push_back(r), drawing_.push_back(&r->made);
    }
    return !parts_.empty();
  }

  /// When no row can go on: takes the last one's part of the cache, or ends the only one that has a part. False when
  /// all are finished.
  bool make_room() {
    row *first = nullptr, *last = nullptr;  // of those that have a part; if none has, the first of all
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

  pipeline<M, B, P> model_;
  std::vector<std::unique_ptr<row>> rows_;
  // Of the step:
  std::vector<row*> chosen_;
  std::vector<step_part> parts_;      // of the chosen
  std::vector<row*> owners_;          // of the rows of logits
  std::vector<generation*> drawing_;  // likewise
  bool busy_ = false;
};

LLAVA_END
