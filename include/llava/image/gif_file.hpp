// SPDX-License-Identifier: Apache-2.0
/// GIF files, animated or not, as an image or a video. Each image of the file is drawn over what the disposal of the
/// one before left, and a frame is the whole canvas then. The frames equal, byte for byte, those of Pillow's
/// `im.seek(i); im.convert("RGB")`: a disposed area has a colour, not holes, and the first image shows the colour of
/// its transparent index. Opt-in: link giflib (target llava::gif_files). Format: GIF89a.
#pragma once
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <llava/image/file_options.hpp>
#include <llava/image/sample_frames.hpp>

LLAVA_BEGIN

namespace detail {

using gif_colour = std::array<std::uint8_t, 3>;

/// A rectangle of the canvas; right and bottom are excluded.
struct gif_area {
  int left = 0, top = 0, right = 0, bottom = 0;
  std::int64_t pixels() const { return std::int64_t{right - left} * (bottom - top); }
};

/// What the graphic control extensions in front of an image state.
struct gif_control {
  int transparent = -1;
  std::int64_t milliseconds = 0;
};

/// Reads the images of a GIF file one after another.
class gif_stream {
 public:
  /// `bytes` and `name` must outlive it.
  gif_stream(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    file_.reset(DGifOpen(this, &gif_stream::read, nullptr));
  }
  gif_stream(const gif_stream&) = delete;
  gif_stream& operator=(const gif_stream&) = delete;

  bool is_open() const { return file_ != nullptr; }
  const GifFileType& file() const { return *file_; }
  error damaged(std::string_view what) const {
    return fail(errc::invalid_format, text_of("llava: ", name_, " is a damaged GIF: ", what));
  }

  /// Goes to the next image. Returns false at the end of the file. `disposal` keeps its value if nothing states one.
  result<bool> try_next(gif_control& control, int& disposal) {
    control = {};
    for (;;) {
      GifRecordType record = UNDEFINED_RECORD_TYPE;
      if (at_ == bytes_.size()) return false;  // without a trailer
      if (DGifGetRecordType(file_.get(), &record) == GIF_ERROR) return damaged("an unknown block");
      if (record == TERMINATE_RECORD_TYPE) return false;
      if (record == IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetImageDesc(file_.get()) == GIF_ERROR) return damaged("an image without its size");
        return true;
      }
      LLAVA_CHECK(try_read_extension(control, disposal));
    }
  }
  gif_area area() const {
    const GifImageDesc& i = file_->Image;
    return {i.Left, i.Top, i.Left + i.Width, i.Top + i.Height};
  }
  /// Skips the pixels of an image.
  result<void> try_skip() {
    int bits = 0;
    GifByteType* block = nullptr;
    int done = DGifGetCode(file_.get(), &bits, &block);
    while (done != GIF_ERROR && block) done = DGifGetCodeNext(file_.get(), &block);
    if (done == GIF_ERROR) return damaged("it ends in the middle of an image");
    return {};
  }
  /// Reads the next line of an image, which is `count` pixels wide.
  result<void> try_read_line(std::vector<GifPixelType>& line) {
    if (DGifGetLine(file_.get(), line.data(), static_cast<int>(line.size())) == GIF_ERROR)
      return damaged("an image has not all its pixels");
    return {};
  }

 private:
  struct closer {
    void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
  };
  static int read(GifFileType* file, GifByteType* to, int count) {
    auto& self = *static_cast<gif_stream*>(file->UserData);
    const std::size_t n = (std::min)(self.bytes_.size() - self.at_, static_cast<std::size_t>((std::max)(count, 0)));
    if (n > 0) std::memcpy(to, self.bytes_.data() + self.at_, n);
    self.at_ += n;
    return static_cast<int>(n);
  }
  result<void> try_read_extension(gif_control& control, int& disposal) {
    int code = 0;
    GifByteType* block = nullptr;
    int done = DGifGetExtension(file_.get(), &code, &block);
    if (done != GIF_ERROR && block && code == GRAPHICS_EXT_FUNC_CODE) {
      if (block[0] < 4) return damaged("a short graphic control extension");
      if (block[1] & 1) control.transparent = block[4];
      control.milliseconds = 10 * (block[2] + 256 * block[3]);
      if (const int method = block[1] >> 2 & 7; method != 0) disposal = method;
    }
    while (done != GIF_ERROR && block) done = DGifGetExtensionNext(file_.get(), &block);
    if (done == GIF_ERROR) return damaged("it ends in the middle of an extension");
    return {};
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::unique_ptr<GifFileType, closer> file_;
};

/// Draws the images of a GIF file onto one canvas.
class gif_canvas {
 public:
  gif_canvas(std::span<const std::byte> bytes, std::string_view name, const image_limits& limits)
      : stream_(bytes, name), name_(name), limits_(limits) {}

