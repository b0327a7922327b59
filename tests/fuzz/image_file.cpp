// SPDX-License-Identifier: Apache-2.0
/// An image file, in every format if all libraries are there. A decoded image must be within the limits, have the
/// pixels of its size, and become a square; turned, it has the same pixels.
#include <llava/image/preprocess.hpp>
#if LLAVA_FUZZ_ANY_IMAGE
#include <llava/image/any_file.hpp>
#else
#include <llava/image/bmp_file.hpp>
#include <llava/image/file.hpp>
#endif

#include "fuzz.hpp"

#if LLAVA_FUZZ_ANY_IMAGE
constexpr auto& formats = llava::any_image_formats;
#else
constexpr llava::image_format formats[] = {llava::bmp_format};
#endif

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto file = std::as_bytes(std::span<const std::uint8_t>(bytes, size));
  // Smaller than the default, so that an execution takes little time and memory.
  const llava::image_limits limits{.pixels = 1 << 22};
  const auto img = llava::try_decode_image(file, "the image", {.limits = limits, .formats = formats});
  if (!fuzz::succeeded(img)) return 0;
  fuzz::require(llava::within_image_limits(img->width(), img->height(), limits));
  const auto turned = llava::try_decode_image(
      file, "the image", {.limits = limits, .exif = llava::orientation::apply, .formats = formats});
  fuzz::require(turned && turned->pixels().size() == img->pixels().size());
  fuzz::require(img->pixels().size() ==
                std::size_t{3} * static_cast<std::size_t>(img->width()) * static_cast<std::size_t>(img->height()));
  llava::image_config c;
  c.resize = c.crop = 28;
  fuzz::require(static_cast<bool>(llava::try_preprocess(*img, c)));
  return 0;
}
