// SPDX-License-Identifier: Apache-2.0
/// read_video: reads frames of a video file through FFmpeg's libraries, as RGB, without rotation.
///
/// The file is read once without decoding: its packets state the times of all frames. Then, for each frame that is
/// wanted, decoding starts at the key frame before it, unless decoding has come closer already. Files without such
/// times are decoded from the start. The frames a second are the stream's average, as decord states them.
///
/// A file is opened by its name only: neither URLs nor files that a playlist names are read, and formats that are lists
/// of other files are refused. Errors: a file without video, damaged, beyond image_limits or video_limits. Opt-in: link
/// libavformat, libavcodec, libswscale and libavutil (target llava::video_files).
#pragma once
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/image/sample_frames.hpp>

LLAVA_BEGIN

namespace detail {

struct av_deleter {
  void operator()(AVFormatContext* c) const { avformat_close_input(&c); }
  void operator()(AVCodecContext* c) const { avcodec_free_context(&c); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFrame* f) const { av_frame_free(&f); }
  void operator()(SwsContext* s) const { sws_freeContext(s); }
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
  void operator()(std::FILE* f) const { std::fclose(f); }
};
template <class T>
using av_owner = std::unique_ptr<T, av_deleter>;

/// The formats that are read. None of them is a list of other files.
inline constexpr const char* video_formats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,ogg,asf,h264,hevc,ivf,m4v";

/// The times of a stream's frames, in the stream's unit, ascending; empty if a packet states none or two state the
/// same.
struct frame_times {
  std::int64_t count = 0;
  std::vector<std::int64_t> of_frames, of_key_frames;
};

/// Decodes frames of the first video stream of a file.
class av_video {
 public:
  av_video(std::string name, const image_limits& limits) : name_(std::move(name)), limits_(limits) {}

  result<void> try_open() {
    file_.reset(std::fopen(name_.c_str(), "rb"));
    if (!file_) return fail_of_system(errno, "llava: cannot open the video ", name_);
    constexpr int block = 1 << 16;
    auto* buffer = static_cast<unsigned char*>(av_malloc(block));
    if (!buffer) return error::out_of_memory();
    io_.reset(avio_alloc_context(buffer, block, 0, file_.get(), &read, nullptr, &seek));
    AVFormatContext* format = avformat_alloc_context();
    if (!io_ || !format) {
      if (!io_) av_free(buffer);
      avformat_free_context(format);
      return error::out_of_memory();
    }
    format->pb = io_.get();
    format->format_whitelist = av_strdup(video_formats);
    format->protocol_whitelist = av_strdup("none");
    format->io_open = &refuse;
    if (avformat_open_input(&format, nullptr, nullptr, nullptr) < 0)  // frees it on failure
      return fail(errc::invalid_format,
                  text_of("llava: ", name_, " is no video file of a known format (", video_formats, ")"));
    format_.reset(format);
    if (avformat_find_stream_info(format, nullptr) < 0) return damaged("it has no frames");
    const AVCodec* codec = nullptr;
    stream_ = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (stream_ < 0 || !codec)
      return fail(errc::unsupported, text_of("llava: ", name_, " has no video, or in a coding that is not known"));
    for (unsigned i = 0; i < format->nb_streams; ++i)
      if (static_cast<int>(i) != stream_) format->streams[i]->discard = AVDISCARD_ALL;
    codec_.reset(avcodec_alloc_context3(codec));
    packet_.reset(av_packet_alloc()), frame_.reset(av_frame_alloc());
    if (!codec_ || !packet_ || !frame_ || avcodec_parameters_to_context(codec_.get(), stream()->codecpar) < 0)
      return error::out_of_memory();
    codec_->max_pixels = limits_.pixels;
    codec_->thread_count = 1;
    LLAVA_CHECK(try_check_image_size(codec_->width, codec_->height, name_, limits_));
    if (avcodec_open2(codec_.get(), codec, nullptr) < 0) return damaged("its coding cannot be opened");
    return {};
  }

  /// Frames a second.
  result<double> try_rate() const {
    const AVRational r = stream()->avg_frame_rate;
    if (r.num > 0 && r.den > 0) return av_q2d(r);
    return damaged("it states no frames a second");
  }