  /// Draws the next image and returns the canvas. Errors: the file is damaged; it ends; a canvas beyond image_limits.
  result<const image*> try_next() {
    gif_control control;
    if (!stream_.is_open()) return stream_.damaged("no screen");
    LLAVA_TRY(any, stream_.try_next(control, disposal_));
    if (!any) return stream_.damaged("it has fewer images than before");
    const gif_area area = stream_.area();
    if (area.pixels() < 1) return stream_.damaged("an image without pixels");
    LLAVA_CHECK(try_check_image_size(area.right, area.bottom, name_, limits_));  // before anything is kept of the area
    read_colours();
    if (left_over_) fill(left_over_->area, *left_over_);
    const bool first = canvas_.empty();
    std::optional<remains> next = first ? std::nullopt : before(area);
    LLAVA_CHECK(try_enlarge(area, control));
    LLAVA_CHECK(try_draw(area, first ? -1 : control.transparent));
    if (first || disposal_ == 2) next = instead_of(area, control, first);
    left_over_ = std::move(next);
    return &canvas_;
  }

 private:
  /// What replaces an area before the next image: pixels, or one colour.
  struct remains {
    gif_area area;
    gif_colour colour{};
    std::vector<std::uint8_t> pixels;
  };

  /// The colours of the image: its own, the file's, or grey ones.
  void read_colours() {
    const GifFileType& file = stream_.file();
    const ColorMapObject* map = file.Image.ColorMap ? file.Image.ColorMap : file.SColorMap;
    count_ = map ? (std::min)(map->ColorCount, 256) : 256;
    for (int i = 0; i < 256; ++i) {
      gif_colour& c = colours_[static_cast<std::size_t>(i)];
      const auto grey = static_cast<std::uint8_t>(i);
      if (!map)
        c = {grey, grey, grey};
      else
        c = i < count_ ? gif_colour{map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue} : gif_colour{};
    }
  }
  /// A colour of a disposed area. For an index past the last one Pillow takes the first colour, except in the first
  /// image.
  gif_colour colour(int index, bool first) const {
    return colours_[static_cast<std::size_t>(index < count_ || first ? index : 0)];
  }

  /// For disposal to what was before: the canvas' pixels in the area, black outside.
  std::optional<remains> before(const gif_area& area) const {
    if (disposal_ < 3) return std::nullopt;
    remains r{area, {}, std::vector<std::uint8_t>(static_cast<std::size_t>(area.pixels()) * 3)};
    const int right = (std::min)(area.right, canvas_.width());
    for (int y = area.top; y < (std::min)(area.bottom, canvas_.height()) && area.left < right; ++y)
      std::memcpy(r.pixels.data() + static_cast<std::size_t>(y - area.top) * row_bytes(area),
                  canvas_.row(y) + static_cast<std::size_t>(area.left) * 3,
                  static_cast<std::size_t>(right - area.left) * 3);
    return r;
  }
  /// For disposal to a colour: the transparent one, or the background. The first image has nothing before it.
  std::optional<remains> instead_of(const gif_area& area, const gif_control& control, bool first) const {
    if (disposal_ < 2 || (disposal_ > 2 && control.transparent < 0)) return std::nullopt;
    const GifFileType& file = stream_.file();
    const int background = file.SColorMap ? file.SBackGroundColor : 0;
    return remains{area, colour(control.transparent >= 0 ? control.transparent : background, first), {}};
  }
  static std::size_t row_bytes(const gif_area& area) { return static_cast<std::size_t>(area.right - area.left) * 3; }

