// SPDX-License-Identifier: Apache-2.0
/// read_animation, decode_animation: read animated GIF and WebP files as a video. A file that is damaged or beyond
/// video_limits and image_limits is an error. Opt-in: link giflib, libwebp and libwebpdemux (target
/// llava::animation_files).
#pragma once
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <llava/image/gif_file.hpp>
#include <llava/image/sample_frames.hpp>
#include <llava/image/webp_file.hpp>

LLAVA_BEGIN

/// Whether the bytes are those of a GIF or WebP file, by their first twelve.
inline bool is_animation(std::string_view bytes) { return detail::is_gif(bytes) || detail::is_webp(bytes); }

namespace detail {
/// The most bytes of a file: image_limits::file_bytes if that is raised above video_limits::animation_bytes.
constexpr std::size_t animation_bytes(const image_limits& limits) {
  return (std::max)(video_limits::animation_bytes, limits.file_bytes);
}
}  // namespace detail

/// Decodes the frames that `wanted` chooses of the bytes of a GIF or WebP file; `name` names it in errors.
inline result<video> try_decode_animation(std::span<const std::byte> bytes, const frame_request& wanted = {},
                                          std::string_view name = "the animation", const image_limits& limits = {}) {
  if (bytes.size() > detail::animation_bytes(limits))
    return fail(errc::unsupported, text_of("llava: ", name, " has ", bytes.size(), " bytes, expected at most ",
                                           detail::animation_bytes(limits), "; make it smaller"));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_animation(text))
    return fail(errc::unsupported, text_of("llava: ", name, " is neither a GIF nor a WebP file"));
  return guarded([&] {
    return text.starts_with("GIF") ? detail::try_decode_gif(bytes, wanted, name, limits)
                                   : detail::try_decode_webp(bytes, wanted, name, limits);
  });
}

/// Reads the frames that `wanted` chooses of a GIF or WebP file.
inline result<video> try_read_animation(const std::string& file, const frame_request& wanted = {},
                                        const image_limits& limits = {}) {
  return guarded([&]() -> result<video> {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
    if (!in) return fail_of_system(errno, "llava: cannot open the animation ", file);
    std::vector<std::byte> bytes;
    std::byte part[1 << 14];
    while (const std::size_t n = std::fread(part, 1, sizeof part, in.get())) {
      bytes.insert(bytes.end(), part, part + n);
      if (bytes.size() > detail::animation_bytes(limits)) break;  // is refused
    }
    if (std::ferror(in.get())) return fail_of_system(errno, "llava: cannot read the animation ", file);
    return try_decode_animation(bytes, wanted, file, limits);
  });
}

#if LLAVA_EXCEPTIONS
/// @name The same, throwing llava::error
/// @{
inline video decode_animation(std::span<const std::byte> bytes, const frame_request& wanted = {},
                              std::string_view name = "the animation", const image_limits& limits = {}) {
  return value_or_throw(try_decode_animation(bytes, wanted, name, limits));
}
inline video read_animation(const std::string& file, const frame_request& wanted = {},
                            const image_limits& limits = {}) {
  return value_or_throw(try_read_animation(file, wanted, limits));
}
/// @}
#endif

LLAVA_END
