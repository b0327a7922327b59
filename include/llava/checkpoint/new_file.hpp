// SPDX-License-Identifier: Apache-2.0
/// new_file: writes a file front to back, in pieces of any size. Nothing is kept in memory.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>

LLAVA_BEGIN

/// A file being written. It is complete when try_finish has succeeded.
class new_file {
 public:
  new_file() = default;
  new_file(new_file&& o) noexcept : name_(std::move(o.name_)), descriptor_(std::exchange(o.descriptor_, -1)) {}
  new_file& operator=(new_file&& o) noexcept {
    std::swap(name_, o.name_), std::swap(descriptor_, o.descriptor_);
    return *this;
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;
  ~new_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Creates `name`, which must not exist.
  static result<new_file> try_create(std::string name) {
    new_file f;
    f.name_ = std::move(name);
    f.descriptor_ = ::open(f.name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f.descriptor_ < 0) return fail_of_system(errno, "llava: cannot create ", f.name_);
    return result<new_file>(std::move(f));
  }

  const std::string& name() const { return name_; }

  /// Writes the next bytes.
  result<void> try_write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail_of_system(errno, "llava: cannot write ", name_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }
  result<void> try_write(std::string_view text) { return try_write(std::as_bytes(std::span(text))); }

  /// Call after the last byte. The file is on disk when this returns.
  result<void> try_finish() {
    const int failure = ::fsync(descriptor_) == 0 ? 0 : errno;
    const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
    if (failure != 0 || !closed)
      return fail_of_system(failure != 0 ? failure : errno, "llava: cannot write ", name_, " to disk");
    return {};
  }

 private:
  std::string name_;
  int descriptor_ = -1;
};

LLAVA_END