  void fill(const gif_area& area, const remains& r) {
    for (int y = area.top; y < area.bottom; ++y) {
      std::uint8_t* to = canvas_.row(y) + static_cast<std::size_t>(area.left) * 3;
      if (!r.pixels.empty()) {
        std::memcpy(to, r.pixels.data() + static_cast<std::size_t>(y - area.top) * row_bytes(area), row_bytes(area));
        continue;
      }
      for (int x = area.left; x < area.right; ++x, to += 3) std::copy(r.colour.begin(), r.colour.end(), to);
    }
  }

  /// Makes the canvas, and a larger one for an image that does not fit. New pixels have the first colour, or the
  /// transparent one of the first image, or black under another image with a transparent colour.
  result<void> try_enlarge(const gif_area& area, const gif_control& control) {
    const GifFileType& file = stream_.file();
    const bool first = canvas_.empty();
    const int width = (std::max)(first ? file.SWidth : canvas_.width(), area.right);
    const int height = (std::max)(first ? file.SHeight : canvas_.height(), area.bottom);
    if (width == canvas_.width() && height == canvas_.height()) return {};
    LLAVA_CHECK(try_check_image_size(width, height, name_, limits_));
    image larger(width, height, limits_);
    canvas_.swap(larger);
    remains r{{0, 0, width, height}, colours_[0], {}};
    if (control.transparent >= 0)
      r.colour = first ? colours_[static_cast<std::size_t>(control.transparent)] : gif_colour{};
    fill(r.area, r);
    for (int y = 0; y < larger.height(); ++y) std::memcpy(canvas_.row(y), larger.row(y), larger.row_bytes());
    return {};
  }

  result<void> try_draw(const gif_area& area, int transparent) {
    drawn_ += area.pixels();
    if (drawn_ > video_limits::decoded_pixels) return too_many_pixels(name_);
    line_.resize(static_cast<std::size_t>(area.right - area.left));
    const bool interlaced = stream_.file().Image.Interlace;
    static constexpr int from[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = interlaced ? 0 : 3; pass < 4; ++pass)
      for (int y = interlaced ? from[pass] : 0; y < area.bottom - area.top; y += interlaced ? step[pass] : 1) {
        LLAVA_CHECK(stream_.try_read_line(line_));
        std::uint8_t* to = canvas_.row(area.top + y) + static_cast<std::size_t>(area.left) * 3;
        for (const GifPixelType pixel : line_) {
          if (pixel != transparent) std::copy(colours_[pixel].begin(), colours_[pixel].end(), to);
          to += 3;
        }
      }
    return {};
  }

  gif_stream stream_;
  std::string_view name_;
  image_limits limits_;
  image canvas_;
  std::array<gif_colour, 256> colours_{};
  int count_ = 0, disposal_ = 0;
  std::optional<remains> left_over_;
  std::vector<GifPixelType> line_;
  std::int64_t drawn_ = 0;
};

/// Frames and length of a GIF file. Its pixels are not decoded.
inline result<animation_length> try_measure_gif(std::span<const std::byte> bytes, std::string_view name) {
  gif_stream stream(bytes, name);
  if (!stream.is_open()) return stream.damaged("no screen");
  animation_length length;
  gif_control control;
  for (int disposal = 0;;) {
    LLAVA_TRY(any, stream.try_next(control, disposal));
    if (!any) break;
    LLAVA_CHECK(stream.try_skip());
    ++length.frames, length.milliseconds += control.milliseconds;
  }
  if (length.frames == 0) return stream.damaged("it has no image");
  return length;
}

inline result<video> try_decode_gif(std::span<const std::byte> bytes, const frame_request& wanted,
                                    std::string_view name, const image_limits& limits) {
  LLAVA_TRY(length, try_measure_gif(bytes, name));
  LLAVA_TRY(sample, try_sample_frames(length.frames, rate_of(length), wanted.most, wanted.uniform));
  gif_canvas canvas(bytes, name, limits);
  return try_collect_in_order(std::move(sample), name, [&] { return canvas.try_next(); });
}

inline bool is_gif(std::string_view bytes) { return bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a"); }

inline result<image> try_decode_first_of_gif(std::span<const std::byte> bytes, std::string_view name,
                                             const image_limits& limits) {
  gif_canvas canvas(bytes, name, limits);
  LLAVA_TRY(frame, canvas.try_next());
  return *frame;
}

}  // namespace detail

/// GIF for image_options::formats: the first image of the file.
inline constexpr image_format gif_format{&detail::is_gif, &detail::try_decode_first_of_gif};

LLAVA_END
