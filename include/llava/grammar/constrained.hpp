// SPDX-License-Identifier: Apache-2.0
/// constrained: keeps the answers of a session or a request inside a grammar.
///
///   chat.hooks.processor = llava::constrained(masks);
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/generate/logits_processor.hpp>
#include <llava/grammar/constraint.hpp>

LLAVA_BEGIN

namespace detail {
class constraint_processor final : public logits_processor {
 public:
  explicit constraint_processor(const token_masks& masks) : masks_(masks), state_(masks) {}

  std::unique_ptr<logits_processor> begin() const override { return std::make_unique<constraint_processor>(masks_); }
  result<void> try_apply(std::span<float> logits) override { return state_.try_apply(logits); }
  result<void> try_accept(std::int32_t token) override {
    LLAVA_TRY(follows, state_.try_accept(token));
    if (follows) return {};
    return fail(errc::mismatch, text_of("llava: the token ", token, " cannot follow in the grammar of the answer"));
  }
  bool ended() const override { return state_.ended(); }

 private:
  token_masks masks_;
  constraint state_;
};
}  // namespace detail

/// Returns the processor of a grammar's masks, for generation_hooks::processor.
inline std::shared_ptr<const logits_processor> constrained(const token_masks& masks) {
  return std::make_shared<detail::constraint_processor>(masks);
}

LLAVA_END
