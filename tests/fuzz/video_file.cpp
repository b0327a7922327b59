// SPDX-License-Identifier: Apache-2.0
/// A video file. FFmpeg's libraries are not instrumented: this shows what the reader does with what they find.
#include <llava/image/video_file.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  av_log_set_level(AV_LOG_QUIET);
  const fuzz::file file(fuzz::text(bytes, size));
  const auto video = llava::try_read_video(file.path(), {4, true});
  if (!fuzz::succeeded(video)) return 0;
  fuzz::require(!video->frames().empty() && video->frames().size() <= 4);
  fuzz::require(video->times().size() == video->frames().size());
  for (const llava::image& frame : video->frames()) {
    fuzz::require(llava::within_image_limits(frame.width(), frame.height()));
    fuzz::require(frame.pixels().size() ==
                  std::size_t{3} * static_cast<std::size_t>(frame.width()) * static_cast<std::size_t>(frame.height()));
  }
  return 0;
}
