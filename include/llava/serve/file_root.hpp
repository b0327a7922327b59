// SPDX-License-Identifier: Apache-2.0
/// file_root: files of one folder, for clients that name them (R6). What counts is the file that is opened, not its
/// name: no "..", symbolic link or change of the folder meanwhile leads out of it.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// Closes a descriptor.
class open_descriptor {
 public:
  explicit open_descriptor(int number) : number_(number) {}
  open_descriptor(const open_descriptor&) = delete;
  open_descriptor& operator=(const open_descriptor&) = delete;
  ~open_descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace detail

/// A folder whose regular files may be read. A hard link in it counts as its file.
class file_root {
 public:
  /// Errors: there is no such folder.
  static result<file_root> try_make(const std::string& folder) {
    return guarded([&]() -> result<file_root> {
      char real[PATH_MAX];
      struct stat about {};
      if (!::realpath(folder.c_str(), real) || ::stat(real, &about) != 0)
        return fail_of_system(errno, "llava: cannot open the folder ", folder);
      if (!S_ISDIR(about.st_mode))
        return fail(errc::invalid_argument, text_of("llava: ", folder, " is a file, expected a folder"));
      return file_root(with_slash(folder), with_slash(real));
    });
  }

  /// Whether `path` is absolute, begins with the folder, and has no "..": this opens nothing.
  bool names(std::string_view path) const {
    const std::string ended = text_of(path, '/');
    return path.starts_with('/') && ended.find("/../") == ended.npos && path.find('\0') == path.npos &&
           (path.starts_with(named_) || path.starts_with(real_));
  }

  /// Reads a file of at most `longest` bytes. Errors, with one sentence, so that nobody learns which files exist
  /// elsewhere: it cannot be read, is no regular file, is not in the folder, or is longer.
  result<std::vector<std::byte>> try_read(const std::string& path, std::size_t longest) const {
    return guarded([&]() -> result<std::vector<std::byte>> {
      const auto refuse = [] {
        return fail(errc::invalid_argument, "llava: there is no such file, or it is not one that may be read");
      };
      if (!names(path)) return refuse();
      // O_PATH finds the file without opening it: a device or a pipe notices nothing.
      const detail::open_descriptor found(::open(path.c_str(), O_PATH | O_CLOEXEC));
      struct stat about {};
      if (found.number() < 0 || ::fstat(found.number(), &about) != 0 || !S_ISREG(about.st_mode)) return refuse();
      const std::string link = text_of("/proc/self/fd/", found.number());
      char real[PATH_MAX];
      const auto length = ::readlink(link.c_str(), real, sizeof real);
      if (length <= 0 || !std::string_view(real, static_cast<std::size_t>(length)).starts_with(real_)) return refuse();
      const detail::open_descriptor opened(::open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
      if (opened.number() < 0 || about.st_size < 0 || static_cast<std::uint64_t>(about.st_size) > longest)
        return refuse();
      std::vector<std::byte> bytes(static_cast<std::size_t>(about.st_size));
      for (std::size_t at = 0; at < bytes.size();) {
        const auto more = ::read(opened.number(), bytes.data() + at, bytes.size() - at);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) return refuse();
        at += static_cast<std::size_t>(more);
      }
      return bytes;
    });
  }

 private:
  file_root(std::string named, std::string real) : named_(std::move(named)), real_(std::move(real)) {}
  static std::string with_slash(std::string folder) {
    if (!folder.ends_with('/')) folder += '/';
    return folder;
  }

  std::string named_, real_;  // as given, and without links; both end with a slash
};

}  // namespace serve
LLAVA_END