  /// Reads the times of all frames. The file is at its end then.
  result<frame_times> try_read_times() {
    frame_times times;
    bool known = true;
    for (; av_read_frame(format_.get(), packet_.get()) >= 0; av_packet_unref(packet_.get())) {
      if (packet_->stream_index != stream_ || (packet_->flags & AV_PKT_FLAG_DISCARD)) continue;
      if (++times.count > most_packets) {
        av_packet_unref(packet_.get());
        return fail(errc::unsupported, text_of("llava: ", name_, " has more than ", most_packets, " frames; cut it"));
      }
      known = known && packet_->pts != AV_NOPTS_VALUE;
      if (!known) continue;
      times.of_frames.push_back(packet_->pts);
      if (packet_->flags & AV_PKT_FLAG_KEY) times.of_key_frames.push_back(packet_->pts);
    }
    std::sort(times.of_frames.begin(), times.of_frames.end());
    std::sort(times.of_key_frames.begin(), times.of_key_frames.end());
    if (!known || std::adjacent_find(times.of_frames.begin(), times.of_frames.end()) != times.of_frames.end())
      times.of_frames.clear(), times.of_key_frames.clear();
    if (times.count == 0) return damaged("it has no frames");
    return result<frame_times>(std::move(times));
  }

  /// Decodes frame `index`. Indices ascend from call to call.
  result<const image*> try_decode(const frame_times& times, std::int64_t index) {
    if (index == at_) return &image_;
    if (times.of_frames.empty()) {
      if (at_ < 0) LLAVA_CHECK(try_go_to_start());
      for (; at_ < index; ++at_) {
        LLAVA_TRY(more, try_next());
        if (!more) return damaged("it has fewer frames than packets");
      }
      return convert();
    }
    const std::int64_t wanted = times.of_frames[static_cast<std::size_t>(index)];
    const auto after = std::upper_bound(times.of_key_frames.begin(), times.of_key_frames.end(), wanted);
    const bool is_first = after - times.of_key_frames.begin() < 2;  // the first key frame, or none, is before it
    bool from_start = at_ < 0 && is_first;
    if (from_start)
      LLAVA_CHECK(try_go_to_start());
    else if (!is_first && (at_ < 0 || *std::prev(after) > time_))
      LLAVA_CHECK(try_go_to(*std::prev(after)));
    for (;;) {
      LLAVA_TRY(more, try_next());
      if (more && time_ < wanted) continue;
      if (more && time_ == wanted) break;
      if (from_start) return damaged("a frame cannot be decoded");
      from_start = true;
      LLAVA_CHECK(try_go_to_start());
    }
    at_ = index;
    return convert();
  }

 private:
  static constexpr std::int64_t most_packets = 10000000, before_all = std::numeric_limits<std::int64_t>::min();

