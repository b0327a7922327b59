// SPDX-License-Identifier: Apache-2.0
#include <llava/image/bmp_file.hpp>
#include <llava/image/file.hpp>
#include <llava/image/preprocess.hpp>

#include <cstdio>
#include <filesystem>
#include <map>

#include "format_files.hpp"

namespace {

using images::bytes_of;

/// name -> the encoded image
std::map<std::string, std::string> encoded() {
  const std::string pack = images::read("images.pack");
  std::map<std::string, std::string> all;
  for (auto& line : images::lines("decode.txt")) {
    std::string name;
    std::size_t at = 0, size = 0;
    REQUIRE(line >> name >> at >> size);
    REQUIRE(at + size <= pack.size());
    all[name] = pack.substr(at, size);
  }
  return all;
}

std::string error_of(std::string_view bytes) {
  const auto decoded = llava::try_decode_image(bytes_of(bytes), "x.png");
  return decoded ? "" : decoded.error().what();
}

std::string big_endian(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

}  // namespace

TEST_CASE("JPEG and PNG files decode and preprocess to the bytes of Pillow") {
  const auto files = encoded();
  std::size_t read = 0, refused = 0;
  for (auto& line : images::lines("decode.txt")) {
    std::string name, first;
    std::size_t at = 0, size = 0;
    REQUIRE(line >> name >> at >> size >> first);
    INFO(name);
    const auto decoded = llava::try_decode_image(bytes_of(files.at(name)), name);
    if (first == "error") {
      CHECK_FALSE(decoded);
      ++refused;
      continue;
    }
    int height = 0;
    std::string expected, pad, crop, stretch;
    REQUIRE(line >> height >> expected >> pad >> crop >> stretch);
    REQUIRE(decoded);
    CHECK(decoded->width() == std::stoi(first));
    CHECK(decoded->height() == height);
    CHECK(images::crc(*decoded) == expected);
    CHECK(images::crc(*llava::try_preprocess(*decoded, images::setting("clip", "pad", 336, 336))) == pad);
    CHECK(images::crc(*llava::try_preprocess(*decoded, images::setting("clip", "crop", 224, 224))) == crop);
    CHECK(images::crc(*llava::try_preprocess(*decoded, images::setting("half", "stretch", 384, 384))) == stretch);
    ++read;
  }
  CHECK(read >= 200);
  CHECK(refused >= 10);
}

TEST_CASE("a truncated file is an error where it is one for Pillow, and never half an image (R4)") {
  const auto files = encoded();
  for (auto& line : images::lines("cuts.txt")) {
    std::string name, first;
    std::size_t kept = 0;
    REQUIRE(line >> name >> kept >> first);
    INFO(name << " cut to " << kept);
    const auto decoded = llava::try_decode_image(bytes_of(files.at(name)).first(kept), name);
    if (first == "error") {
      REQUIRE_FALSE(decoded);
      CHECK(std::string_view(decoded.error().what()).find(name) != std::string::npos);
      continue;
    }
    int height = 0;
    std::string expected;
    REQUIRE(line >> height >> expected);
    REQUIRE(decoded);
    CHECK(images::crc(*decoded) == expected);
  }
}

TEST_CASE("a file cut or damaged at any byte gives an image or an error (R4)") {
  const auto files = encoded();
  for (const char* name :
       {"png-2-8-5x6", "png-3-8-5x6-adam7", "png-0-16-5x6", "jpeg-8x8-progressive", "jpeg-8x8-s2", "jpeg-8x8-cmyk"}) {
    const std::string& whole = files.at(name);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      error_of(whole.substr(0, i));
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        const auto decoded = llava::try_decode_image(bytes_of(damaged), name);
        if (decoded ? decoded->empty() : std::string_view(decoded.error().what()).find(name) == std::string::npos)
          FAIL(name << ": byte " << i);
      }
    }
  }
}

