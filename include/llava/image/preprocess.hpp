// SPDX-License-Identifier: Apache-2.0
/// Preprocessing: from an image of any size to the squares that the vision tower sees, and to their input values.
///
/// A square equals, byte for byte, that of haotian-liu/LLaVA and of transformers' image processors on Pillow (CLIP,
/// LLaVA, LLaVA-NeXT, SigLIP). Only the pixels inside the square are computed, and padding is a colour, not an image:
/// the memory needed depends on the tower's side and not on the aspect ratio, so that an image of 1 × 16384 pixels is
/// an ordinary one.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/config.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/square_part.hpp>

LLAVA_BEGIN

/// Returns the square that the tower sees: the image is resized as c.shape says, then its central c.crop × c.crop
/// pixels are taken, black where there are none: (H, W, 3) -> (S, S, 3), S = c.crop.
LLAVA_INLINE result<image> try_preprocess(const image& img, const image_config& c);

/// Returns the squares of the image's plan: (H, W, 3) -> plan.squares() times (S, S, 3).
LLAVA_INLINE result<std::vector<image>> try_cut_squares(const image& img, const image_config& c,
                                                        const image_plan& plan);

namespace detail {
/// The parts of the image that the squares of its plan show. Errors: those of try_cut_squares.
LLAVA_INLINE result<std::vector<square_part>> try_parts(const image& img, const image_config& c,
                                                        const image_plan& plan);
}  // namespace detail

/// The input value of each byte, by channel: (3, 256).
using byte_table = std::array<std::array<float, 256>, 3>;

/// Computes byte · rescale in double, rounded to float; unless c.normalise is false, subtracts mean and divides by std
/// in float. This is what transformers computes with Pillow, from 4.37 to 5.23.
LLAVA_INLINE byte_table normalise_table(const image_config& c);

/// The input values of all pixels, channel by channel: square (S, S, 3) -> (3, S, S).
LLAVA_INLINE std::vector<float> pixel_values(const image& square, const byte_table& table);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/image/preprocess_inl.hpp>
#endif
