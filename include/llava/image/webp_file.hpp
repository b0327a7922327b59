// SPDX-License-Identifier: Apache-2.0
/// WebP files, animated or not, as an image or a video. The frames equal those of Pillow's `im.seek(i);
/// im.convert("RGB")`, which uses the same decoder: alpha is dropped. Opt-in: link libwebp and libwebpdemux (target
/// llava::webp_files).
#pragma once
#include <webp/demux.h>

#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include <llava/image/file_options.hpp>
#include <llava/image/sample_frames.hpp>

LLAVA_BEGIN

namespace detail {

/// Decodes the frames of a WebP file one after another.
class webp_frames {
 public:
  /// `bytes` and `name` must outlive it.
  webp_frames(std::span<const std::byte> bytes, std::string_view name, const image_limits& limits)
      : data_{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, name_(name), limits_(limits) {}

  /// Frames and length. Pixels are neither decoded nor allocated. Errors: damaged; a canvas beyond image_limits.
  result<animation_length> try_measure() {
    const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> file(WebPDemux(&data_), &WebPDemuxDelete);
    if (!file) return damaged();
    LLAVA_CHECK(try_check_image_size(WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_WIDTH),
                                     WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_HEIGHT), name_, limits_));
    width_ = static_cast<int>(WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_WIDTH));
    height_ = static_cast<int>(WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_HEIGHT));
    animation_length length;
    WebPIterator frame;
    for (int more = WebPDemuxGetFrame(file.get(), 1, &frame); more; more = WebPDemuxNextFrame(&frame))
      ++length.frames, length.milliseconds += frame.duration;
    WebPDemuxReleaseIterator(&frame);
    if (length.frames == 0) return damaged();
    return length;
  }

  /// Decodes the next frame. After try_measure.
  result<const image*> try_next() {
    decoded_ += std::int64_t{width_} * height_;
    if (decoded_ > video_limits::decoded_pixels) return too_many_pixels(name_);
    if (!decoder_) {
      WebPAnimDecoderOptions options;
      if (!WebPAnimDecoderOptionsInit(&options)) return damaged();
      options.color_mode = MODE_RGBA, options.use_threads = 0;
      decoder_.reset(WebPAnimDecoderNew(&data_, &options));
      if (!decoder_) return damaged();
      frame_ = image(width_, height_, limits_);
    }
    std::uint8_t* rgba = nullptr;
    int milliseconds = 0;
    if (!WebPAnimDecoderGetNext(decoder_.get(), &rgba, &milliseconds)) return damaged();
    std::uint8_t* to = frame_.pixels().data();
    for (std::size_t i = 0; i < frame_.pixels().size() / 3; ++i) std::memcpy(to + 3 * i, rgba + 4 * i, 3);
    return &frame_;
  }

 private:
  error damaged() const { return fail(errc::invalid_format, text_of("llava: ", name_, " is a damaged WebP")); }
  struct deleter {
    void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
  };

  WebPData data_;
  std::string_view name_;
  image_limits limits_;
  int width_ = 0, height_ = 0;
  std::int64_t decoded_ = 0;
  image frame_;
  std::unique_ptr<WebPAnimDecoder, deleter> decoder_;
};

inline result<video> try_decode_webp(std::span<const std::byte> bytes, const frame_request& wanted,
                                     std::string_view name, const image_limits& limits) {
  webp_frames frames(bytes, name, limits);
  LLAVA_TRY(length, frames.try_measure());
  LLAVA_TRY(sample, try_sample_frames(length.frames, rate_of(length), wanted.most, wanted.uniform));
  return try_collect_in_order(std::move(sample), name, [&] { return frames.try_next(); });
}

inline bool is_webp(std::string_view bytes) {
  return bytes.size() >= 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP";
}

inline result<image> try_decode_first_of_webp(std::span<const std::byte> bytes, std::string_view name,
                                              const image_limits& limits) {
  webp_frames frames(bytes, name, limits);
  LLAVA_CHECK(frames.try_measure());
  LLAVA_TRY(frame, frames.try_next());
  return *frame;
}

}  // namespace detail

/// WebP for image_options::formats; of an animation the first frame.
inline constexpr image_format webp_format{&detail::is_webp, &detail::try_decode_first_of_webp};

LLAVA_END