  static int read(void* file, std::uint8_t* to, int count) {
    const std::size_t n =
        std::fread(to, 1, static_cast<std::size_t>((std::max)(count, 0)), static_cast<std::FILE*>(file));
    return n > 0 ? static_cast<int>(n) : AVERROR_EOF;
  }
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence) {
    auto* file = static_cast<std::FILE*>(opaque);
    if (whence & AVSEEK_SIZE) {
      const long at = std::ftell(file);
      if (at < 0 || std::fseek(file, 0, SEEK_END) != 0) return AVERROR(ENOSYS);
      const long size = std::ftell(file);
      return std::fseek(file, at, SEEK_SET) == 0 ? size : AVERROR(EIO);
    }
    return std::fseek(file, offset, whence & ~AVSEEK_FORCE) == 0 ? std::ftell(file) : AVERROR(EIO);
  }
  /// Opens no other file, whatever this one names.
  static int refuse(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

  AVStream* stream() const { return format_->streams[stream_]; }
  error damaged(std::string_view what) const {
    return fail(errc::invalid_format, text_of("llava: ", name_, " is a damaged video: ", what));
  }

  /// Opens the file again. It costs more than to seek, but every format comes to its first frame in this way.
  result<void> try_go_to_start() {
    codec_.reset(), format_.reset(), io_.reset();
    ended_ = false, time_ = before_all;
    return try_open();
  }
  /// Goes to a key frame. A format may end up elsewhere; the times of the next frames tell.
  result<void> try_go_to(std::int64_t key_frame) {
    avcodec_flush_buffers(codec_.get());
    ended_ = false, time_ = before_all;
    return av_seek_frame(format_.get(), stream_, key_frame, AVSEEK_FLAG_BACKWARD) >= 0 ? result<void>()
                                                                                       : try_go_to_start();
  }

  /// Decodes the next frame; false at the end. Damaged packets are skipped.
  result<bool> try_next() {
    for (;;) {
      const int got = avcodec_receive_frame(codec_.get(), frame_.get());
      if (got >= 0) {
        decoded_ += std::int64_t{frame_->width} * frame_->height;
        if (decoded_ > video_limits::decoded_pixels) return too_many_pixels(name_);
        if (frame_->best_effort_timestamp != AV_NOPTS_VALUE) time_ = frame_->best_effort_timestamp;
        return true;
      }
      if (got == AVERROR_EOF || ended_) return false;
      if (av_read_frame(format_.get(), packet_.get()) < 0) {
        ended_ = true;
        static_cast<void>(avcodec_send_packet(codec_.get(), nullptr));
        continue;
      }
      if (packet_->stream_index == stream_) static_cast<void>(avcodec_send_packet(codec_.get(), packet_.get()));
      av_packet_unref(packet_.get());
    }
  }

  /// The decoded frame as RGB.
  result<const image*> convert() {
    const AVFrame& f = *frame_;
    LLAVA_CHECK(try_check_image_size(f.width, f.height, name_, limits_));
    scaler_.reset(sws_getCachedContext(scaler_.release(), f.width, f.height, static_cast<AVPixelFormat>(f.format),
                                       f.width, f.height, AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
    if (!scaler_) return damaged("its colours are not known");
    const int* table = sws_getCoefficients(f.colorspace);
    sws_setColorspaceDetails(scaler_.get(), table, f.color_range == AVCOL_RANGE_JPEG, table, 1, 0, 1 << 16, 1 << 16);
    image_ = image(f.width, f.height, limits_);
    // swscale writes whole vectors: a row of its own has room after its end.
    const int stride = (3 * f.width + 63) / 64 * 64 + 64;
    rows_.resize(static_cast<std::size_t>(stride) * static_cast<std::size_t>(f.height) + 64);
    std::uint8_t* const to[] = {rows_.data(), nullptr, nullptr, nullptr};
    const int strides[] = {stride, 0, 0, 0};
    if (sws_scale(scaler_.get(), f.data, f.linesize, 0, f.height, to, strides) != f.height)
      return damaged("a frame cannot be converted");
    for (int y = 0; y < f.height; ++y)
      std::copy_n(rows_.data() + static_cast<std::ptrdiff_t>(y) * stride, image_.row_bytes(), image_.row(y));
    return &image_;
  }

  std::string name_;
  image_limits limits_;
  av_owner<std::FILE> file_;
  av_owner<AVIOContext> io_;
  av_owner<AVFormatContext> format_;
  av_owner<AVCodecContext> codec_;
  av_owner<AVPacket> packet_;
  av_owner<AVFrame> frame_;
  av_owner<SwsContext> scaler_;
  int stream_ = -1;
  bool ended_ = false;
  std::int64_t at_ = -1, time_ = 0, decoded_ = 0;
  image image_;
  std::vector<std::uint8_t> rows_;
};

}  // namespace detail

/// Reads the frames that `wanted` chooses of a video file.
inline result<video> try_read_video(const std::string& file, const frame_request& wanted = {},
                                    const image_limits& limits = {}) {
  return guarded([&]() -> result<video> {
    if (file.find('\0') != std::string::npos)
      return fail(errc::invalid_argument, "llava: the name of a video file contains a zero byte");
    detail::av_video reader(file, limits);
    LLAVA_CHECK(reader.try_open());
    LLAVA_TRY(times, reader.try_read_times());
    LLAVA_TRY(rate, reader.try_rate());
    LLAVA_TRY(sample, try_sample_frames(times.count, rate, wanted.most, wanted.uniform));
    return detail::try_collect(std::move(sample), file,
                               [&](std::int64_t index) { return reader.try_decode(times, index); });
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
inline video read_video(const std::string& file, const frame_request& wanted = {}, const image_limits& limits = {}) {
  return value_or_throw(try_read_video(file, wanted, limits));
}
#endif

LLAVA_END
