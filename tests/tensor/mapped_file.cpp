// SPDX-License-Identifier: Apache-2.0
#include <llava/tensor/mapped_file.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

TEST_CASE("a mapped file's bytes stay at their address as long as its owner lives, even if it moves") {
  temporary_folder f("mapped");
  f.write("x", "hello");
  auto opened = llava::mapped_file::try_open(f / "x");
  REQUIRE(opened);
  llava::mapped_file file = *std::move(opened);
  const std::byte* at = file.bytes().data();
  llava::mapped_file other = std::move(file);
  std::filesystem::remove(f / "x");
  CHECK(other.bytes().data() == at);
  CHECK(std::string(reinterpret_cast<const char*>(at), other.bytes().size()) == "hello");
}

TEST_CASE("R1: an empty file has no bytes; a path that is no file is an error that names it") {
  temporary_folder f("mapped");
  f.write("empty", "");
  CHECK(llava::mapped_file::try_open(f / "empty")->bytes().empty());
  CHECK(llava::mapped_file::try_open(f / "absent").error().code() == llava::errc::not_found);
  CHECK(llava::mapped_file::try_open(f.path.string())
            .error()
            .sentence()
            .find(f.path.string() + " is not a regular file") != std::string::npos);
  CHECK_FALSE(llava::mapped_file::try_open("/dev/zero"));
}

TEST_CASE("errors of the system are reported with their reason, and opening a pipe does not block") {
  temporary_folder f("mapped");
  CHECK(llava::mapped_file::try_open(f / "absent").error().sentence() ==
        "llava: cannot open " + (f / "absent") + ": No such file or directory");
  CHECK(llava::mapped_file::try_open(f / std::string(300, 'n')).error().sentence().find("File name too long") !=
        std::string::npos);
  REQUIRE(::mkfifo((f / "pipe").c_str(), 0600) == 0);
  CHECK(llava::mapped_file::try_open(f / "pipe").error().sentence().find("is not a regular file") != std::string::npos);
}
