// SPDX-License-Identifier: Apache-2.0
/// generation: one answer in the making: the choice of each next token, its text, and when to end. Sessions drive one,
/// batches several; neither changes what it produces. Logits that are not numbers, and a hook that leaves nothing to choose
/// from, are errors: no token is made up.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/generate/random.hpp>
#include <llava/generate/settings.hpp>
#include <llava/generate/stop_text.hpp>
#include <llava/ops/rows.hpp>
#include <llava/ops/sample.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/text/stream_decoder.hpp>

LLAVA_BEGIN

/// One answer in the making.
class generation {
 public:
  generation(const tokenizer& words, std::span<const std::int32_t> eos, const generation_settings& settings,
             const generation_hooks& hooks)
      : settings_(settings), hooks_(hooks), eos_(eos), decoder_(words), stop_(settings_.stop) {
    // Room for any usual answer, so that decoding allocates nothing; max_new_tokens may be a number that no memory holds.
    const auto usual = static_cast<std::size_t>(std::clamp(settings_.max_new_tokens, 0, 4096));
    result_.tokens.reserve(usual);
    result_.text.reserve(8 * usual);
    if (settings_.logprobs) result_.logprobs.reserve(usual);
    done_ = settings_.max_new_tokens <= 0;
    result_.reason = finish_reason::length;
  }
  generation(const generation&) = delete;
  generation& operator=(const generation&) = delete;

  bool done() const { return done_; }
  /// The token to feed next.
  std::int32_t last() const { return result_.tokens.back(); }
  answer& result() { return result_; }

  /// Whether the logits themselves are needed on the host, for a hook or for probabilities.
  bool wants_logits() const { return hooks_.on_logits || settings_.logprobs; }
  /// Lets the hook change the logits (V), if they are numbers.
  void change_logits(std::span<float> logits) {
    hook_ran_ = hooks_.on_logits && std::all_of(logits.begin(), logits.end(),
                                                [](float l) { return l < std::numeric_limits<float>::infinity(); });
    if (hook_ran_) call_back([&] { hooks_.on_logits(logits); });
  }
  sample_draw draw() const {
    return {settings_.temperature, settings_.top_p, settings_.top_k, uniform(settings_.seed, result_.tokens.size())};
  }

  /// Takes the token that was drawn, with the logits (V) it was drawn from when they are wanted, and returns new text.
  /// Errors: there was nothing to draw from.
  llava::result<std::string_view> try_push(std::int32_t token, std::span<const float> logits) {
    if (token < 0) return nothing_drawn(token);
    result_.tokens.push_back(token);
    if (settings_.logprobs) result_.logprobs.push_back(logprob(logits, token));
    if (!settings_.ignore_eos && std::find(eos_.begin(), eos_.end(), token) != eos_.end()) {
      end(finish_reason::eos);
      return std::string_view();
    }
    const std::string_view text = stop_.push(decoder_.push(token));
    result_.text += text;
    if (stop_.reached()) end(finish_reason::stop_text);
    if (static_cast<int>(result_.tokens.size()) >= settings_.max_new_tokens && !done_) end(finish_reason::length);
    return text;
  }

  /// After the last token: text that was held back. Then the result is whole, without white space at its ends, as the
  /// reference stores an answer.
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
    if (hook_ran_)
      return fail(errc::invalid_argument,
                  left ? "llava: the logits hook forbids every token; it must leave one above -infinity"
                       : "llava: the logits hook made a logit NaN or +infinity");
    return fail(
        errc::not_finite,
        text_of("llava: the model's logits are ", left ? "all -infinity" : "not all numbers", " after ",
                result_.tokens.size(),
                " tokens: its weights are damaged, or its values overflow the formats of weights and KV cache"));
  }
  static float logprob(std::span<const float> logits, std::int32_t token) {
    const float largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (float l : logits) sum += std::exp(static_cast<double>(l - largest));
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(token)] - largest) - std::log(sum));
  }

  generation_settings settings_;
  generation_hooks hooks_;
  std::span<const std::int32_t> eos_;
  stream_decoder decoder_;
  stop_text stop_;
  answer result_;
  std::string tail_;
  bool done_ = false;
  bool hook_ran_ = false;  // on the logits of the next token
};

/// Draws the next token of each row of `rows` (R, V) into `tokens` (R). `logits` (R · V) is room for the values of the rows
/// whose generations want them, one row after another. No hook sees what a failed queue has left there.
template <class Q>
result<void> draw_tokens(Q& q, matrix_view<float> rows, std::span<generation* const> generations,
                         std::span<float> logits, std::span<std::int32_t> tokens) {
  arena_scope scope(q.workspace());
  const std::ptrdiff_t n = rows.extent(0), vocab = rows.extent(1);
  const vector_view<sample_draw> draws(q.workspace().template take<sample_draw>(n), dynamic_shape<1>(n));  // (R)
  const vector_view<std::int32_t> ids(q.workspace().template take<std::int32_t>(n), dynamic_shape<1>(n));  // (R)
  for (std::ptrdiff_t r = 0; r < n; ++r) {
    generation& g = *generations[static_cast<std::size_t>(r)];
    const sample_draw draw = g.draw();
    upload(q, vector_view<sample_draw>(draws.data() + r, dynamic_shape<1>(1)), std::span<const sample_draw>(&draw, 1));
    if (!g.wants_logits()) continue;
    const std::span<float> values =
        logits.subspan(static_cast<std::size_t>(r * vocab), static_cast<std::size_t>(vocab));
    const vector_view<float> row(rows.row(r), dynamic_shape<1>(vocab));  // (V)
    download(q, values, vector_view<const float>(row));
    LLAVA_CHECK(q.finish());
    g.change_logits(values);
    upload(q, row, std::span<const float>(values));
  }
  sample(q, ids, rows, draws);
  download(q, tokens, vector_view<const std::int32_t>(ids));
  return q.finish();
}

LLAVA_END
