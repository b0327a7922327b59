// SPDX-License-Identifier: Apache-2.0
/// The inputs of a step: positions of prompts, image tokens, and the part of each sequence.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/tensor/buffer.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

class adapter;

/// One position of a prompt: a token of the vocabulary, or a row of an image's image tokens.
struct prompt_token {
  std::int32_t id = 0;   ///< ≥ 0: token; < 0: image −1 − id of the sequence
  std::int32_t row = 0;  ///< row of the image's image tokens; 0 for text

  static constexpr prompt_token of_image(int image, int row) { return {-1 - image, row}; }
  constexpr bool is_image() const { return id < 0; }
  constexpr int image() const { return -1 - id; }
  friend constexpr bool operator==(const prompt_token&, const prompt_token&) = default;
};

/// The image tokens of one image, in the backend's memory.
struct image_tokens {
  buffer memory;
  int rows = 0, width = 0;

  static result<image_tokens> try_make(const llava::memory& where, int rows, int width) {
    const auto bytes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(width) * sizeof(float);
    LLAVA_TRY(made, where.try_allocate(bytes, "image tokens"));
    return image_tokens{std::move(made), rows, width};
  }
  matrix_view<float> view() const {  // (rows, D)
    return {reinterpret_cast<float*>(memory.data()), dynamic_shape<2>(rows, width)};
  }
};

/// A sequence's part of a step: the tokens after its cached ones, the number of last rows that want logits, and the
/// adapter of all its rows, or null.
///
/// A part may follow a step whose results nobody has read yet (ops/run_ahead.hpp). It is then one token: the one that
/// row `fed_row` of that step's logits draws; `tokens` has its place, and the cache does not count that step's tokens.
struct step_part {
  kv_sequence* cache = nullptr;
  std::span<const prompt_token> tokens;
  std::span<const std::shared_ptr<const image_tokens>> encoded;
  int logit_rows = 0;
  const llava::adapter* adapter = nullptr;
  int fed_row = -1;   ///< −1: `tokens` are known
  int uncounted = 0;  ///< tokens of the sequence in that step

  int first_position() const { return cache->tokens() + uncounted; }
  /// Reserves room in the cache for the tokens. On failure nothing changes.
  result<void> try_reserve() const { return cache->try_reserve(first_position() + static_cast<int>(tokens.size())); }
};

LLAVA_END
