// SPDX-License-Identifier: Apache-2.0
/// batch<M, B, P>: several answers at the same time. Each step takes decode rows of those that are answering and chunks of
/// prompts of those that are beginning, together at most max_batch_tokens rows and max_sequences sequences. An answer is
/// byte for byte the one that its question would get alone (R14).
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

/// Questions that are answered together, each as it would be alone.
template <class M, class B, class P>
class batch {
 public:
  explicit batch(pipeline<M, B, P> model) : model_(std::move(model)) {}

  /// Adds a prompt as its text stands; returns its number. Its answer is begun by the next step.
  result<std::size_t> try_add(std::string_view prompt, std::span<const image> pictures,
                              const generation_settings& settings = {}, const generation_hooks& hooks = {}) {
    auto r = std::make_unique<row>(model_, settings, hooks);
    LLAVA_TRY(tokens, r->asked.try_prepare(prompt, pictures));
    if (static_cast<std::int64_t>(tokens) + settings.max_new_tokens > model_.context())
      return fail(errc::context_full, text_of("llava: a prompt of ", tokens, " tokens and ", settings.max_new_tokens,
                                              " new ones are more than the context of ", model_.context()));
    r->made.result().prompt_tokens = static_cast<int>(tokens);
    rows_.push_back(std::move(r));
    return rows_.size() - 1;
  }

  /// One step for as many as fit. False when every answer is finished. After an error the batch is to be dropped. An answer
  /// whose stop was requested ends with what it has; a step is interrupted once that holds for all that are in it.
  result<bool> try_step() {
    auto& state = model_.state();
    parts_.clear(), stops_.clear(), drawing_.clear(), owners_.clear();
    std::size_t left = static_cast<std::size_t>(state.limits.tokens);
    // Those that answer come first, one row each; prompts share what is left.
    for (const bool prefill : {false, true})
      for (auto& r : rows_) {
        const bool is_prefill = r->tokens().pending() > 1;
        if (r->made.done() || is_prefill != prefill || left == 0 ||
            parts_.size() == static_cast<std::size_t>(state.limits.sequences))
          continue;
        if (r->hooks.stop.stop_requested()) {
          r->made.end(finish_reason::cancelled);
          continue;
        }
        const step_part<B> part = r->tokens().next(left, 1);
        LLAVA_CHECK(part.cache->try_reserve(part.cache->tokens() + static_cast<int>(part.tokens.size())));
        left -= part.tokens.size();
        parts_.push_back(part), stops_.push_back(&r->hooks.stop);
        if (part.logit_rows) owners_.push_back(r.get()), drawing_.push_back(&r->made);
      }
    if (parts_.empty()) return false;

    LLAVA_TRY(lent, state.workspaces->try_lend());
    drawn_.assign(owners_.size(), 0);
    bool wants_logits = false;
    for (const generation* g : drawing_) wants_logits = wants_logits || g->wants_logits();
    const auto vocab = static_cast<std::size_t>(state.decoder_->vocab());
    if (wants_logits) logits_.resize(owners_.size() * vocab);
    const auto go_on = [&] {
      return std::any_of(stops_.begin(), stops_.end(), [](const auto* s) { return !s->stop_requested(); });
    };
    if (!run_step(lent->queue, *state.decoder_, state.cache, lent->staging, std::span<const step_part<B>>(parts_),
                  go_on,
                  [&](auto& q, matrix_view<float> logits) { draw_tokens(q, logits, drawing_, logits_, drawn_); }))
      return true;  // the next step ends them
    for (std::size_t i = 0; i < owners_.size(); ++i) {
      row& r = *owners_[i];
      r.made.push(drawn_[i],
                  wants_logits ? std::span<const float>(logits_).subspan(i * vocab, vocab) : std::span<const float>{});
      r.tokens().tokens.push_back({drawn_[i], 0});
    }
    return true;
  }

  /// Steps until every answer is finished; answers in the order of adding.
  result<std::vector<answer>> try_run() {
    for (;;) {
      LLAVA_TRY(more, try_step());
      if (!more) break;
    }
    std::vector<answer> answers;
    for (auto& r : rows_) {
      r->made.finish();
      r->made.result().text = std::string(trimmed(r->made.result().text));
      answers.push_back(std::move(r->made.result()));
    }
    rows_.clear();
    return answers;
  }

 private:
  struct row {
    session<M, B, P> asked;
    generation_hooks hooks;
    generation made;
    row(const pipeline<M, B, P>& model, const generation_settings& settings, const generation_hooks& h)
        : asked(model), hooks(h), made(model.words(), model.description().eos, settings, h) {}
    sequence<B>& tokens() { return asked.tokens(); }
  };

  pipeline<M, B, P> model_;
  std::vector<std::unique_ptr<row>> rows_;
  std::vector<step_part<B>> parts_;
  std::vector<const std::stop_token*> stops_;  // of the rows of parts_
  std::vector<const generation*> drawing_;
  std::vector<row*> owners_;
  std::vector<std::int32_t> drawn_;
  std::vector<float> logits_;
};

LLAVA_END
