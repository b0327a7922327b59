// SPDX-License-Identifier: Apache-2.0
/// File system folders: whether one, or a file, exists; the names in a folder; small files written to it.
/// <filesystem>'s iterator is not used, because it terminates the program when an allocation fails.
#pragma once
#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>

LLAVA_BEGIN

namespace detail {

inline bool folder_exists(const std::string& folder) {
  struct stat about {};
  return ::stat(folder.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

inline bool file_exists(const std::string& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) == 0;
}

/// The folder of a file: "." for a name without one.
inline std::string folder_of_file(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
}

/// The path with links and ".." resolved; the path itself when nothing is there.
inline std::string resolved_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> found(::realpath(path.c_str(), nullptr), &std::free);
  return found ? std::string(found.get()) : path;
}

/// The names in a folder, without "." and "..", in no order.
inline result<std::vector<std::string>> try_names_in(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<::DIR, int (*)(::DIR*)> at(::opendir(folder.c_str()), &::closedir);
  if (!at) return fail_of_system(errno, "llava: cannot read the folder ", folder);
  const auto next = [&] { return errno = 0, ::readdir(at.get()); };  // only errno tells the end from a failure
  while (const ::dirent* entry = next())
    if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  if (errno != 0) return fail_of_system(errno, "llava: cannot read the folder ", folder);
  return result<std::vector<std::string>>(std::move(names));
}

/// Writes a file, or replaces it.
inline result<void> try_write_text(const std::string& file, std::string_view text) {
  std::FILE* const out = std::fopen(file.c_str(), "wb");
  const bool written = out && std::fwrite(text.data(), 1, text.size(), out) == text.size();
  if (!out || std::fclose(out) != 0 || !written) return fail_of_system(errno, "llava: cannot write ", file);
  return {};
}

}  // namespace detail

LLAVA_END
