// SPDX-License-Identifier: Apache-2.0
/// generation: the state of one answer. It chooses each next token, decodes its text, and decides when to end. A
/// session drives one and a batch several, with the same result. Logits that are NaN or +infinity, or all -infinity,
/// are errors, and no token is chosen. effective_rules merges the settings of the caller and the folder.
#pragma once
#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/base/stopwatch.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/generate/logits_processor.hpp>
#include <llava/generate/penalties.hpp>
#include <llava/generate/random.hpp>
#include <llava/generate/settings.hpp>
#include <llava/generate/stop_text.hpp>
#include <llava/ops/sample.hpp>
#include <llava/pipeline/step_request.hpp>
#include <llava/pipeline/workspace.hpp>
#include <llava/text/stream_decoder.hpp>

LLAVA_BEGIN

/// Returns the caller's settings, or the folder's if unset. A given temperature applies whether or not the folder
/// samples. An unset one is the folder's if it samples, and 0 (greedy) otherwise.
inline generation_rules effective_rules(const generation_settings& s, const generation_defaults& folder) {
  generation_rules r;
  r.max_new_tokens = s.max_new_tokens.value_or(folder.max_new_tokens > 0 ? folder.max_new_tokens : r.max_new_tokens);
  r.temperature = s.temperature.value_or(folder.do_sample ? folder.temperature : 0.f);
  r.top_p = s.top_p.value_or(folder.top_p);
  r.top_k = s.top_k.value_or(folder.top_k);
  r.min_p = s.min_p.value_or(folder.min_p);
  r.repetition_penalty = s.repetition_penalty.value_or(folder.repetition_penalty);
  r.suppress_tokens = s.suppress_tokens.value_or(folder.suppress_tokens);
  return r;
}

/// Returns the tokens of a prompt that a repetition penalty applies to: all, and an image counts as `<image>`. In
/// original folders it is BOS alone: LLaVA passes embeddings to transformers 4.37, which replaces the prompt by that
/// one token.
inline std::vector<std::int32_t> penalised_tokens(std::span<const prompt_token> prompt, const model_description& m) {
  if (m.prompt == prompt_rule::original) return {m.bos};
  std::vector<std::int32_t> before;
  before.reserve(prompt.size());
  for (const prompt_token& t : prompt) before.push_back(t.is_image() ? m.image_token : t.id);
  return before;
}

/// The state of one answer.
class generation {
 public:
  /// `words` and `model` must outlive it.
  generation(const tokenizer& words, const model_description& model, const generation_settings& settings,
             const generation_hooks& hooks)
      : model_(model),
        settings_(settings),
        rules_(effective_rules(settings, model.generation)),
        hooks_(hooks),
        processor_(hooks.processor ? hooks.processor->begin() : nullptr),
        penalties_(rules_.repetition_penalty, rules_.suppress_tokens, settings_),
        decoder_(words),
        stop_(settings_.stop) {
    result_.tokens.reserve(usual_length());
    result_.text.reserve(8 * usual_length());
    if (settings_.logprobs) result_.logprobs.reserve(usual_length());
    result_.top_logprobs.reserve(usual_length() * static_cast<std::size_t>((std::max)(settings_.top_logprobs, 0)));
    done_ = rules_.max_new_tokens <= 0;
    result_.reason = finish_reason::length;
  }
  generation(const generation&) = delete;
  generation& operator=(const generation&) = delete;

  /// Sets the prompt, which took `prepare` seconds to make.
  void begin(std::span<const prompt_token> prompt, double prepare) {
    begun_ = {};
    result_.seconds.prepare = prepare;
    result_.prompt_tokens = static_cast<int>(prompt.size());
    if (penalties_.in_force()) penalties_.begin(penalised_tokens(prompt, model_), usual_length());
  }

  /// Restarts the clock of the prefill, after `seconds` of preparation.
  void prepared(double seconds) {
    begun_ = {};
    result_.seconds.prepare = seconds;
  }

  const generation_rules& rules() const { return rules_; }
  bool done() const { return done_; }
  /// The last token, which the next step takes.
  std::int32_t last() const { return result_.tokens.back(); }
  answer& result() { return result_; }

  bool wants_logprobs() const { return settings_.logprobs; }
  bool wants_top_logprobs() const { return settings_.top_logprobs > 0; }
  /// Whether the logits are needed on the host before a token is drawn, for penalties or for a hook.
  bool changes_logits() const { return hooks_.on_logits || processor_ || penalties_.in_force(); }
  /// Applies the penalties and the hook to the logits (V), unless one is NaN or +infinity.
  void change_logits(std::span<float> logits) {
    changed_ = changes_logits() && std::all_of(logits.begin(), logits.end(),
                                               [](float l) { return l < std::numeric_limits<float>::infinity(); });
    if (!changed_) return;
    penalties_.apply(logits);
#if LLAVA_EXCEPTIONS
    try {
      if (hooks_.on_logits) hooks_.on_logits(logits);
    } catch (...) {
      thrown_ = std::current_exception();
    }
#else
    if (hooks_.on_logits) hooks_.on_logits(logits);
#endif
    if (processor_) processed_ = processor_->try_apply(logits);
  }
#if LLAVA_EXCEPTIONS
  /// The exception that on_logits has thrown, if any. The next try_push is then an error.
  const std::exception_ptr& thrown() const { return thrown_; }
#endif
  /// The sampling parameters of the token that comes `ahead` tokens after the next one.
  sampling_params draw(std::size_t ahead = 0) const {
    return {.temperature = rules_.temperature,
            .top_p = rules_.top_p,
            .top_k = rules_.top_k,
            .uniform = uniform(settings_.seed, result_.tokens.size() + ahead),
            .min_p = rules_.min_p};
  }

