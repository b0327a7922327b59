// SPDX-License-Identifier: Apache-2.0
#include "given_image.hpp"

#include <llava/image/file.hpp>
#include <llava/serve/base64.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/text/shown.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "command.hpp"

namespace {

bool begins_with(std::string_view text, std::string_view start) {
  return llava::serve::detail::equal_ignoring_case(text.substr(0, start.size()), start);
}

llava::result<std::vector<std::byte>> try_read_data_url(const std::string& url) {
  const std::size_t comma = std::min(url.find(','), url.size());
  const std::string_view head = std::string_view(url).substr(0, comma);
  constexpr std::string_view coded = ";base64";
  if (comma == url.size() || !begins_with(head, "data:image/") || head.size() < coded.size() ||
      !begins_with(head.substr(head.size() - coded.size()), coded))
    return llava::fail(llava::errc::invalid_format,
                       "llava: a data: URL must be data:image/...;base64,... with an image file");
  const std::string_view text = std::string_view(url).substr(comma + 1);
  if (text.size() / 4 * 3 > llava::image_limits{}.file_bytes + 3)
    return llava::fail(llava::errc::unsupported, llava::text_of("llava: the image of a data: URL has more than ",
                                                                llava::image_limits{}.file_bytes, " bytes, the limit"));
  auto bytes = llava::serve::base64_decoded(text);
  if (!bytes) return llava::fail(llava::errc::invalid_format, "llava: the bytes of a data: URL are not valid base64");
  return *std::move(bytes);
}

llava::result<std::vector<std::byte>> try_read_file(const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) return llava::fail_of_system(errno, "llava: cannot open the image ", file);
  std::vector<std::byte> bytes;
  std::byte part[1 << 14];
  while (const std::size_t n = std::fread(part, 1, sizeof part, in.get())) {
    if (bytes.size() + n > llava::image_limits{}.file_bytes)
      return llava::fail(llava::errc::unsupported,
                         llava::text_of("llava: ", file, " has more than ", llava::image_limits{}.file_bytes,
                                        " bytes, the limit; make it smaller"));
    bytes.insert(bytes.end(), part, part + n);
  }
  if (std::ferror(in.get())) return llava::fail_of_system(errno, "llava: cannot read the image ", file);
  return bytes;
}

}  // namespace

#if LLAVA_COMMAND_WITHOUT_SERVERS
llava::result<std::vector<std::byte>> try_fetch_image(const std::string& address) {
  return llava::fail(llava::errc::unsupported,
                     llava::text_of("llava: ", llava::detail::shown(address),
                                    ": this build fetches no images; save the image as a file (curl -O ADDRESS) and "
                                    "give the file's name"));
}
#endif

llava::result<given_image> try_read_given_image(const std::string& place, const std::string& folder) {
  given_image made{place, {}, {}};
  if (place.empty()) return llava::fail(llava::errc::invalid_argument, "llava: the name of an image is empty");
  if (begins_with(place, "data:")) {
    LLAVA_TRY(bytes, try_read_data_url(place));
    made = {"an image of a data: URL", std::move(bytes), {}};
  } else if (begins_with(place, "http://") || begins_with(place, "https://")) {
    LLAVA_TRY(bytes, try_fetch_image(place));
    made.file = std::move(bytes);
  } else {
    if (place.find('\0') != place.npos)
      return llava::fail(llava::errc::invalid_argument, "llava: the name of an image file contains a zero byte");
    if (const char* home = std::getenv("HOME"); home && place.starts_with("~/"))
      made.name = home + place.substr(1);
    else if (!folder.empty() && !place.starts_with('/'))
      made.name = folder + "/" + place;
    LLAVA_TRY(bytes, try_read_file(made.name));
    made.file = std::move(bytes);
  }
  LLAVA_TRY(pixels, llava::try_decode_image(made.file, made.name, image_file_options().options()));
  made.pixels = std::move(pixels);
  return made;
}

std::string data_url_of(const std::vector<std::byte>& file) {
  constexpr std::pair<std::string_view, std::string_view> types[] = {{"\x89", "png"}, {"BM", "bmp"},  {"GIF8", "gif"},
                                                                     {"II", "tiff"},  {"MM", "tiff"}, {"RIFF", "webp"}};
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  std::string_view type = "jpeg";
  for (const auto& [start, name] : types)
    if (bytes.starts_with(start)) type = name;
  return llava::text_of("data:image/", type, ";base64,", llava::serve::base64_encoded(file));
}
