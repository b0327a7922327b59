// SPDX-License-Identifier: Apache-2.0
/// The request and the results of a step of the language model (pipeline/step.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/ops/run_ahead.hpp>
#include <llava/ops/sample.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Leaves the logits unchanged.
inline constexpr auto unchanged_logits = [](matrix_view<float>) {};

class generation;

/// A row of a step's logits: the generation that draws from it, and how many tokens after its next one.
struct drawn_row {
  generation* made;
  std::size_t ahead = 0;
};

/// The request of a step.
struct step_request {
  std::span<const step_part> parts;
  std::span<const sampling_params> draws{};  ///< (R) for drawing tokens; empty: results are logits instead
  bool logprobs = false;                     ///< computes those of the drawn tokens
  bool top_logprobs = false;                 ///< computes the likeliest tokens of each row
  int changed_rows = 0;  ///< number of first rows of logits that go to on_logits before tokens are drawn
  function_ref<void(matrix_view<float>)> on_logits = unchanged_logits;  ///< changes (changed_rows, V)
};

/// The results of a step, in host memory; valid until the next step that has the same object.
struct step_results {
  std::span<const std::int32_t> ids;              ///< (R) the drawn tokens
  std::span<const float> logprobs;                ///< (R), if requested; from the logits before on_logits
  matrix_view<const token_logprob> top_logprobs;  ///< (R, K), if requested; likewise
  matrix_view<const float> logits;                ///< (R, V) if no token is drawn; (changed_rows, V) after on_logits

  std::vector<std::byte> drawn;      // downloaded ids, logprobs and top_logprobs
  std::vector<float> logits_memory;  // memory of `logits`
  download_ticket arrival;           // of `drawn`, if the queue runs ahead
};

LLAVA_END
