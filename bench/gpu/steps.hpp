// SPDX-License-Identifier: Apache-2.0
/// Steps of the language model of an opened model, without a conversation: prefill and decode of some sequences, whose
/// next tokens are drawn on the device.
#pragma once
#include <span>
#include <vector>

#include <llava/pipeline/opened_model.hpp>

namespace gpu {

/// The token ids are arbitrary: only their number matters.
class stepper {
 public:
  stepper(const llava::opened_model& model, llava::workspace_pool::lease lent, int sequences)
      : model_(model), lent_(std::move(lent)), draws_(static_cast<std::size_t>(sequences)) {
    for (int i = 0; i < sequences; ++i) caches_.emplace_back(model.blocks);
  }

  /// Appends `tokens` tokens to each sequence, one sequence after the other, in chunks of the largest step; draws a
  /// token after the last of each.
  llava::result<void> prefill(int tokens) {
    for (std::size_t s = 0; s < caches_.size(); ++s)
      for (int left = tokens; left > 0;) {
        const int n = std::min(left, model_.limits.tokens);
        left -= n;
        LLAVA_CHECK(run(s, 1, n, left == 0));
      }
    return {};
  }
  /// Appends one token to each sequence in one step, and draws the next ones.
  llava::result<void> decode() { return run(0, caches_.size(), 1, true); }
  /// Forgets all but the first `tokens` tokens of each sequence.
  void forget(int tokens) {
    for (llava::kv_sequence& c : caches_) c.truncate(tokens);
  }

 private:
  llava::result<void> run(std::size_t first, std::size_t count, int tokens, bool draws) {
    const auto n = static_cast<std::size_t>(tokens);
    ids_.resize(count * n);
    parts_.assign(count, {});
    for (std::size_t i = 0; i < count; ++i) {
      llava::kv_sequence& cache = caches_[first + i];
      for (std::size_t t = 0; t < n; ++t)
        ids_[i * n + t] = {static_cast<std::int32_t>((static_cast<std::size_t>(cache.tokens()) + t + 31 * (first + i)) *
                                                     7919 % static_cast<std::size_t>(model_.vocab())),
                           0};
      parts_[i].cache = &cache;
      parts_[i].tokens = std::span<const llava::prompt_token>(ids_).subspan(i * n, n);
      parts_[i].logit_rows = draws ? 1 : 0;
      LLAVA_CHECK(parts_[i].try_reserve());
    }
    llava::step_request asked{parts_};
    if (draws) asked.draws = std::span<const llava::sampling_params>(draws_).first(count);
    LLAVA_CHECK(lent_->run(asked, [] { return true; }));
    for (std::size_t i = 0; draws && i < count; ++i)
      if (lent_->results.ids[i] < 0 || lent_->results.ids[i] >= model_.vocab())
        return llava::fail(llava::errc::not_finite, "no token could be drawn from the logits");
    return {};
  }

  const llava::opened_model& model_;
  std::vector<llava::kv_sequence> caches_;  // ends after the workspace
  llava::workspace_pool::lease lent_;
  std::vector<llava::sampling_params> draws_;  // greedy
  std::vector<llava::prompt_token> ids_;
  std::vector<llava::step_part> parts_;
};

}  // namespace gpu
