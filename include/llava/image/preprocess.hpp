// SPDX-License-Identifier: Apache-2.0
/// From any image to the square that the vision tower sees, and the numbers that stand for its bytes.
///
/// The square is byte for byte what haotian-liu/LLaVA and transformers' image processors on Pillow (CLIP, LLaVA,
/// SigLIP) make; the two agree. Only the pixels that survive the crop are computed, and padding is a colour, not an
/// image: the memory needed depends on the tower's side and not on the aspect, so that an image of 1 × 16384 is an
/// ordinary one.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/config.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

/// (S, S, 3): the square image that the tower sees: of what c.shape says is resized the middle c.crop × c.crop, black
/// where there is nothing.
LLAVA_INLINE result<image> try_preprocess(const image& img, const image_config& c);

/// (3, 256): the number that stands for a byte in each channel.
using byte_table = std::array<std::array<float, 256>, 3>;

/// byte · rescale in double, rounded to float; then, unless c.normalise is false, minus mean and divided by std in
/// float: what transformers computes on Pillow, from 4.37 to 5.23.
LLAVA_INLINE byte_table normalise_table(const image_config& c);

/// (3, S, S): the numbers of all pixels, colours apart.
LLAVA_INLINE std::vector<float> pixel_values(const image& square, const byte_table& table);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/image/preprocess_inl.hpp>
#endif
