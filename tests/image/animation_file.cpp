// SPDX-License-Identifier: Apache-2.0
/// GIF and WebP animations against Pillow's frames (tests/oracle/animations.py).
#include <llava/image/animation_file.hpp>

#include <cstdio>
#include <filesystem>
#include <map>

#include "format_files.hpp"

namespace {

using images::bytes_of;

/// name -> the file
std::map<std::string, std::string> encoded() {
  const std::string pack = images::read("animations.pack");
  std::map<std::string, std::string> all;
  for (auto& line : images::lines("animations.txt")) {
    std::string what, name;
    std::size_t at = 0, size = 0;
    REQUIRE(line >> what >> name);
    if (what != "file") continue;
    REQUIRE(line >> at >> size);
    REQUIRE(at + size <= pack.size());
    all[name] = pack.substr(at, size);
  }
  return all;
}

constexpr llava::frame_request every{llava::video_limits::frames, true};

std::string error_of(std::string_view bytes, const llava::frame_request& wanted = every) {
  const auto decoded = llava::try_decode_animation(bytes_of(bytes), wanted, "x.gif");
  return decoded ? "" : decoded.error().sentence();
}

std::string two_bytes(int v) { return {static_cast<char>(v & 255), static_cast<char>(v >> 8)}; }

}  // namespace

TEST_CASE("the frames of GIF and WebP animations have the bytes of Pillow's") {
  std::map<std::string, std::vector<llava::image>> decoded;
  std::map<std::string, std::int64_t> milliseconds;
  std::map<std::string, std::size_t> count;
  for (auto& line : images::lines("animations.txt")) {
    std::string what, name, expected;
    std::size_t at = 0, size = 0, frames = 0;
    REQUIRE(line >> what >> name);
    INFO(name);
    if (what == "file") {
      REQUIRE(line >> at >> size >> frames);
      const std::string file = encoded().at(name);
      const auto video = llava::try_decode_animation(bytes_of(file), {static_cast<int>(frames), true}, name);
      if (!video) FAIL(video.error().what());
      decoded[name].assign(video->frames().begin(), video->frames().end());
      count[name] = frames;
      CHECK(decoded[name].size() == frames);
      continue;
    }
    int width = 0, height = 0, duration = 0;
    REQUIRE(line >> at >> width >> height >> expected >> duration);
    INFO(at);
    REQUIRE(at < decoded[name].size());
    const llava::image& frame = decoded[name][at];
    CHECK(frame.width() == width);
    CHECK(frame.height() == height);
    CHECK(images::crc(frame) == expected);
    milliseconds[name] += duration;
    if (at + 1 == count[name]) {
      const auto video = llava::try_decode_animation(bytes_of(encoded().at(name)), {1, true}, name);
      const double expected_seconds = milliseconds[name] > 0 ? static_cast<double>(milliseconds[name]) / 1000
                                                             : static_cast<double>(count[name]) / 10;
      CHECK(std::abs(video->seconds() - expected_seconds) < 1e-9);
    }
  }
  CHECK(decoded.size() == 26);
}

TEST_CASE("an animation is sampled as a video is, and frames after the last one are not decoded") {
  const std::string whole = encoded().at("disposal-1-full");  // five frames of 0.07 s
  const auto all = llava::try_decode_animation(bytes_of(whole), {5, true}),
             two = llava::try_decode_animation(bytes_of(whole), {2, true});
  REQUIRE((all && two));
  REQUIRE(two->frames().size() == 2);
  CHECK(two->frames()[0] == all->frames()[0]);
  CHECK(two->frames()[1] == all->frames()[4]);
  CHECK(std::abs(two->times()[1] - 0.28) < 1e-12);
  CHECK(llava::try_decode_animation(bytes_of(whole))->frames().size() == 1);  // one a second
}

TEST_CASE("R1: an animation cut or damaged at any byte gives frames or an error that names it") {
  const auto files = encoded();
  for (const char* name : {"mixed", "disposal-3-holes", "interlaced", "beyond", "webp-alpha", "webp-lossy"}) {
    const std::string& whole = files.at(name);
    const std::size_t step = whole.size() > 1000 ? 7 : 1;
    for (std::size_t i = 0; i < whole.size(); i += step) {
      const std::string cut = error_of(whole.substr(0, i), {8, true});
      if (!cut.empty() && cut.find("x.gif") == std::string::npos) FAIL(name << " cut at " << i << ": " << cut);
      for (const int flip : {0x01, 0x80}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        const std::string found = error_of(damaged, {8, true});
        if (!found.empty() && found.find("x.gif") == std::string::npos) FAIL(name << " byte " << i << ": " << found);
      }
    }
  }
}

