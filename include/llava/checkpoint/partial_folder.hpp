// SPDX-License-Identifier: Apache-2.0
/// partial_folder: a temporary folder in which something is built before it is moved to its place:
/// "PREFIX0123456789abcdef", with a random number, so that threads, processes and machines never share one. It is
/// locked while its owner lives, and removed with it. A folder left by a crash has no lock, and is removed when the
/// next one with the same prefix is created, so that leftovers do not accumulate.
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/folder.hpp>

LLAVA_BEGIN

namespace detail {

/// Renames `from` to `to` unless `to` exists; 0 or errno. Without renameat2 a file created meanwhile is replaced.
inline int move_to_free_place(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != ENOSYS && errno != EINVAL) return errno;
#endif
  struct stat about {};
  if (::lstat(to.c_str(), &about) == 0) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// Removes a folder and everything in it. Links are removed, not followed. What cannot be removed stays.
inline void remove_folder(const std::string& folder) {
  ::nftw(
      folder.c_str(), [](const char* path, const struct stat*, int, FTW*) { return std::remove(path), 0; }, 8,
      FTW_DEPTH | FTW_PHYS);
}

}  // namespace detail

/// A temporary folder with one owner; see the head of this file.
class partial_folder {
 public:
  partial_folder(partial_folder&& o) noexcept : path_(std::exchange(o.path_, {})), lock_(std::exchange(o.lock_, -1)) {}
  partial_folder& operator=(partial_folder&&) = delete;
  ~partial_folder() {
    if (!path_.empty()) detail::remove_folder(path_);
    if (lock_ >= 0) ::close(lock_);
  }

  /// Creates a folder whose name begins with `prefix`. The folder above it must exist.
  static result<partial_folder> try_make(const std::string& prefix) {
    remove_leftovers(prefix);
    for (int attempt = 0; attempt < 100; ++attempt) {
      partial_folder f;
      std::string path = prefix + random_digits();
      if (::mkdir(path.c_str(), 0777) != 0) {
        if (errno == EEXIST) continue;
        return fail_of_system(errno, "llava: cannot create ", path);
      }
      f.path_ = std::move(path);  // allocates nothing, which could fail and leave the folder behind
      f.lock_ = open_folder(f.path_);
      const bool locked = f.lock_ >= 0 && ::flock(f.lock_, LOCK_EX | LOCK_NB) == 0;
      // Until it is locked, another process may remove it as a leftover. Where locks are not supported, nobody removes
      // it.
      if (locked ? is_at(f.lock_, f.path_) : f.lock_ >= 0 && errno != EWOULDBLOCK)
        return result<partial_folder>(std::move(f));
    }
    return fail_of_system(errno, "llava: cannot create a folder ", prefix, "…");
  }

  const std::string& path() const { return path_; }
  /// Call after the folder was moved: the destructor then removes nothing.
  void release() { path_.clear(); }
  /// Whether `name` is `prefix` followed by 16 hexadecimal digits.
  static bool is_name(std::string_view name, std::string_view prefix) {
    return name.size() == prefix.size() + digits && name.starts_with(prefix) &&
           name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string_view::npos;
  }

 private:
  static constexpr std::size_t digits = 16;

  partial_folder() = default;
  static int open_folder(const std::string& path) {
    return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }
  static bool is_at(int descriptor, const std::string& path) {
    struct stat held {
    }, there{};
    return ::fstat(descriptor, &held) == 0 && ::lstat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
           held.st_dev == there.st_dev;
  }
  static std::string random_digits() {
    std::uint64_t number = 0;
    if (::getentropy(&number, sizeof number) != 0)  // old systems lack the call
      number = static_cast<std::uint64_t>(::getpid()) << 32 ^ reinterpret_cast<std::uintptr_t>(&number);
    std::string text(digits, '0');
    for (std::size_t i = 0; i < digits; ++i, number >>= 4) text[i] = "0123456789abcdef"[number & 15];
    return text;
  }
  /// Removes the folders with this prefix whose owners have crashed.
  static void remove_leftovers(const std::string& prefix) {
    const std::size_t slash = prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : prefix.substr(0, slash + 1);
    const std::string start = slash == std::string::npos ? prefix : prefix.substr(slash + 1);
    const auto names = detail::try_names_in(folder);
    if (!names) return;
    for (const std::string& name : *names) {
      if (!is_name(name, start)) continue;
      const std::string path = prefix + name.substr(start.size());
      const int lock = open_folder(path);
      if (lock < 0) continue;
      if (::flock(lock, LOCK_EX | LOCK_NB) == 0) detail::remove_folder(path);
      ::close(lock);
    }
  }

  std::string path_;
  int lock_ = -1;
};

LLAVA_END