TEST_CASE("an image that is too large is refused before its pixels are allocated (R4)") {
  const auto files = encoded();
  const auto resized = [&](std::uint32_t width, std::uint32_t height) {
    std::string png = files.at("png-2-8-5x6");
    return error_of(png.replace(16, 8, big_endian(width) + big_endian(height)));
  };
  CHECK(resized(16385, 1).find("16384 per side") != std::string::npos);
  CHECK(resized(16384, 16384).find("89478485 in total") != std::string::npos);
  CHECK(resized(0xffffffff, 1).find("make it smaller") != std::string::npos);
  CHECK(resized(0, 5).find("expected positive sides") != std::string::npos);
  std::string jpeg = files.at("jpeg-bare");
  const std::size_t frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  CHECK(error_of(jpeg).find("65280 x 65280") != std::string::npos);
  CHECK(error_of(std::string((20 << 20) + 1, 'x')).find("at most 20971520") != std::string::npos);
}

TEST_CASE("a JPEG with too many scans is refused (R4)") {
  std::string jpeg = encoded().at("jpeg-64x48-progressive");
  const std::size_t last = jpeg.rfind("\xff\xda"), end = jpeg.rfind("\xff\xd9");
  REQUIRE(last < end);
  const std::string scan = jpeg.substr(last, end - last);
  std::string many = jpeg.substr(0, end);
  for (int i = 0; i < 200; ++i) many += scan;
  CHECK(error_of(many + "\xff\xd9").find("too many scans") != std::string::npos);
}

TEST_CASE("errors name unsupported formats and files that are no images (R4)") {
  using namespace std::string_literals;
  CHECK(error_of("").find("x.png is empty") != std::string::npos);
  CHECK(error_of("GIF89a").find("a GIF; save it as JPEG or PNG") != std::string::npos);
  CHECK(error_of("RIFF\1\2\3\4WEBP"s).find("a WebP") != std::string::npos);
  CHECK(error_of("BM1234").find("a BMP") != std::string::npos);
  CHECK(error_of("II*\0aa"s).find("a TIFF") != std::string::npos);
  CHECK(error_of("\0\0\0\x18"
                 "ftypheic"s)
            .find("a HEIC") != std::string::npos);
  CHECK(error_of("hello").find("neither JPEG nor PNG") != std::string::npos);
  CHECK(error_of("RIFF").find("neither") != std::string::npos);
  CHECK(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a").find("a Git LFS pointer") !=
        std::string::npos);
  CHECK(error_of("<!DOCTYPE html><html>").find("x.png is an HTML page") != std::string::npos);
}

TEST_CASE("an image given as a URL, a data URL or standard input is an error") {
  const auto error_of_name = [](const std::string& name) { return llava::try_read_image(name).error().sentence(); };
  const std::string rest = "; save it as a file and give the file's name",
                    start = "llava: an image cannot be given as ";
  CHECK(error_of_name("https://llava-vl.github.io/static/images/view.jpg") == start + "a URL" + rest);
  CHECK(error_of_name("S3://bucket/x.png") == start + "a URL" + rest);
  CHECK(error_of_name("-") == start + "\"-\" (standard input)" + rest);
  CHECK(error_of_name("data:image/png;base64," + std::string(100000, 'A')) == start + "a data: URL" + rest);
  CHECK(error_of_name("absent://") == start + "a URL" + rest);
  CHECK(error_of_name("://x.png") == "llava: cannot open the image ://x.png: No such file or directory");
}

TEST_CASE("files: absent, a folder, a name with a NUL byte, and an existing one") {
  CHECK(llava::try_read_image("/nowhere/x.png").error().code() == llava::errc::not_found);
  const std::filesystem::path here = std::filesystem::temp_directory_path() / "llava_image_file_test.png";
  const auto folder = llava::try_read_image(here.parent_path().string());
  CHECK(folder.error().code() == llava::errc::io);
  CHECK(folder.error().sentence().find(": Is a directory") != std::string::npos);
  CHECK(llava::try_read_image(std::string("a\0b", 3)).error().code() == llava::errc::invalid_argument);
  const std::string bytes = encoded().at("png-2-8-33x17");
  std::ofstream(here, std::ios::binary) << bytes;
  const auto read = llava::try_read_image(here.string());
  std::filesystem::remove(here);
  REQUIRE(read);
  CHECK(*read == *llava::try_decode_image(bytes_of(bytes)));
}

