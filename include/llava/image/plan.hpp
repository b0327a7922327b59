// SPDX-License-Identifier: Apache-2.0
/// image_plan: the squares that are cut from an image and the order of their image tokens. It follows from the
/// configuration and the image's size alone, so the number of image tokens is known before anything is computed.
///
/// Any resolution, as in LLaVA-1.6: of several canvases the one is chosen that keeps most pixels of the image, and of
/// those the one with the least waste. The image is fitted to it, centred on black, and cut into tiles row by row. The
/// image tokens of the tiles, g × g of each, form one map. Every merge is one gather of rows from [image tokens of all
/// squares; newline]: of one row a token, of several weighted rows where a map is shrunk, or of the largest values of
/// several rows where it is pooled. LLaVA-NeXT has two other ways onto a canvas (canvas_fit). Sources:
/// haotian-liu/LLaVA (mm_utils.py, llava_arch.py), LLaVA-NeXT's version of them, and transformers' LlavaNext and
/// LlavaOnevision; where they round differently, tiling_config states whose rule counts.
#pragma once
#include <cstdint>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

/// No image has more image tokens.
inline constexpr std::int64_t image_token_limit = 1 << 24;

/// One square of an image: the image is resized to width × height pixels, and the square's left upper corner lies at
/// (left, top) of it. The square is black where the image is not. `padded`: the image is padded to a square with the
/// mean colour before it is resized.
struct image_tile {
  int width = 0, height = 0, left = 0, top = 0;
  bool padded = false;
  friend bool operator==(const image_tile&, const image_tile&) = default;
};

/// The squares of an image and the order of their image tokens.
struct image_plan {
  std::vector<image_tile> tiles;         ///< empty: one square, by image_config::shape
  int tokens = 0;                        ///< image tokens of the image
  int terms = 1;                         ///< rows of which a token is made
  std::vector<std::int32_t> token_rows;  ///< (tokens, terms) rows of [squares; newline], −1: none; empty: all squares'
  std::vector<float> weights;  ///< (tokens, terms): a token is their weighted sum; empty: their largest values

  int squares() const { return tiles.empty() ? 1 : static_cast<int>(tiles.size()); }
};

/// Plans an image of width × height pixels. `rows`: image tokens of one square. Errors: a size beyond
/// image_limits::most(); a configuration that breaks its rules; a spatial merge of squares whose rows are no square
/// grid; too many tokens.
LLAVA_INLINE result<image_plan> try_plan_image(const image_config& c, int rows, int width, int height);

/// @name The most of any image
/// For a configuration that obeys its rules.
/// @{
LLAVA_INLINE int most_squares(const image_config& c);
/// `rows`: image tokens of one square.
LLAVA_INLINE int most_image_tokens(const image_config& c, int rows);
/// @}

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/image/plan_inl.hpp>
#endif
