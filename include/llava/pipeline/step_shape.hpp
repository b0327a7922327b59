// SPDX-License-Identifier: Apache-2.0
/// The shape of a step of the language model, and the largest one of a model.
#pragma once
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The largest step, for which memory is allocated.
struct step_limits {
  int tokens = 512;  ///< T
  int sequences = 16;
  int blocks = 256;     ///< KV blocks of the longest sequence
  int logit_rows = 16;  ///< R
};

/// The shape of a step. Steps of one shape run the same ops on the same addresses, with different inputs.
struct step_shape {
  int tokens = 0;         ///< T
  int sequences = 0;      ///< S
  int blocks = 0;         ///< columns of the block table, the same in all steps of a model
  int logit_rows = 0;     ///< R
  bool to_logits = true;  ///< computes the layers and the logits
  bool draws = false;     ///< draws a token from each row of logits
  bool logprobs = false;  ///< computes the log-probability of each drawn token
  int top_logprobs = 0;   ///< K: computes that many likeliest tokens of each row of logits
  int most_rows = 0;      ///< rows of logits of the largest step, the same in all steps of a model
  friend bool operator==(const step_shape&, const step_shape&) = default;
};

LLAVA_END
