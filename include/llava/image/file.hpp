// SPDX-License-Identifier: Apache-2.0
/// read_image, decode_image: read JPEG and PNG files as Pillow's `Image.open(f).convert("RGB")` does, byte for byte: no
/// EXIF rotation, no colour profile, no gamma, alpha dropped. image_options turn an image as its EXIF data say, raise
/// the limits and add formats (any_file.hpp). A file that is damaged, truncated or larger than the limits is an error.
/// Opt-in: link libjpeg-turbo and libpng (target llava::image_files).
#pragma once
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/stand_in.hpp>
#include <llava/image/exif.hpp>
#include <llava/image/file_options.hpp>
#include <llava/image/jpeg_file.hpp>
#include <llava/image/png_file.hpp>

LLAVA_BEGIN

namespace detail {

/// Names an unsupported format, for the error.
inline std::string_view name_of_format(std::string_view bytes) {
  if (bytes.starts_with("GIF8")) return "a GIF";
  if (bytes.size() >= 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return "a WebP";
  if (bytes.starts_with("BM")) return "a BMP";
  if (bytes.starts_with("II*") || bytes.starts_with("II+") || bytes.starts_with("MM")) return "a TIFF";
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") return "a HEIC, AVIF or video file";
  return "neither JPEG nor PNG";
}

/// Describes a name that is not a file's, such as a URL; empty for any other name.
inline std::string_view image_place(std::string_view name) {
  if (name == "-") return "\"-\" (standard input)";
  if (name.starts_with("data:")) return "a data: URL";
  const std::size_t colon = name.find("://");
  const bool url = colon != std::string_view::npos && colon > 0 &&
                   std::all_of(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(colon),
                               [](unsigned char c) { return std::isalnum(c) != 0; });
  return url ? "a URL" : "";
}

/// Decodes an image as it is stored.
inline result<image> try_decode_stored(std::span<const std::byte> bytes, std::string_view text, std::string_view name,
                                       const image_options& options) {
  if (text.starts_with("\xff\xd8\xff")) return try_decode_jpeg(bytes, name, options.limits);
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return try_decode_png(bytes, name, options.limits);
  for (const image_format& format : options.formats)
    if (format.matches(text)) return format.decode(bytes, name, options.limits);
  if (const std::string_view instead = stand_in(text); !instead.empty())
    return fail(errc::invalid_format, text_of("llava: ", name, " is ", instead));
  return fail(errc::unsupported, text_of("llava: ", name, " is ", name_of_format(text), "; save it as JPEG or PNG"));
}

}  // namespace detail

/// Decodes the bytes of a JPEG or PNG file, or of one of options.formats; `name` names the image in errors.
inline result<image> try_decode_image(std::span<const std::byte> bytes, std::string_view name = "the image",
                                      const image_options& options = {}) {
  if (bytes.empty()) return fail(errc::invalid_format, text_of("llava: ", name, " is empty, expected a JPEG or PNG"));
  if (bytes.size() > options.limits.file_bytes)
    return fail(errc::unsupported, text_of("llava: ", name, " has ", bytes.size(), " bytes, expected at most ",
                                           options.limits.file_bytes, "; make it smaller"));
  return guarded([&]() -> result<image> {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    LLAVA_TRY(stored, detail::try_decode_stored(bytes, text, name, options));
    if (options.exif == orientation::ignore) return std::move(stored);
    return detail::turned(std::move(stored), detail::orientation_of_file(text));
  });
}

namespace detail {
inline result<image> try_read_image(const std::string& file, const image_options& options) {
  if (file.find('\0') != std::string::npos)
    return fail(errc::invalid_argument, "llava: the name of an image file contains a zero byte");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) {
    const int number = errno;
    if (const std::string_view place = detail::image_place(file); !place.empty())
      return fail(errc::unsupported, text_of("llava: an image cannot be given as ", place,
                                             "; save it as a file and give the file's name"));
    return fail_of_system(number, "llava: cannot open the image ", file);
  }
  std::vector<std::byte> bytes;
  std::byte part[1 << 14];
  while (const std::size_t n = std::fread(part, 1, sizeof part, in.get())) {
    if (bytes.size() + n > options.limits.file_bytes)
      return fail(errc::unsupported, text_of("llava: ", file, " has more than ", options.limits.file_bytes,
                                             " bytes, the limit; make it smaller"));
    bytes.insert(bytes.end(), part, part + n);
  }
  if (std::ferror(in.get())) return fail_of_system(errno, "llava: cannot read the image ", file);
  return try_decode_image(bytes, file, options);
}
}  // namespace detail

/// Reads a JPEG or PNG file, or one of options.formats.
inline result<image> try_read_image(const std::string& file, const image_options& options = {}) {
  return guarded([&] { return detail::try_read_image(file, options); });
}

#if LLAVA_EXCEPTIONS
/// @name The same, throwing llava::error
/// @{

/// Decodes the bytes of a JPEG or PNG file, or of one of options.formats; `name` names the image in errors.
inline image decode_image(std::span<const std::byte> bytes, std::string_view name = "the image",
                          const image_options& options = {}) {
  return value_or_throw(try_decode_image(bytes, name, options));
}
/// Reads a JPEG or PNG file, or one of options.formats.
inline image read_image(const std::string& file, const image_options& options = {}) {
  return value_or_throw(try_read_image(file, options));
}
/// @}
#endif

LLAVA_END
