// SPDX-License-Identifier: Apache-2.0
/// packed_step: the inputs of a step in one block of bytes, which one upload copies to the backend, and the outputs
/// that one download copies back. All offsets follow from the step's shape.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/ops/sample.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/pipeline/step_shape.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// The inputs of a step, one array after another, in host memory or the backend's.
struct step_inputs {
  vector_view<std::int32_t> ids;         ///< (T) token, −1 for an image token, or fed_by(row) (ops/run_ahead.hpp)
  vector_view<std::int32_t> image_rows;  ///< (T) row of the step's image tokens, or −1
  vector_view<std::int32_t> positions;   ///< (T) position in the sequence
  vector_view<std::int32_t> sequences;   ///< (T) row of `blocks`
  vector_view<std::int32_t> kv_slots;    ///< (T) slot of key and value in the KV cache, or −1: none
  matrix_view<std::int32_t> blocks;      ///< (S, blocks) block table, 0 after a sequence's last
  vector_view<std::int32_t> logit_rows;  ///< (R) rows of x whose logits are computed
  vector_view<sampling_params> draws;    ///< (R) sampling parameters

  step_inputs(std::byte* at, const step_shape& s) {
    const auto next = [&]<class T>(vector_view<T>& v, int n) {
      v = {reinterpret_cast<T*>(at), dynamic_shape<1>(n)};
      at += static_cast<std::size_t>(n) * sizeof(T);
    };
    for (auto* v : {&ids, &image_rows, &positions, &sequences, &kv_slots}) next(*v, s.tokens);
    vector_view<std::int32_t> table;
    next(table, s.sequences * s.blocks);
    blocks = {table.data(), dynamic_shape<2>(s.sequences, s.blocks)};
    next(logit_rows, s.logit_rows);
    next(draws, s.logit_rows);
  }
  static constexpr std::size_t bytes(const step_shape& s) {
    const auto integers = 5 * std::int64_t{s.tokens} + std::int64_t{s.sequences} * s.blocks + s.logit_rows;
    return static_cast<std::size_t>(integers) * sizeof(std::int32_t) +
           static_cast<std::size_t>(s.logit_rows) * sizeof(sampling_params);
  }
};

/// The outputs of a step, in the same form.
struct step_outputs {
  vector_view<std::int32_t> ids;            ///< (R)
  vector_view<float> logprobs;              ///< (R), or empty if not requested
  matrix_view<token_logprob> top_logprobs;  ///< (R, K)

  step_outputs(std::byte* at, const step_shape& s)
      : ids(reinterpret_cast<std::int32_t*>(at), dynamic_shape<1>(s.logit_rows)),
        logprobs(reinterpret_cast<float*>(at) + s.logit_rows, dynamic_shape<1>(s.logprobs ? s.logit_rows : 0)),
        top_logprobs(reinterpret_cast<token_logprob*>(at + bytes(s) - bytes_of_top(s)),
                     dynamic_shape<2>(s.logit_rows, s.top_logprobs)) {}
  static constexpr std::size_t bytes(const step_shape& s) {
    return static_cast<std::size_t>(s.logit_rows) * (sizeof(std::int32_t) + (s.logprobs ? sizeof(float) : 0)) +
           bytes_of_top(s);
  }

 private:
  static constexpr std::size_t bytes_of_top(const step_shape& s) {
    return static_cast<std::size_t>(s.logit_rows) * static_cast<std::size_t>(s.top_logprobs) * sizeof(token_logprob);
  }
};

/// The inputs of a step in host memory, before the upload. Allocated once, for the largest step.
class packed_step {
 public:
  explicit packed_step(const step_limits& m) : most_(m) {
    bytes_.reserve(step_inputs::bytes({m.tokens, m.sequences, m.blocks, m.logit_rows}));
  }

  /// Writes the parts one after another, then the rows of a size class (pipeline/size_class.hpp) if `in_classes`. The
  /// caches must have room for the parts. draws: (R), or empty.
  step_shape fill(std::span<const step_part> parts, std::span<const sampling_params> draws, bool in_classes = false);

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  step_limits most_;
  std::vector<std::byte> bytes_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/packed_step_inl.hpp>
#endif
