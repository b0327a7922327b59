// SPDX-License-Identifier: Apache-2.0
/// Definitions of search_beams.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/generate/beam_search.hpp>
#include <llava/generate/penalties.hpp>
#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/search_beams.hpp>
#include <llava/pipeline/sequence.hpp>

LLAVA_BEGIN

namespace detail {

/// The tokens of a beam, prompt and answer, and its part of the KV cache.
struct beam_lane {
  kv_sequence cache;
  std::vector<prompt_token> tokens;
  token_penalties penalties;

  beam_lane fork() const { return {cache.fork(), tokens, penalties}; }
  void push(std::int32_t token) {
    tokens.push_back({token, 0});
    penalties.add(token);
  }
};

class beam_searcher {
 public:
  beam_searcher(const opened_model& model, beam_search& search, const stop_signal& stop, const adapter* with)
      : model_(model), search_(search), stop_(stop), with_(with) {}

  result<void> try_encode(sequence& prompt) {
    for (std::size_t i = 0; i < prompt.images.size(); ++i) {
      LLAVA_TRY(tokens, model_.try_encode(
                            prompt.images[i], [this] { return !stop_.stop_requested(); }, with_));
      prompt.encoded[i] = std::move(tokens);
    }
    encoded_ = prompt.encoded;
    return {};
  }
  /// Runs the prompt, whose images are encoded, and chooses the first tokens.
  result<void> try_begin(sequence& prompt, const token_penalties& penalties) {
    prompt.reuse([this](const kv_key& name) { return model_.load_kept_block(name); });
    reused_ = prompt.cache.tokens();
    lanes_.push_back({std::move(prompt.cache), prompt.tokens, penalties});
    LLAVA_CHECK(try_score());
    prompt.cache = lanes_[0].cache.fork();
    prompt.name_blocks();  // for later questions
    return try_choose();
  }
  /// Computes the last tokens of the beams and chooses the next ones.
  result<void> try_advance() {
    LLAVA_CHECK(try_score());
    return try_choose();
  }
  int reused() const { return reused_; }

 private:
  /// Computes the candidates of all lanes.
  result<void> try_score() {
    for (std::size_t first = 0; first < lanes_.size();) LLAVA_CHECK(try_step(first));
    return {};
  }
  result<void> try_choose() {
    if (candidates_.empty())
      return fail(errc::invalid_argument, "llava: suppress_tokens forbids every token; it must leave one");
    search_.advance(std::exchange(candidates_, {}));
    if (!search_.done()) move_lanes();
    return {};
  }

  /// Runs one step for the beams from `first` on that fit, and moves `first` behind those that are complete.
  result<void> try_step(std::size_t& first) {
    parts_.clear();
    auto left = static_cast<std::size_t>(model_.limits.tokens);
    std::size_t last = first;
    for (; last < lanes_.size() && left > 0; ++last) {
      if (parts_.size() == static_cast<std::size_t>(model_.limits.sequences)) break;
      beam_lane& lane = lanes_[last];
      const std::span<const prompt_token> rest =
          std::span<const prompt_token>(lane.tokens).subspan(static_cast<std::size_t>(lane.cache.tokens()));
      const bool is_whole = rest.size() <= left;
      const step_part part{&lane.cache, is_whole ? rest : rest.first(left), encoded_, is_whole, with_};
      LLAVA_CHECK(part.try_reserve());
      parts_.push_back(part);
      left -= part.tokens.size();
    }
    LLAVA_TRY(lent, model_.try_lend());
    LLAVA_CHECK(lent->run({std::span<const step_part>(parts_)}, [this] { return !stop_.stop_requested(); }));
    const matrix_view<const float> logits = lent->results.logits;  // (R, V)
    std::ptrdiff_t row = 0;
    for (const step_part& part : parts_) {
      if (part.logit_rows == 0) break;  // the last one, which goes on
      LLAVA_CHECK(try_add({logits.row(row++), static_cast<std::size_t>(logits.extent(1))}, first++));
    }
    return {};
  }

