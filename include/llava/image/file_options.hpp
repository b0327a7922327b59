// SPDX-License-Identifier: Apache-2.0
/// image_options: how image files are read.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

/// What is done with the orientation that the EXIF data of a file states.
enum class orientation {
  ignore,  ///< nothing, as LLaVA's own program: Pillow's `Image.open(f)`. A TIFF is turned all the same, as there
  apply    ///< the image is turned, as Pillow's `ImageOps.exif_transpose` does
};

/// A format of image files beside JPEG and PNG: bmp_format, gif_format, tiff_format, webp_format.
struct image_format {
  /// Whether the bytes are those of such a file, by their first ones.
  bool (*matches)(std::string_view bytes);
  result<image> (*decode)(std::span<const std::byte> bytes, std::string_view name, const image_limits& limits);
};

/// How image files are read.
struct image_options {
  image_limits limits = {};
  orientation exif = orientation::ignore;
  std::span<const image_format> formats = {};  ///< that are read beside JPEG and PNG; must outlive the options
};

LLAVA_END
