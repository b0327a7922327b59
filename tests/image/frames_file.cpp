// SPDX-License-Identifier: Apache-2.0
/// A folder of frames.
#include <llava/image/frames_file.hpp>

#include <temporary_folder.hpp>

#include "images.hpp"

namespace {

/// A PNG and a JPEG of tests/oracle/pillow_vectors.py.
std::string encoded(const std::string& wanted) {
  for (auto& line : images::lines("decode.txt")) {
    std::string name;
    std::size_t at = 0, size = 0;
    REQUIRE(line >> name >> at >> size);
    if (name == wanted) return images::read("images.pack").substr(at, size);
  }
  FAIL(wanted << " is missing");
  return {};
}

}  // namespace

TEST_CASE("a folder of frames is a video in the order of the names; other files are ignored") {
  const std::string png = encoded("png-2-8-33x17"), small = encoded("png-2-8-5x6"), jpeg = encoded("jpeg-8x8-s2");
  temporary_folder folder("frames");
  folder.write("b.PNG", small).write("a.jpeg", jpeg).write("c10.png", png).write("c2.jpg", jpeg);
  folder.write("notes.txt", "hello").write(".png", "hidden").write("png", "no ending");
  const auto all = llava::try_read_frames(folder.path.string());
  if (!all) FAIL(all.error().what());
  REQUIRE(all->frames().size() == 4);
  const auto decoded = [](const std::string& bytes) {
    return *llava::try_decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())));
  };
  CHECK(all->frames()[0] == decoded(jpeg));
  CHECK(all->frames()[1] == decoded(small));
  CHECK(all->frames()[2] == decoded(png));
  CHECK(all->frames()[3] == decoded(jpeg));
  CHECK(all->seconds() == 2);
  CHECK(std::vector(all->times().begin(), all->times().end()) == std::vector<double>{0, 0.5, 1, 1.5});

  const auto two = llava::try_read_frames(folder.path.string(), {2, false}, 4);
  REQUIRE((two && two->frames().size() == 2));
  CHECK(two->frames()[1] == decoded(jpeg));
  CHECK(two->times()[1] == 0.75);
  const auto seven = llava::try_read_frames(folder.path.string(), {7, true});
  REQUIRE((seven && seven->frames().size() == 7));
  CHECK(seven->frames()[0] == seven->frames()[1]);
}

TEST_CASE("R2: folders that are no video are errors that name the file") {
  temporary_folder folder("frames_wrong");
  const std::string where = folder.path.string();
  CHECK(llava::try_read_frames(where).error().sentence() ==
        "llava: the folder " + where + " has no frames, expected JPEG or PNG files");
  CHECK(llava::try_read_frames(where + "/absent").error().code() == llava::errc::not_found);
  folder.write("a.png", encoded("png-2-8-5x6")).write("b.png", "hello");
  CHECK(llava::try_read_frames(where).error().sentence().find("/b.png is neither JPEG nor PNG") != std::string::npos);
  CHECK(llava::try_read_frames(where, {1, false}));  // the broken one is not read
  CHECK(llava::try_read_frames(where, {0, false}).error().sentence().find("0 frames are asked for") !=
        std::string::npos);
  CHECK(llava::try_read_frames(where, {2, false}, 0).error().sentence().find("frames per second") != std::string::npos);
  std::filesystem::create_directory(folder.path / "z.png");
  CHECK_FALSE(llava::try_read_frames(where));
}