  /// Adds the likeliest continuations of a beam.
  result<void> try_add(std::span<const float> logits, std::size_t beam) {
    double sum = 0;
    const float largest = *std::max_element(logits.begin(), logits.end());
    for (const float l : logits) sum += std::exp(double{l} - double{largest});
    if (!std::isfinite(sum) || !std::isfinite(largest))
      return fail(errc::not_finite,
                  "llava: the model's logits are NaN or infinite: its weights are damaged, or its values overflow the "
                  "format of the weights or the KV cache");
    const float log_sum = static_cast<float>(std::log(sum));
    logprobs_.resize(logits.size());
    for (std::size_t t = 0; t < logits.size(); ++t) logprobs_[t] = logits[t] - largest - log_sum;
    scores_ = logprobs_;
    lanes_[beam].penalties.apply(scores_);
    const std::size_t most = (std::min)(search_.kept(), scores_.size());
    order_.resize(scores_.size());
    for (std::size_t t = 0; t < order_.size(); ++t) order_[t] = static_cast<std::int32_t>(t);
    const auto score = [&](std::int32_t t) { return scores_[static_cast<std::size_t>(t)]; };
    std::partial_sort(
        order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(most), order_.end(),
        [&](std::int32_t a, std::int32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
    for (std::size_t i = 0; i < most && std::isfinite(score(order_[i])); ++i)
      candidates_.push_back({search_.running()[beam].score + score(order_[i]),
                             logprobs_[static_cast<std::size_t>(order_[i])], beam, order_[i]});
    return {};
  }

  /// Gives each running beam its lane: that of its parent, or a fork if another one needs that later.
  void move_lanes() {
    std::vector<std::size_t> users(lanes_.size(), 0);
    for (const beam_search::beam& b : search_.running()) ++users[b.parent];
    std::vector<beam_lane> next;
    next.reserve(search_.running().size());
    for (const beam_search::beam& b : search_.running()) {
      const bool is_last = --users[b.parent] == 0;
      next.push_back(is_last ? std::move(lanes_[b.parent]) : lanes_[b.parent].fork());
      next.back().push(b.tokens.back());
    }
    lanes_ = std::move(next);
  }

  const opened_model& model_;
  beam_search& search_;
  const stop_signal& stop_;
  const adapter* with_;
  std::vector<std::shared_ptr<const image_tokens>> encoded_;
  std::vector<beam_lane> lanes_;  // of search_.running()
  std::vector<step_part> parts_;
  std::vector<beam_candidate> candidates_;
  std::vector<float> logprobs_, scores_;
  std::vector<std::int32_t> order_;
  int reused_ = 0;
};

/// Errors: what a search cannot take.
inline result<void> try_check_beams(const generation_rules& rules, const generation_settings& s,
                                    const generation_hooks& hooks) {
  const auto with_beams = [](std::string_view sentence) {
    return fail(errc::invalid_argument, text_of("llava: num_beams above 1 ", sentence));
  };
  if (rules.temperature > 0.f) return with_beams("needs temperature 0; a search that samples is not supported");
  if (!s.stop.empty()) return with_beams("takes no stop texts; use stop_token_ids");
  if (s.top_logprobs > 0) return with_beams("takes no top_logprobs");
  if (hooks.on_logits || hooks.processor) return with_beams("takes no on_logits and no processor");
  return {};
}

}  // namespace detail

LLAVA_INLINE result<answer> try_search_beams(const opened_model& model, prepared_prompt prompt,
                                             const generation_settings& settings, const generation_hooks& hooks,
                                             const adapter* with, double prepared_in) {
  return guarded([&]() -> result<answer> {
    const model_description& described = model.opened.description;
    const generation_rules rules = effective_rules(settings, described.generation);
    LLAVA_CHECK(detail::try_check_beams(rules, settings, hooks));
    const int count = static_cast<int>(prompt.tokens.size());
    answer made;
    made.prompt_tokens = count;
    made.reason = finish_reason::length;
    if (rules.max_new_tokens <= 0) return made;

    const auto is_in = [](const std::vector<std::int32_t>& list, std::int32_t token) {
      return std::find(list.begin(), list.end(), token) != list.end();
    };
    std::vector<std::int32_t> ends = settings.stop_token_ids;
    if (!settings.ignore_eos)
      for (const std::int32_t id : described.eos)
        if (!is_in(ends, id)) ends.push_back(id);
    const int room = model.context + 1 - count;
    beam_search search(settings.num_beams, (std::min)(rules.max_new_tokens, room), std::move(ends));
    token_penalties penalties(rules.repetition_penalty, rules.suppress_tokens, settings);
    penalties.begin(penalised_tokens(prompt.tokens, described), 0);

    const stopwatch prepared;
    sequence tokens(model.blocks, std::move(prompt), static_cast<std::size_t>(count), with ? with->name() : kv_key(),
                    model.prefix_cache);
    detail::beam_searcher searcher(model, search, hooks.stop, with);
    LLAVA_CHECK(searcher.try_encode(tokens));
    made.seconds.prepare = prepared_in + prepared.seconds();
    const stopwatch clock;
    LLAVA_CHECK(searcher.try_begin(tokens, penalties));
    made.seconds.prefill = clock.seconds();
    while (!search.done()) LLAVA_CHECK(searcher.try_advance());
    made.seconds.decode = clock.seconds() - made.seconds.prefill;
    made.reused_tokens = searcher.reused();

    made.tokens = search.best().tokens;
    if (settings.logprobs) made.logprobs = search.best().logprobs;
    stream_decoder decoder(model.opened.tokenizer);
    for (const std::int32_t token : made.tokens) {
      if (!settings.ignore_eos && is_in(described.eos, token)) {
        made.reason = finish_reason::eos;
        made.text += decoder.push(token);  // omitted if it is special
      } else if (is_in(settings.stop_token_ids, token)) {
        made.reason = finish_reason::stop_token;
      } else {
        made.text += decoder.push(token);
      }
    }
    made.text += decoder.finish();
    made.text = std::string(stripped(made.text));
    if (made.reason == finish_reason::length && static_cast<int>(made.tokens.size()) < rules.max_new_tokens)
      made.reason = finish_reason::context_full;
    return made;
  });
}

LLAVA_END
