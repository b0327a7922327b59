// SPDX-License-Identifier: Apache-2.0
/// video: frames of one video with their times. It is a value that shares its pixels, so that copies are cheap.
/// image/sample_frames.hpp chooses frames of a file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

/// The largest videos that are accepted.
namespace video_limits {
inline constexpr int frames = 1024;                                    ///< that a model sees
inline constexpr std::int64_t pixels = std::int64_t{1} << 30;          ///< of these together, three bytes each
inline constexpr std::int64_t length = 100000000;                      ///< frames of a file, seen or not
inline constexpr std::int64_t decoded_pixels = std::int64_t{1} << 33;  ///< of all frames up to the last one seen
inline constexpr std::size_t animation_bytes = std::size_t{64} << 20;  ///< of a GIF or WebP file
}  // namespace video_limits

/// Frames of a video. A folder or an animation may have frames of different sizes.
class video {
 public:
  /// `times`: of each frame, in seconds, or none; `seconds`: the length of the video. Errors: no frame, an empty one,
  /// too many; not one time for each.
  static result<video> try_make(std::vector<image> frames, std::vector<double> times = {}, double seconds = 0);

  std::span<const image> frames() const { return content_->frames; }
  std::span<const double> times() const { return content_->times; }
  double seconds() const { return content_->seconds; }
  friend bool operator==(const video& a, const video& b) {
    return a.content_ == b.content_ || a.content_->frames == b.content_->frames;
  }

 private:
  struct content {
    std::vector<image> frames;
    std::vector<double> times;
    double seconds;
  };
  explicit video(std::shared_ptr<const content> c) : content_(std::move(c)) {}
  std::shared_ptr<const content> content_;
};

inline result<video> video::try_make(std::vector<image> frames, std::vector<double> times, double seconds) {
  return guarded([&]() -> result<video> {
    if (frames.empty() || frames.size() > static_cast<std::size_t>(video_limits::frames))
      return fail(errc::invalid_argument,
                  text_of("llava: a video has ", frames.size(), " frames, expected 1 to ", video_limits::frames));
    for (const image& frame : frames)
      if (frame.empty()) return fail(errc::invalid_argument, "llava: a frame of the video is empty");
    if (!times.empty() && times.size() != frames.size())
      return fail(errc::invalid_argument,
                  text_of("llava: a video of ", frames.size(), " frames has ", times.size(), " times"));
    return video(std::make_shared<const content>(content{std::move(frames), std::move(times), seconds}));
  });
}

LLAVA_END
