// SPDX-License-Identifier: Apache-2.0
/// An image file. A decoded image must be within the limits, have the pixels of its size, and become a square.
#include <llava/image/file.hpp>
#include <llava/image/preprocess.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto img = llava::try_decode_image(std::as_bytes(std::span<const std::uint8_t>(bytes, size)));
  if (!fuzz::succeeded(img)) return 0;
  fuzz::require(llava::within_image_limits(img->width(), img->height()));
  fuzz::require(img->pixels().size() ==
                std::size_t{3} * static_cast<std::size_t>(img->width()) * static_cast<std::size_t>(img->height()));
  llava::image_config c;
  c.resize = c.crop = 28;
  fuzz::require(static_cast<bool>(llava::try_preprocess(*img, c)));
  return 0;
}
