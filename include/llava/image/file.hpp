// SPDX-License-Identifier: Apache-2.0
/// read_image, decode_image: JPEG and PNG files as `Image.open(f).convert("RGB")` of Pillow reads them, byte for byte.
/// Opt-in: link libjpeg-turbo and libpng (target llava::image_files).
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include <llava/image/jpeg_file.hpp>
#include <llava/image/png_file.hpp>

LLAVA_BEGIN

/// A picture from the bytes of its file; `name` says which in errors.
inline result<image> try_decode_image(std::span<const std::byte> bytes, std::string_view name = "the picture") {
  if (bytes.size() > image_limits::encoded_bytes)
    return fail(errc::unsupported, text_of("llava: ", name, " has ", bytes.size(), " bytes; at most ", image_limits::encoded_bytes, " are taken"));
  const auto starts = [&](std::string_view magic, std::size_t at = 0) {
    return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
  };
  if (starts("\xff\xd8\xff")) return detail::try_decode_jpeg(bytes, name);
  if (starts("\x89PNG\r\n\x1a\n")) return detail::try_decode_png(bytes, name);
  const char* found = starts("GIF8")                             ? "a GIF"
                      : starts("RIFF") && starts("WEBP", 8)      ? "a WebP"
                      : starts("BM")                             ? "a BMP"
                      : starts("II*") || starts("MM")            ? "a TIFF"
                      : bytes.empty()                            ? "empty"
                                                                 : "neither JPEG nor PNG";
  return fail(bytes.empty() ? errc::invalid_format : errc::unsupported, text_of("llava: ", name, " is ", found, "; save it as JPEG or PNG"));
}

inline result<image> try_read_image(const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) return fail(errc::not_found, text_of("llava: cannot open the picture ", file));
  std::vector<std::byte> bytes;
  std::byte part[1 << 14];
  while (const std::size_t n = std::fread(part, 1, sizeof part, in.get())) {
    if (bytes.size() + n > image_limits::encoded_bytes)
      return fail(errc::unsupported, text_of("llava: ", file, " has more than ", image_limits::encoded_bytes, " bytes; make it smaller"));
    bytes.insert(bytes.end(), part, part + n);
  }
  if (std::ferror(in.get())) return fail(errc::io, text_of("llava: cannot read the picture ", file));
  return try_decode_image(bytes, file);
}

#if LLAVA_EXCEPTIONS
inline image decode_image(std::span<const std::byte> bytes, std::string_view name = "the picture") {
  return value_or_throw(try_decode_image(bytes, name));
}
inline image read_image(const std::string& file) { return value_or_throw(try_read_image(file)); }
#endif

LLAVA_END
