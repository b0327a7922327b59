// SPDX-License-Identifier: Apache-2.0
/// visual: what one `<image>` of a prompt stands for, an image or a video, with a name of its content. It is a value
/// that shares its pixels, so that copies are cheap.
#pragma once
#include <memory>
#include <utility>

#include <llava/base/sha256.hpp>
#include <llava/image/image.hpp>
#include <llava/image/video.hpp>

LLAVA_BEGIN

/// Names the pixels of an image or a video: a digest of its sizes and bytes.
using content_id = sha256_digest;

/// Hashes the pixels of an image, about 200 MB a second.
LLAVA_INLINE content_id content_of(const image& img);
/// Hashes the pixels of all frames. The times are no part of it.
LLAVA_INLINE content_id content_of(const video& frames);

/// An image or a video; by default an empty image.
class visual {
 public:
  visual() = default;
  visual(image img) : image_(std::make_shared<const image>(std::move(img))), content_(content_of(*image_)) {}
  visual(video frames) : video_(std::make_shared<const video>(std::move(frames))), content_(content_of(*video_)) {}

  bool is_video() const { return video_ != nullptr; }
  /// The video, if it is one.
  const video& as_video() const { return *video_; }
  /// The image, if it is one; otherwise an empty one.
  const image& as_image() const {
    static const image none;
    return image_ ? *image_ : none;
  }
  /// Equal for equal visuals, and for no others.
  const content_id& content() const { return content_; }
  friend bool operator==(const visual& a, const visual& b) { return a.content_ == b.content_; }

 private:
  std::shared_ptr<const image> image_;
  std::shared_ptr<const video> video_;
  content_id content_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/image/visual_inl.hpp>
#endif
