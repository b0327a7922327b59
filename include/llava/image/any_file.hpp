// SPDX-License-Identifier: Apache-2.0
/// any_image_formats: BMP, GIF, TIFF and WebP files beside JPEG and PNG.
///   llava::read_image("scan.tif", {.formats = llava::any_image_formats})
/// A program that wants only some of them includes bmp_file.hpp, gif_file.hpp, tiff_file.hpp or webp_file.hpp, and
/// lists what it wants in an array of image_format. Opt-in: link libjpeg-turbo, libpng, giflib, libtiff, libwebp and
/// libwebpdemux (target llava::any_image_files).
#pragma once
#include <llava/image/bmp_file.hpp>
#include <llava/image/file.hpp>
#include <llava/image/gif_file.hpp>
#include <llava/image/tiff_file.hpp>
#include <llava/image/webp_file.hpp>

LLAVA_BEGIN

/// For image_options::formats.
inline constexpr image_format any_image_formats[] = {bmp_format, gif_format, tiff_format, webp_format};

LLAVA_END
