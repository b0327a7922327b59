// SPDX-License-Identifier: Apache-2.0
/// Definitions of visual.hpp.
#pragma once
#include <cstdint>

#include <llava/image/visual.hpp>

LLAVA_BEGIN

namespace detail {
inline void hash_image(sha256& h, const image& img) {
  h.update_value(std::int64_t{img.width()}).update_value(std::int64_t{img.height()}).update_values(img.pixels());
}
}  // namespace detail

LLAVA_INLINE content_id content_of(const image& img) {
  sha256 h;
  h.update_value(std::uint64_t{0});  // no video of no frames
  detail::hash_image(h, img);
  return h.digest();
}

LLAVA_INLINE content_id content_of(const video& frames) {
  sha256 h;
  h.update_value(std::uint64_t{frames.frames().size()});
  for (const image& frame : frames.frames()) detail::hash_image(h, frame);
  return h.digest();
}

LLAVA_END
