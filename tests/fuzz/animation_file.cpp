// SPDX-License-Identifier: Apache-2.0
/// A GIF or WebP file. Its frames must be within the limits and have the pixels of their size.
#include <llava/image/animation_file.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto video = llava::try_decode_animation(std::as_bytes(std::span<const std::uint8_t>(bytes, size)), {4, true});
  if (!fuzz::succeeded(video)) return 0;
  fuzz::require(video->frames().size() == 4);
  for (const llava::image& frame : video->frames()) {
    fuzz::require(llava::within_image_limits(frame.width(), frame.height()));
    fuzz::require(frame.pixels().size() ==
                  std::size_t{3} * static_cast<std::size_t>(frame.width()) * static_cast<std::size_t>(frame.height()));
  }
  return 0;
}