TEST_CASE("the orientation of JPEG, PNG and WebP files is ignored, or applied as Pillow's exif_transpose does") {
  auto files = images::files_of("exif-");
  REQUIRE(files.size() >= 36);
  for (const auto& [name, file] : files) {
    INFO(name);
    if (name.starts_with("exif-webp")) continue;  // tests/image/animation_file.cpp
    CHECK(images::words_of(*llava::try_decode_image(bytes_of(file.bytes))) == file.plain);
    CHECK(images::words_of(*llava::try_decode_image(bytes_of(file.bytes), name, {.exif = llava::orientation::apply})) ==
          file.turned);
  }
  // Damaged EXIF data state nothing, and damage nothing.
  for (const char* name : {"exif-jpeg-6", "exif-png-6"}) {
    const std::string whole = files.at(name).bytes;
    const std::size_t at = whole.find(name[5] == 'j' ? "Exif" : "eXIf");
    REQUIRE(at < 200);
    for (std::size_t i = at - 4; i < at + 40; ++i)
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        const auto decoded = llava::try_decode_image(bytes_of(damaged), name, {.exif = llava::orientation::apply});
        if (decoded && decoded->width() * decoded->height() != 24 * 18) FAIL(name << ": byte " << i);
      }
  }
}

TEST_CASE("BMP files decode to the bytes of Pillow") {
  static constexpr llava::image_format formats[] = {llava::bmp_format};
  CHECK(images::compare_files("bmp-", formats) >= 40);
  const auto files = images::files_of("bmp-");
  for (const char* name : {"bmp-24", "bmp-8-few", "bmp-16-565-fields", "bmp-4-runs-mixed", "bmp-8-runs-full"})
    images::damage(name, files.at(name).bytes, formats);
  std::string wide = files.at("bmp-24").bytes;
  wide.replace(18, 4, "\xff\xff\xff\x7f");
  const auto decoded = llava::try_decode_image(bytes_of(wide), "x.bmp", {.formats = formats});
  CHECK(decoded.error().sentence().find("x.bmp is 2147483647 x 7 pixels, expected at most 16384") != std::string::npos);
}

TEST_CASE("a caller raises the limits of size, up to the library's own") {
  const auto files = encoded();
  std::string png = files.at("png-2-8-5x6");
  const auto error_with = [&](std::uint32_t width, std::uint32_t height, const llava::image_limits& limits) {
    png.replace(16, 8, big_endian(width) + big_endian(height));
    const auto decoded = llava::try_decode_image(bytes_of(png), "x.png", {.limits = limits});
    return decoded ? std::string() : decoded.error().sentence();
  };
  CHECK(error_with(16385, 1, {}).find("16384 per side") != std::string::npos);
  CHECK(error_with(16385, 1, {.side = 20000}).find("is not a PNG that can be decoded") != std::string::npos);
  CHECK(error_with(20001, 1, {.side = 20000}).find("20000 per side") != std::string::npos);
  CHECK(error_with(12000, 12000, {}).find("89478485 in total") != std::string::npos);
  CHECK(error_with(5, 7, {.pixels = 34}).find("34 in total") != std::string::npos);
  CHECK(error_with(70000, 1, {.side = 1 << 30}).find("65535 per side") != std::string::npos);
  CHECK(error_with(65535, 65535, llava::image_limits::most()).find("1073741824 in total") != std::string::npos);

  const std::string padded = files.at("png-2-8-33x17") + std::string(20 << 20, '\0');
  CHECK(error_of(padded).find("at most 20971520; make it smaller") != std::string::npos);
  CHECK(llava::try_decode_image(bytes_of(padded), "x.png", {.limits = {.file_bytes = std::size_t{21} << 20}}));
  const auto few =
      llava::try_decode_image(bytes_of(files.at("jpeg-64x48-progressive")), "x", {.limits = {.jpeg_scans = 1}});
  CHECK(few.error().sentence().find("too many scans") != std::string::npos);

  // An image above the default limits has squares.
  const llava::image wide(17000, 6, {.side = 17000});
  REQUIRE(wide.width() == 17000);
  CHECK(llava::image(17000, 6).empty());
  CHECK(llava::try_preprocess(wide, images::setting("clip", "pad", 336, 336)));
}
