// SPDX-License-Identifier: Apache-2.0
/// Video files against the frames of the ffmpeg program and the lengths of decord (tests/oracle/videos.py).
#include <llava/image/video_file.hpp>

#include <cstdio>
#include <map>

#include <temporary_folder.hpp>

#include "images.hpp"

namespace {

/// What videos.txt states of a file.
struct stated {
  std::string bytes;
  std::size_t frames = 0;
  double rate = 0;
  std::vector<std::string> crcs;
  std::map<int, std::vector<std::size_t>> samples;  // by the most frames
};

std::map<std::string, stated> files() {
  const std::string pack = images::read("videos.pack");
  std::map<std::string, stated> all;
  for (auto& line : images::lines("videos.txt")) {
    std::string what, name, crc;
    std::size_t at = 0, size = 0;
    int most = 0, width = 0;
    REQUIRE(line >> what >> name);
    stated& s = all[name];
    if (what == "file") {
      REQUIRE(line >> at >> size >> s.frames >> s.rate);
      REQUIRE(at + size <= pack.size());
      s.bytes = pack.substr(at, size);
    } else if (what == "frame") {
      REQUIRE(line >> at >> width >> width >> crc);
      s.crcs.push_back(crc);
    } else {
      REQUIRE(line >> most);
      while (line >> at) s.samples[most].push_back(at);
    }
  }
  return all;
}

llava::video read(const std::string& file, const llava::frame_request& wanted) {
  auto video = llava::try_read_video(file, wanted);
  if (!video) FAIL(video.error().what());
  return *std::move(video);
}

}  // namespace

TEST_CASE("the frames of video files have the bytes of the ffmpeg program's, wherever decoding starts") {
  av_log_set_level(AV_LOG_QUIET);
  const temporary_folder folder("video_file");
  std::size_t compared = 0;
  for (const auto& [name, s] : files()) {
    INFO(name);
    std::ofstream(folder / name, std::ios::binary) << s.bytes;
    const auto count = static_cast<int>(s.frames);
    REQUIRE(s.crcs.size() == s.frames);
    const llava::video all = read(folder / name, {count, true});
    REQUIRE(all.frames().size() == s.frames);
    CHECK(std::abs(all.seconds() - static_cast<double>(s.frames) / s.rate) < 1e-9);
    for (std::size_t i = 0; i < s.frames; ++i) {
      INFO(i);
      CHECK(images::crc(all.frames()[i]) == s.crcs[i]);
      ++compared;
    }
    for (const int most : {1, 2, 3, 5, 11}) {
      const auto sample = llava::try_sample_frames(count, s.rate, most, true);
      const llava::video some = read(folder / name, {most, true});
      for (std::size_t i = 0; i < some.frames().size(); ++i)
        CHECK(images::crc(some.frames()[i]) == s.crcs[static_cast<std::size_t>(sample->indices[i])]);
    }
    for (const auto& [most, indices] : s.samples) {
      const llava::video some = read(folder / name, {most, false});
      REQUIRE(some.frames().size() == indices.size());
      for (std::size_t i = 0; i < indices.size(); ++i) CHECK(images::crc(some.frames()[i]) == s.crcs[indices[i]]);
    }
  }
  CHECK(compared == 183);
}

TEST_CASE("R1: a video cut or damaged gives frames or an error that names it") {
  av_log_set_level(AV_LOG_QUIET);
  const temporary_folder folder("video_damaged");
  const std::string file = folder / "x.video";
  const auto tried = [&](std::string_view bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
    const auto video = llava::try_read_video(file, {4, true});
    return video || video.error().sentence().find("x.video") != std::string::npos;
  };
  const auto all = files();
  for (const char* name : {"h264.mp4", "h264-odd.mkv", "vp9.webm", "mjpeg.avi", "open-gop.ts"}) {
    const std::string& whole = all.at(name).bytes;
    const std::size_t step = whole.size() / 40 + 1;
    for (std::size_t i = 0; i < whole.size(); i += step) {
      INFO(name << " at " << i);
      REQUIRE(tried(std::string_view(whole).substr(0, i)));
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
      REQUIRE(tried(damaged));
    }
  }
}

TEST_CASE("R2, R6: files that are no video, and lists of other files, are errors") {
  av_log_set_level(AV_LOG_QUIET);
  temporary_folder folder("video_refused");
  const auto error_of = [&](std::string_view bytes) {
    folder.write("x.mp4", bytes);
    const auto video = llava::try_read_video(folder / "x.mp4");
    return video ? std::string() : video.error().sentence();
  };
  folder.write("real.mp4", files().at("h264.mp4").bytes);
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(100000, '\0'),
        std::string("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n"),
        "ffconcat version 1.0\nfile " + (folder / "real.mp4") + "\n"})
    CHECK(error_of(text).find("is no video file of a known format (mov,") != std::string::npos);
  CHECK(llava::try_read_video("/nowhere/x.mp4").error().code() == llava::errc::not_found);
  CHECK(llava::try_read_video("http://localhost/x.mp4").error().code() == llava::errc::not_found);
  CHECK(llava::try_read_video("concat:" + (folder / "real.mp4")).error().code() == llava::errc::not_found);
  CHECK(llava::try_read_video(std::string("a\0b", 3)).error().code() == llava::errc::invalid_argument);
  CHECK_FALSE(llava::try_read_video(folder.path.string()));
  CHECK(llava::try_read_video(folder / "real.mp4", {0, false}).error().sentence() ==
        "llava: 0 frames are asked for, expected 1 to 1024");
}
