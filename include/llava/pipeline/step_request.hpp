// SPDX-License-Identifier: Apache-2.0
/// What a step of the language model is asked for, and what it gives (pipeline/step.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/ops/sample.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// For a step whose logits nobody changes.
inline constexpr auto unchanged_logits = [](matrix_view<float>) {};

/// What a step is asked for.
struct step_request {
  std::span<const step_part> parts;
  std::span<const sampling_params> draws{};  ///< (R) how tokens are drawn; empty: none is, and logits are given instead
  bool logprobs = false;                     ///< of the tokens drawn
  int changed_rows = 0;                      ///< so many first rows of logits go to on_logits before tokens are drawn
  function_ref<void(matrix_view<float>)> on_logits = unchanged_logits;  ///< changes (changed_rows, V)
};

/// What a step gives, in the program's memory: valid until the next step.
struct step_results {
  std::span<const std::int32_t> ids;  ///< (R) the tokens drawn
  std::span<const float> logprobs;    ///< (R) if asked for
  matrix_view<const float> logits;    ///< (R, V) if no token is drawn

  std::vector<std::byte> drawn;      // ids and logprobs, as they were downloaded
  std::vector<float> logits_memory;  // what `logits` is part of
};

LLAVA_END