TEST_CASE("R2: animations that cannot be read are errors") {
  const std::string gif = encoded().at("one"), webp = encoded().at("webp-lossless");
  CHECK(error_of("").find("x.gif is neither a GIF nor a WebP file") != std::string::npos);
  CHECK(error_of("GIF87").find("is neither a GIF nor a WebP file") != std::string::npos);
  CHECK(error_of("GIF89a") == "llava: x.gif is a damaged GIF: no screen");
  CHECK(error_of(gif.substr(0, 13 + 48)) == "llava: x.gif is a damaged GIF: it has no image");
  CHECK(error_of(gif.substr(0, 13 + 48) + "?") == "llava: x.gif is a damaged GIF: an unknown block");
  CHECK(error_of(gif.substr(0, 13 + 48) + ",\1") == "llava: x.gif is a damaged GIF: an image without its size");
  CHECK(error_of(gif.substr(0, 13 + 48) + "!\xf9\x02") ==
        "llava: x.gif is a damaged GIF: it ends in the middle of an extension");
  CHECK(error_of(gif.substr(0, 13 + 48) + std::string("!\xf9\x02\1\1\0", 6)) ==
        "llava: x.gif is a damaged GIF: a short graphic control extension");
  CHECK(error_of(gif.substr(0, gif.size() - 10)) == "llava: x.gif is a damaged GIF: it ends in the middle of an image");
  std::string wide = gif;
  wide.replace(6, 4, two_bytes(40000) + two_bytes(40000));
  CHECK(error_of(wide).find("x.gif is 40000 x 40000 pixels, expected at most 16384 per side") != std::string::npos);
  // A first image, then one that would keep what is under its 65535 x 65535 pixels.
  std::string keeps = gif.substr(0, gif.size() - 1) + std::string("!\xf9\x04\x0c\0\0\0\0", 8) + gif.substr(13 + 48);
  keeps.replace(gif.size() - 1 + 8 + 5, 4, "\xff\xff\xff\xff");
  CHECK(error_of(keeps).find("x.gif is 65535 x 65535 pixels, expected at most 16384 per side") != std::string::npos);
  std::string empty = gif;
  empty.replace(13 + 48 + 5, 2, two_bytes(0));
  CHECK(error_of(empty).find("x.gif is a damaged GIF") == 7);
  std::string more = gif;
  more.replace(13 + 48 + 7, 2, two_bytes(200));
  CHECK(error_of(more) == "llava: x.gif is a damaged GIF: an image has not all its pixels");
  CHECK(error_of(webp.substr(0, webp.size() - 5)).find("x.gif") != std::string::npos);
  CHECK(error_of("RIFF    WEBPxxxxxxxxx") == "llava: x.gif is a damaged WebP");
  CHECK(error_of(gif, {0, false}) == "llava: 0 frames are asked for, expected 1 to 1024");
  const std::string huge(llava::video_limits::animation_bytes + 1, 'G');
  CHECK(error_of(huge).find("has 67108865 bytes, expected at most 67108864; make it smaller") != std::string::npos);
}

TEST_CASE("animation files: absent, and an existing one") {
  CHECK(llava::try_read_animation("/nowhere/x.gif").error().code() == llava::errc::not_found);
  const std::filesystem::path here = std::filesystem::temp_directory_path() / "llava_animation_file_test.gif";
  const std::string bytes = encoded().at("mixed");
  std::ofstream(here, std::ios::binary) << bytes;
  const auto read = llava::try_read_animation(here.string(), {3, true});
  std::filesystem::remove(here);
  REQUIRE(read);
  CHECK(*read == *llava::try_decode_animation(bytes_of(bytes), {3, true}));
}

TEST_CASE("GIF and WebP files are images: their first frame is Pillow's, and a WebP is turned as its EXIF data say") {
  static constexpr llava::image_format formats[] = {llava::gif_format, llava::webp_format};
  CHECK(images::compare_files("gif-", formats) == 2);
  CHECK(images::compare_files("webp-", formats) == 2);
  CHECK(images::compare_files("exif-webp", formats) == 12);
  for (const auto& [name, file] : encoded()) {
    INFO(name);
    const auto first = llava::try_decode_image(bytes_of(file), name, {.formats = formats});
    REQUIRE(first);
    CHECK(*first == llava::try_decode_animation(bytes_of(file), {1, true}, name)->frames()[0]);
    if (file.size() < 500) images::damage(name, file, formats);
  }
  const std::string webp = images::files_of("exif-webp").at("exif-webp-6").bytes;
  images::damage("exif-webp-6", webp, formats);
}

TEST_CASE("the limits of an animation's size can be raised and lowered") {
  std::string gif = encoded().at("one");
  const auto error_with = [&](const llava::image_limits& limits) {
    const auto decoded = llava::try_decode_animation(bytes_of(gif), {1, true}, "x.gif", limits);
    return decoded ? std::string() : decoded.error().sentence();
  };
  CHECK(error_with({.pixels = 12 * 9}).empty());
  CHECK(error_with({.pixels = 12 * 9 - 1}).find("107 in total") != std::string::npos);
  gif.replace(6, 2, two_bytes(17000));
  CHECK(error_with({}).find("16384 per side") != std::string::npos);
  CHECK(error_with({.side = 17000}).empty());
}
