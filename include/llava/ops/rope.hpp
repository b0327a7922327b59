// SPDX-License-Identifier: Apache-2.0
/// rope(queue, x, angles): rotates the heads of x (T, n·d) f32 in place, in pairs half a head apart (rotate-half).
/// rope_angles(queue, angles, positions, inverse_frequencies): angles[t] = (cos(p·f_0) …, sin(p·f_0) …)  (T, d),
/// p = positions[t].
/// Source: Su et al. 2021; the pairs are those of transformers.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/ops/shapes.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

namespace ops {
inline shapes rope_shapes(matrix_view<const float> x, matrix_view<const float> angles) {
  shapes s("rope");
  const std::ptrdiff_t width = x.extent(1), dim = angles.extent(1);
  s.require(dim > 0 && dim % 2 == 0, "angles has ", dim, " columns, expected a positive even number");
  s.require(dim <= 0 || width % dim == 0, "x has ", width,
            " columns, expected a multiple of d, the columns of angles, ", dim);
  s.expect({"angles", angles}, {x.extent(0), dim}, operand{"x", x});
  return s;
}

inline shapes rope_angles_shapes(matrix_view<const float> angles, vector_view<const std::int32_t> positions,
                                 vector_view<const float> inverse_frequencies) {
  shapes s("rope_angles");
  s.expect({"angles", angles}, {positions.extent(0), 2 * inverse_frequencies.extent(0)},
           operand{"positions", positions}, operand{"inverse_frequencies", inverse_frequencies});
  s.writes(angles);
  return s;
}
}  // namespace ops

LLAVA_END
