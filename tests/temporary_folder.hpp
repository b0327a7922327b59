// SPDX-License-Identifier: Apache-2.0
/// A temporary folder for one test, removed at its end.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

struct temporary_folder {
  std::filesystem::path path;

  explicit temporary_folder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("llava_test_" + std::to_string(::getpid()) + "_" + name)) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() { std::filesystem::remove_all(path); }

  std::string operator/(const std::string& name) const { return (path / name).string(); }
  /// Writes a file. Creates its folder if necessary.
  temporary_folder& write(const std::string& name, std::string_view text) {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
    return *this;
  }
  /// Copies a file into this folder, or all files of a folder.
  temporary_folder& copy(const std::filesystem::path& from) {
    if (std::filesystem::is_directory(from))
      std::filesystem::copy(from, path, std::filesystem::copy_options::recursive);
    else
      std::filesystem::copy_file(from, path / from.filename());
    return *this;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

/// `text` with its first `from` replaced by `to`, or an empty text if it has none.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  return at == std::string::npos ? std::string() : text.replace(at, from.size(), to);
}
