// SPDX-License-Identifier: Apache-2.0
#include <llava/base/path_view.hpp>
#include <llava_catch.hpp>

#include <filesystem>
#include <string>

namespace {
std::string text_of_path(llava::path_view p) { return std::string(std::string_view(p)); }
}  // namespace

TEST_CASE("path_view: accepts strings and paths", "[base]") {
  const std::string text = "a folder/model";
  CHECK(text_of_path("a folder/model") == text);
  CHECK(text_of_path(text) == text);
  CHECK(text_of_path(std::string_view(text)) == text);
  CHECK(text_of_path(std::filesystem::path("a folder") / "model") == text);
  char buffer[] = "a folder/model";
  char* begin = buffer;
  CHECK(text_of_path(buffer) == text);
  CHECK(text_of_path(begin) == text);
}
