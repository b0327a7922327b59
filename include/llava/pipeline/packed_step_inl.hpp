// SPDX-License-Identifier: Apache-2.0
/// Definitions of packed_step.hpp.
#pragma once
#include <algorithm>

#include <llava/pipeline/packed_step.hpp>

LLAVA_BEGIN

LLAVA_INLINE step_shape packed_step::fill(std::span<const step_part> parts, std::span<const sampling_params> draws) {
  step_shape shape;
  for (const step_part& p : parts) {
    shape.tokens += static_cast<int>(p.tokens.size());
    shape.logit_rows += (std::min)(p.logit_rows, static_cast<int>(p.tokens.size()));
  }
  shape.sequences = static_cast<int>(parts.size());
  shape.blocks = blocks_;
  bytes_.assign(step_inputs::bytes(shape), std::byte{0});
  const step_inputs in(bytes_.data(), shape);
  std::int32_t t = 0, r = 0;
  for (std::int32_t s = 0; s < shape.sequences; ++s) {
    const step_part& p = parts[static_cast<std::size_t>(s)];
    for (std::size_t i = 0; i < p.tokens.size(); ++i, ++t) {
      const prompt_token& token = p.tokens[i];
      const int position = p.cache->tokens() + static_cast<int>(i);
      in.ids(t) = token.is_image() ? -1 : token.id;
      in.image_rows(t) = token.is_image() ? t : -1;
      in.positions(t) = position;
      in.sequences(t) = s;
      in.kv_slots(t) = p.cache->slot(position);
      if (i + static_cast<std::size_t>(p.logit_rows) >= p.tokens.size()) in.logit_rows(r++) = t;
    }
    std::copy(p.cache->blocks().begin(), p.cache->blocks().end(), in.blocks.row(s));
  }
  std::copy(draws.begin(), draws.end(), in.draws.data());
  return shape;
}

LLAVA_END
