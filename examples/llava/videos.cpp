// SPDX-License-Identifier: Apache-2.0
/// The videos of the command line: a folder of frames, an animation, or a video file, as far as this build reads them.
#include <llava/image/frames_file.hpp>

#include <fstream>

#include <sys/stat.h>

#include "command.hpp"
#if LLAVA_COMMAND_ANIMATIONS
#include <llava/image/animation_file.hpp>
#endif
#if LLAVA_COMMAND_VIDEOS
#include <llava/image/video_file.hpp>
#endif

namespace {

/// The first twelve bytes of a file, or fewer.
std::string start_of(const std::string& file) {
  char bytes[12] = {};
  std::ifstream in(file, std::ios::binary);
  in.read(bytes, sizeof bytes);
  return {bytes, static_cast<std::size_t>(in.gcount())};
}

bool starts_an_animation(std::string_view bytes) {
  return bytes.starts_with("GIF8") || (bytes.starts_with("RIFF") && bytes.ends_with("WEBP"));
}

[[maybe_unused]] llava::error not_built(const std::string& file, std::string_view kind, std::string_view packages) {
  return llava::fail(
      llava::errc::unsupported,
      llava::text_of("llava: ", file, " is ", kind, ", which this build of llava does not read; install ", packages,
                     " and build it again, or give a folder of frames as JPEG or PNG files"));
}

}  // namespace

llava::result<llava::video> try_read_any_video(const std::string& path, const llava::frame_request& wanted,
                                               const llava::image_options& how) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return llava::fail_of_system(errno, "llava: cannot open the video ", path);
  if (S_ISDIR(about.st_mode)) return llava::try_read_frames(path, wanted, llava::folder_rate, how);
  if (starts_an_animation(start_of(path))) {
#if LLAVA_COMMAND_ANIMATIONS
    return llava::try_read_animation(path, wanted, how.limits);
#else
    return not_built(path, "an animation", "libgif-dev and libwebp-dev");
#endif
  }
#if LLAVA_COMMAND_VIDEOS
  av_log_set_level(AV_LOG_QUIET);  // errors are sentences
  return llava::try_read_video(path, wanted, how.limits);
#else
  return not_built(path, "a video file", "libavformat-dev, libavcodec-dev and libswscale-dev");
#endif
}
