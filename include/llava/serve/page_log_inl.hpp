// SPDX-License-Identifier: Apache-2.0
/// Definitions of page_log.hpp.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <utility>

#include <llava/serve/page_log.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// An open file, closed at the end.
class log_file {
 public:
  log_file(const std::string& path, int flags) : number_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  log_file(const log_file&) = delete;
  log_file& operator=(const log_file&) = delete;
  ~log_file() {
    if (number_ >= 0) ::close(number_);
  }

  /// Appends all bytes or none. Other servers may append to the same file. Errors: of the system.
  result<void> try_append(std::string_view bytes) const {
    if (number_ < 0 || ::flock(number_, LOCK_EX) != 0) return failed();
    struct stat before {};
    if (::fstat(number_, &before) != 0) return failed();
    for (std::string_view rest = bytes; !rest.empty();) {
      const auto written = ::write(number_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        result<void> why = failed();
        if (rest.size() < bytes.size() && ::ftruncate(number_, before.st_size) != 0) return failed();
        return why;
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  static result<void> failed() { return fail_of_system(errno, "llava: cannot write the log"); }

 private:
  int number_;
};

}  // namespace detail

LLAVA_INLINE result<std::unique_ptr<page_log>> page_log::try_open(std::string folder, std::uint64_t most_bytes,
                                                                  hook<void(std::string_view)> report) {
  return guarded([&]() -> result<std::unique_ptr<page_log>> {
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (ec) return fail_of_system(ec.value(), "llava: cannot make the log folder ", folder);
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
      return fail_of_system(errno, "llava: cannot write to the log folder ", folder);
    return std::unique_ptr<page_log>(new page_log(std::move(folder), most_bytes, std::move(report)));
  });
}

LLAVA_INLINE std::string page_log::today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[16] = "1970-01-01";
  if (::localtime_r(&now, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  if (day_ != text) day_ = text, bytes_ = 0;
  return day_;
}

/// Reports the first failure since a line was written.
LLAVA_INLINE bool page_log::reported(const result<void>& done) {
  if (!done && !std::exchange(is_failing_, true) && report_)
    report_(text_of(done.error().what(), "; answers go on, lines of the log are left out"));
  return static_cast<bool>(done);
}

LLAVA_INLINE bool page_log::append(std::string_view line) {
  const std::lock_guard lock(mutex_);
  return reported(guarded([&]() -> result<void> {
    const std::string path = text_of(folder_, '/', today(), "-conv.json");
    if (bytes_ + line.size() > most_bytes_)
      return fail(errc::io, text_of("llava: the log of ", day_, " has reached its limit of ", most_bytes_, " bytes"));
    LLAVA_CHECK(detail::log_file(path, O_WRONLY | O_APPEND | O_CREAT).try_append(text_of(line, '\n')));
    bytes_ += line.size() + 1;
    is_failing_ = false;
    return {};
  }));
}

LLAVA_INLINE bool page_log::save_image(const image& picture, const std::string& name, const jpeg_encoder& encode) {
  if (!encode) return false;
  const std::lock_guard lock(mutex_);
  return reported(guarded([&]() -> result<void> {
    const std::string folder = text_of(folder_, "/serve_images/", today());
    const std::string path = text_of(folder, '/', name, ".jpg"), part = text_of(path, '.', ::getpid(), ".part");
    if (::access(path.c_str(), F_OK) == 0) return {};
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (ec) return fail_of_system(ec.value(), "llava: cannot write the log's images");
    LLAVA_TRY(file, encode(picture));
    if (bytes_ + file.size() > most_bytes_)
      return fail(errc::io, text_of("llava: the log of ", day_, " has reached its limit of ", most_bytes_, " bytes"));
    const result<void> written = detail::log_file(part, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC).try_append(file);
    if (!written) {
      ::unlink(part.c_str());
      return written.error();
    }
    if (std::rename(part.c_str(), path.c_str()) != 0) return detail::log_file::failed();
    bytes_ += file.size();
    return {};
  }));
}

}  // namespace serve
LLAVA_END
