// SPDX-License-Identifier: Apache-2.0
/// Definitions of packed_step.hpp.
#pragma once
#include <algorithm>

#include <llava/ops/run_ahead.hpp>
#include <llava/pipeline/packed_step.hpp>
#include <llava/pipeline/size_class.hpp>

LLAVA_BEGIN

LLAVA_INLINE step_shape packed_step::fill(std::span<const step_part> parts, std::span<const sampling_params> draws,
                                          bool in_classes) {
  step_shape shape;
  std::size_t longest = 0;  // part
  for (std::size_t s = 0; s < parts.size(); ++s) {
    const step_part& p = parts[s];
    shape.tokens += static_cast<int>(p.tokens.size());
    shape.logit_rows += (std::min)(p.logit_rows, static_cast<int>(p.tokens.size()));
    if (p.tokens.size() > parts[longest].tokens.size()) longest = s;
  }
  shape.sequences = static_cast<int>(parts.size());
  shape.blocks = most_.blocks;
  shape.most_rows = most_.logit_rows;
  shape.draws = !draws.empty();
  if (in_classes) shape = in_size_class(shape, most_);
  bytes_.assign(step_inputs::bytes(shape), std::byte{0});
  const step_inputs in(bytes_.data(), shape);
  std::int32_t t = 0, r = 0;
  for (std::size_t s = 0; s < parts.size(); ++s) {
    const step_part& p = parts[s];
    for (std::size_t i = 0; i < p.tokens.size(); ++i, ++t) {
      const prompt_token& token = p.tokens[i];
      const int position = p.first_position() + static_cast<int>(i);
      in.ids(t) = p.fed_row >= 0 ? fed_by(p.fed_row) : token.is_image() ? -1 : token.id;
      in.image_rows(t) = token.is_image() ? t : -1;
      in.positions(t) = position;
      in.sequences(t) = static_cast<std::int32_t>(s);
      in.kv_slots(t) = p.cache->slot(position);
      if (i + static_cast<std::size_t>(p.logit_rows) >= p.tokens.size()) in.logit_rows(r++) = t;
    }
    std::copy(p.cache->blocks().begin(), p.cache->blocks().end(), in.blocks.row(static_cast<std::ptrdiff_t>(s)));
  }
  for (; t < shape.tokens; ++t) {
    in.image_rows(t) = in.kv_slots(t) = -1;
    in.sequences(t) = static_cast<std::int32_t>(longest);
  }
  std::fill(std::copy(draws.begin(), draws.end(), in.draws.data()), in.draws.data() + in.draws.size(),
            sampling_params{});
  return shape;
}

LLAVA_END
