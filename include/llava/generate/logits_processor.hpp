// SPDX-License-Identifier: Apache-2.0
/// logits_processor: changes the logits of an answer's tokens and learns which tokens are chosen, for instance to keep
/// the answer inside a grammar (grammar/constrained.hpp).
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include <llava/base/error.hpp>

LLAVA_BEGIN

/// Changes logits, with a state for each answer. The calls for one answer come one after the other, within a step, on
/// any thread that asks the model. They may not ask the model themselves.
class logits_processor {
 public:
  virtual ~logits_processor() = default;
  /// Returns a processor for a new answer.
  virtual std::unique_ptr<logits_processor> begin() const = 0;
  /// Changes the logits (V) of the next token. The last change comes from here: after penalties, biases and on_logits.
  virtual result<void> try_apply(std::span<float> logits) = 0;
  /// Takes the token that was chosen. Errors: the token may not follow.
  virtual result<void> try_accept(std::int32_t token) = 0;
  /// Whether the answer ends with the last token, whatever generation_settings::ignore_eos says.
  virtual bool ended() const = 0;
};

LLAVA_END
