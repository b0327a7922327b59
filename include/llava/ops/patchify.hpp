// SPDX-License-Identifier: Apache-2.0
/// patchify(queue, patches, rgb, table, side, patch): cuts a square image into the rows of a patch convolution.
///   S = side, p = patch, in pixels. P = ⌊S / p⌋²: pixels right of and below the last whole patch are ignored, as by a
///   convolution without padding
///   rgb (S·S·3) u8, interleaved · table (3, 256) f32: the normalised value of each byte, per channel
///   patches (P, 3·p·p), an operand: patches row by row; inside one: channel, row, column, the order of the
///   convolution's weights
/// Bytes are looked up, so the result is exactly the table's value, rounded to the type of the operand.
#pragma once
#include <cstdint>

#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

namespace ops {
template <class Y>
shapes patchify_shapes(matrix_view<Y> patches, vector_view<const std::uint8_t> rgb, matrix_view<const float> table,
                       int side, int patch) {
  shapes s("patchify");
  s.require(patch > 0 && side >= patch, "patch is ", patch, " pixels, expected 1 to the side of the image, ", side);
  const std::ptrdiff_t grid = patch > 0 ? side / patch : 0;
  const operand pixels{"S, p", {side, patch}};
  s.expect({"patches", patches}, {grid * grid, std::ptrdiff_t{3} * patch * patch}, pixels);
  s.expect({"rgb", rgb}, std::ptrdiff_t{3} * side * side, pixels);
  s.expect({"table", table}, {3, 256});
  s.writes(patches);
  return s;
}

/// F: the format of the convolution's weights.
template <class B, class F>
concept has_patchify = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, vector_view<const std::uint8_t> rgb,
                                matrix_view<const float> table) {
  patchify(q, y, rgb, table, 336, 14);
};
}  // namespace ops

LLAVA_END
