// SPDX-License-Identifier: Apache-2.0
/// sample_frames: chooses the frames of a video that a model sees, as LLaVA-NeXT's demo does
/// (playground/demo/video_demo.py): one a second, or if these are too many, as many as asked for, at equal distances
/// from the first to the last. Also what readers of videos share.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/image/video.hpp>

LLAVA_BEGIN

/// What is asked of a reader of videos: arguments of try_sample_frames.
struct frame_request {
  int most = 32;
  bool uniform = false;
};

/// The frames of a video that a model sees.
struct frame_sample {
  std::vector<std::int64_t> indices;  ///< ascending; one may be there more than once
  std::vector<double> times;          ///< of each, in seconds
  double seconds = 0;                 ///< length of the video
};

/// Chooses at most `most` of `count` frames, `rate` of which are a second. `uniform`: exactly `most` at equal
/// distances, however few there are (force_sample of LLaVA-NeXT's config.json). Errors: a number that is not positive
/// or too large.
inline result<frame_sample> try_sample_frames(std::int64_t count, double rate, int most, bool uniform = false) {
  if (most < 1 || most > video_limits::frames)
    return fail(errc::invalid_argument,
                text_of("llava: ", most, " frames are asked for, expected 1 to ", video_limits::frames));
  if (count < 1 || count > video_limits::length)
    return fail(errc::invalid_format,
                text_of("llava: the video has ", count, " frames, expected 1 to ", video_limits::length));
  if (!(rate > 0) || !(rate <= 1e6))
    return fail(errc::invalid_format,
                "llava: the video's frames per second must be a positive number, at most 1000000");
  return guarded([&]() -> result<frame_sample> {
    frame_sample sample;
    sample.seconds = static_cast<double>(count) / rate;
    const auto below = static_cast<std::int64_t>(rate);
    const double rest = rate - static_cast<double>(below);
    const std::int64_t second = below + (rest > 0.5 || (rest == 0.5 && below % 2 != 0) ? 1 : 0);  // Python's round
    // Of less than a frame in two seconds the program fails; frames at equal distances are chosen.
    if (second > 0 && (count - 1) / second + 1 <= most && !uniform) {
      for (std::int64_t i = 0; i < count; i += second) {
        sample.indices.push_back(i);
        sample.times.push_back(static_cast<double>(i) / static_cast<double>(second));
      }
      return sample;
    }
    const int n = second == 0 && !uniform && count < most ? static_cast<int>(count) : most;
    const double step = n > 1 ? static_cast<double>(count - 1) / (n - 1) : 0;  // numpy's linspace
    for (int i = 0; i < n; ++i) {
      const bool is_last = n > 1 && i == n - 1;
      sample.indices.push_back(is_last ? count - 1 : static_cast<std::int64_t>(i * step));
      sample.times.push_back(static_cast<double>(sample.indices.back()) / rate);
    }
    return sample;
  });
}

namespace detail {

/// Frames and length of an animation.
struct animation_length {
  std::int64_t frames = 0, milliseconds = 0;
};

/// Frames a second; ten if the file states no times, as browsers show it.
inline double rate_of(const animation_length& length) {
  if (length.milliseconds <= 0) return 10.0;
  return 1000.0 * static_cast<double>(length.frames) / static_cast<double>(length.milliseconds);
}

/// The error of an animation whose frames, up to the last one asked for, have too many pixels.
inline error too_many_pixels(std::string_view name) {
  return fail(errc::unsupported, text_of("llava: the frames of ", name, " have more than ",
                                         video_limits::decoded_pixels, " pixels in total; make it smaller"));
}

/// Makes a video of the sampled frames. read(i): frame i of the file as result<const image*>; i ascends.
template <class Read>
result<video> try_collect(frame_sample sample, std::string_view name, Read&& read) {
  std::vector<image> frames;
  std::int64_t pixels = 0;
  for (const std::int64_t index : sample.indices) {
    LLAVA_TRY(frame, read(index));
    pixels += std::int64_t{frame->width()} * frame->height();
    if (pixels > video_limits::pixels)
      return fail(errc::unsupported, text_of("llava: the ", sample.indices.size(), " frames of ", name,
                                             " have more than ", video_limits::pixels, " pixels; ask for fewer"));
    frames.push_back(*frame);
  }
  return video::try_make(std::move(frames), std::move(sample.times), sample.seconds);
}

/// The same for a file that is read from its start. next(): the next frame.
template <class Next>
result<video> try_collect_in_order(frame_sample sample, std::string_view name, Next&& next) {
  const image* frame = nullptr;
  std::int64_t read = 0;
  return try_collect(std::move(sample), name, [&](std::int64_t index) -> result<const image*> {
    for (; read <= index; ++read) {
      LLAVA_TRY(found, next());
      frame = found;
    }
    return frame;
  });
}

}  // namespace detail

LLAVA_END
