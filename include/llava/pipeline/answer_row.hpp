// SPDX-License-Identifier: Apache-2.0
/// answer_row: a request in the engine. The thread that runs a step changes it; what both sides touch is under the
/// engine's mutex.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <compare>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/answer_request.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prompt_lookup.hpp>
#include <llava/pipeline/sequence.hpp>

LLAVA_BEGIN

/// A request in the engine, and its answer.
struct answer_row {
  std::shared_ptr<const llava::adapter> adapter;
  kv_key root;  // names the adapter
  std::chrono::steady_clock::time_point deadline = (std::chrono::steady_clock::time_point::max)();
  stop_signal stop;
  std::mutex in_hook;  // held while on_logits runs
  std::atomic<bool> abandoned{false};
  generation made;
  int prompt_tokens;
  sequence tokens;
  prompt_lookup lookup;
  std::size_t guessed = 0;  // last tokens that the current step has only guessed
  stopwatch asked;
  double prepared_in;

  bool admitted = false;  // takes part in steps
  bool begun = false;     // has taken part in one
  step_part part;         // of the current step
  std::optional<error> failed;

  // Under the engine's mutex:
  answer_news news;
  hook<void()> on_news;
  bool ended = false;

  answer_row(const opened_model& model, answer_request request)
      : adapter(std::move(request.adapter)),
        root(adapter ? adapter->name() : kv_key()),
        stop(request.hooks.stop),
        made(model.opened.tokenizer, model.opened.description, request.settings, held(std::move(request.hooks))),
        prompt_tokens(static_cast<int>(request.prompt.tokens.size())),
        tokens(model.blocks, std::move(request.prompt), most_tokens(model), root, model.prefix_cache),
        lookup(made.changes_logits() ? 0 : model.prompt_lookup, most_tokens(model)),
        prepared_in(request.prepared_in),
        on_news(std::move(request.on_news)) {
    if (request.seconds > 0)
      deadline =
          std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                 std::chrono::duration<double>((std::min)(request.seconds, 1e8)));
    made.begin(tokens.tokens, 0);
    news.tokens.reserve(64), news.text.reserve(256), news.logprobs.reserve(64);
  }

  /// Appends guessed tokens, at most `most`, with room in the cache, to a row that decodes.
  void guess(std::size_t most, int context) {
    const std::size_t length = tokens.tokens.size(), end = (std::max)(length, static_cast<std::size_t>(context));
    const auto wanted = static_cast<std::size_t>(made.rules().max_new_tokens) - made.result().tokens.size() - 1;
    prompt_token next[8];
    most = (std::min)({most, std::size(next), wanted, end - length});
    guessed = lookup.guess(tokens.tokens, std::span(next).first(most));
    if (guessed && !tokens.cache.try_reserve(static_cast<int>(length + guessed))) guessed = 0;
    tokens.tokens.insert(tokens.tokens.end(), next, next + guessed);
  }
  /// Forgets the guessed tokens from number `first` on.
  void drop_guesses(std::size_t first = 0) {
    tokens.tokens.resize(tokens.tokens.size() - guessed + first);
    guessed = 0;
  }
  bool is_over() const { return ended || abandoned; }
  bool wanted() const { return !abandoned && !stop.stop_requested(); }
  /// Whether the row's next step takes the token that the current step draws, and nothing of the host. Not if it
  /// would guess behind the tokens that are known, and `may_guess`: the next step does.
  bool can_run_ahead(bool may_guess) {
    return guessed == 0 && !made.changes_logits() && !(may_guess && lookup.has_guess(tokens.tokens));
  }
  /// Whether the token that the current step draws is the last one whatever it is.
  bool ends_with_next(int context) {
    return static_cast<int>(made.result().tokens.size()) + 1 >= made.rules().max_new_tokens ||
           static_cast<int>(tokens.tokens.size()) + 1 > context;
  }
  /// The order of a step: first those that change their logits, for begin_draw; then by adapter, whose products take
  /// contiguous rows.
  static bool comes_first(const answer_row* a, const answer_row* b) {
    const bool changes = a->made.changes_logits();
    if (changes != b->made.changes_logits()) return changes;
    return std::compare_three_way()(a->adapter.get(), b->adapter.get()) < 0;
  }

 private:
  /// Returns the hooks with an on_logits that is not called once the row is abandoned: its asker is gone.
  generation_hooks held(generation_hooks hooks) {
    if (hooks.on_logits)
      hooks.on_logits = [this, user = std::move(hooks.on_logits)](std::span<float> logits) {
        const std::lock_guard<std::mutex> lock(in_hook);
        if (!abandoned) user(logits);
      };
    return hooks;
  }
  std::size_t most_tokens(const opened_model& model) const {
    return static_cast<std::size_t>((std::min)(std::int64_t{prompt_tokens} + (std::max)(made.rules().max_new_tokens, 0),
                                               std::int64_t{model.context} + 1));
  }
};

LLAVA_END