  /// Takes the token that was drawn, row `row` of a step's results, and returns new text. Errors: no token could be
  /// drawn.
  llava::result<std::string_view> try_push(const step_results& drawn, std::size_t row) {
    LLAVA_CHECK(std::exchange(processed_, {}));
    const std::int32_t token = drawn.ids[row];
#if LLAVA_EXCEPTIONS
    if (thrown_) return fail(errc::cancelled, "llava: the logits hook has thrown an exception");
#endif
    if (token < 0) return nothing_drawn(token);
    result_.tokens.push_back(token);
    if (result_.tokens.size() == 1)
      result_.seconds.prefill = begun_.seconds();
    else
      result_.seconds.decode = begun_.seconds() - result_.seconds.prefill;
    penalties_.add(token);
    if (settings_.logprobs) result_.logprobs.push_back(drawn.logprobs[row]);
    if (wants_top_logprobs()) {  // a step computes as many as any answer can have
      const token_logprob* const top = drawn.top_logprobs.row(static_cast<std::ptrdiff_t>(row));
      result_.top_logprobs.insert(
          result_.top_logprobs.end(), top,
          top + (std::min)(std::ptrdiff_t{settings_.top_logprobs}, drawn.top_logprobs.extent(1)));
    }
    const auto is_in = [&](const std::vector<std::int32_t>& ends) {
      return std::find(ends.begin(), ends.end(), token) != ends.end();
    };
    if (processor_) LLAVA_CHECK(processor_->try_accept(token));
    const bool by_processor = processor_ && processor_->ended();
    const bool eos = by_processor || (!settings_.ignore_eos && is_in(model_.eos));
    if (by_processor || (!eos && is_in(settings_.stop_token_ids))) {
      end(eos ? finish_reason::eos : finish_reason::stop_token);
      return std::string_view();
    }
    // An eos token that is an ordinary word is text, as in the reference; the decoder omits a special one.
    const std::string_view text = stop_.push(decoder_.push(token));
    result_.text += text;
    if (eos) {
      end(finish_reason::eos);
      return text;
    }
    if (stop_.reached()) end(finish_reason::stop_text);
    if (static_cast<int>(result_.tokens.size()) >= rules_.max_new_tokens && !done_) end(finish_reason::length);
    return text;
  }

  /// Returns the text that was held back, after the last token. The result is then complete and, as in the reference,
  /// without white space at its ends.
  std::string_view finish() {
    tail_ = stop_.reached() ? std::string() : std::string(stop_.push(decoder_.finish()));
    if (!stop_.reached()) tail_ += stop_.finish();
    result_.text += tail_;
    result_.text = std::string(stripped(result_.text));
    return tail_;
  }
  void end(finish_reason why) {
    done_ = true;
    result_.reason = why;
  }

 private:
  error nothing_drawn(std::int32_t why) const {
    const bool left = why == no_token_left;
    if (changed_ && hooks_.on_logits)
      return fail(errc::invalid_argument,
                  left ? "llava: the logits hook forbids every token; it must leave one above -infinity"
                       : "llava: the logits hook made a logit NaN or +infinity");
    if (changed_ && processor_ && left)
      return fail(errc::invalid_argument,
                  "llava: suppress_tokens or a bias forbids every token that the answer's grammar allows");
    if (changed_)
      return fail(errc::invalid_argument,
                  left ? "llava: suppress_tokens forbids every token; it must leave one"
                       : "llava: the repetition_penalty makes logits infinite; set one nearer to 1");
    return fail(
        errc::not_finite,
        text_of("llava: the model's logits are ", left ? "all -infinity" : "NaN or +infinity in places", " after ",
                result_.tokens.size(),
                " tokens: its weights are damaged, or its values overflow the format of the weights or the KV cache"));
  }
  /// Number of tokens to reserve, so that decoding a usual answer allocates nothing. max_new_tokens may be too large to
  /// reserve.
  std::size_t usual_length() const { return static_cast<std::size_t>(std::clamp(rules_.max_new_tokens, 0, 4096)); }

  const model_description& model_;
  generation_settings settings_;
  generation_rules rules_;
  generation_hooks hooks_;
  std::unique_ptr<logits_processor> processor_;
  llava::result<void> processed_{};
  token_penalties penalties_;
  stream_decoder decoder_;
  stop_text stop_;
  answer result_;
  stopwatch begun_;
  std::string tail_;
  bool done_ = false;
  bool changed_ = false;  // penalties or the hook changed the next token's logits
#if LLAVA_EXCEPTIONS
  std::exception_ptr thrown_;
#endif
};

/// Queues a step that draws a token from each row of logits, with logprobs if any generation wants them; the results
/// are `to` after w.finish(to). Generations that change their logits must come first, with one row each.
inline result<void> begin_draw(workspace& w, std::span<const step_part> parts, std::span<const drawn_row> rows,
                               function_ref<bool()> go_on, step_results& to) {
  step_request asked{parts};
  w.draws.clear();
  for (const drawn_row& r : rows) {
    w.draws.push_back(r.made->draw(r.ahead));
    asked.logprobs = asked.logprobs || r.made->wants_logprobs();
    asked.top_logprobs = asked.top_logprobs || r.made->wants_top_logprobs();
    asked.changed_rows += r.made->changes_logits();
  }
  asked.draws = w.draws;
  const auto change = [&](matrix_view<float> logits) {
    for (std::ptrdiff_t r = 0; r < logits.extent(0); ++r)
      rows[static_cast<std::size_t>(r)].made->change_logits(
          {logits.row(r), static_cast<std::size_t>(logits.extent(1))});
  };
  asked.on_logits = change;
  return w.begin(asked, go_on, to);
}

LLAVA_END
