// SPDX-License-Identifier: Apache-2.0
/// Definitions of disk_cache.hpp.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/checksum.hpp>
#include <llava/checkpoint/disk_cache.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/new_file.hpp>

LLAVA_BEGIN

namespace detail {

/// The first bytes of a file.
struct kept_header {
  std::array<char, 16> format{'l', 'l', 'a', 'v', 'a', ' ', 'd', 'i', 's', 'k', ' ', 'c', 'a', 'c', 'h', 'e'};
  std::uint64_t size = 0, checksum = 0;  // of the content
  std::array<char, 32> rest{};
};

inline constexpr std::string_view kept_ending = ".kept";

/// Whether a name is one of this cache's files: 64 hexadecimal digits and the ending.
inline bool is_kept_name(std::string_view name) {
  return name.size() == 64 + kept_ending.size() && name.ends_with(kept_ending) &&
         name.find_first_not_of("0123456789abcdef") == 64;
}

}  // namespace detail

LLAVA_INLINE result<std::unique_ptr<disk_cache>> disk_cache::try_open(const std::string& folder,
                                                                      const sha256_digest& model,
                                                                      std::uint64_t most_bytes) {
  return guarded([&]() -> result<std::unique_ptr<disk_cache>> {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      return fail_of_system(errno, "llava: cannot create the folder of the disk cache, ", folder);
    LLAVA_TRY(partial, partial_folder::try_make(folder + "/partial-"));
    std::unique_ptr<disk_cache> made(new disk_cache(folder, std::move(partial), model, most_bytes));
    made->shrink(most_bytes);
    return result<std::unique_ptr<disk_cache>>(std::move(made));
  });
}

LLAVA_INLINE std::string disk_cache::file_of(kind of, const sha256_digest& name) const {
  const sha256_digest key = sha256().update_value(model_).update_value(of).update_value(name).digest();
  std::string file;
  for (const std::uint8_t byte : key.bytes)
    for (const int digit : {byte >> 4, byte & 15}) file += "0123456789abcdef"[digit];
  return file.append(detail::kept_ending);
}

LLAVA_INLINE bool disk_cache::has(kind of, const sha256_digest& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return had_.count(file_of(of, name)) > 0;
}

LLAVA_INLINE std::optional<disk_cache::content> disk_cache::find(kind of, const sha256_digest& name) {
  const std::string file = file_of(of, name), path = folder_ + "/" + file;
  auto mapped = mapped_file::try_open(path);
  if (!mapped) return std::nullopt;
  const std::span<const std::byte> all = mapped->bytes();
  detail::kept_header expected, found;
  if (all.size() >= header) {
    std::memcpy(&found, all.data(), header);
    expected.size = all.size() - header, expected.checksum = detail::checksum_of(all.subspan(header));
    if (std::memcmp(&found, &expected, header) == 0) {
      ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
      const std::lock_guard<std::mutex> lock(mutex_);
      had_.insert(file);
      return content(*std::move(mapped));
    }
  }
  ::unlink(path.c_str());
  return std::nullopt;
}

LLAVA_INLINE result<void> disk_cache::try_keep(kind of, const sha256_digest& name, std::span<const std::byte> bytes) {
  return guarded([&]() -> result<void> {
    const std::uint64_t size = header + bytes.size();
    LLAVA_CHECK(try_check());
    if (size > most_bytes_) return {};
    std::string partial;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (bytes_ + size > most_bytes_) shrink(most_bytes_ - (std::max)(size, most_bytes_ / 16));  // not at every file
      bytes_ += size;
      partial = text_of(partial_.path(), "/", files_++);
    }
    detail::kept_header about;
    static_assert(sizeof about == header, "llava: contents begin behind the header");
    about.size = bytes.size(), about.checksum = detail::checksum_of(bytes);
    LLAVA_TRY(out, new_file::try_create(partial));
    result<void> written;
    if (::chmod(partial.c_str(), 0600) != 0) written = fail_of_system(errno, "llava: cannot write ", partial);
    if (written) written = out.try_write(std::as_bytes(std::span(&about, 1)));
    if (written) written = out.try_write(bytes);
    if (written) written = out.try_finish();
    const std::string file = file_of(of, name), path = folder_ + "/" + file;
    if (written && std::rename(partial.c_str(), path.c_str()) != 0)
      written = fail_of_system(errno, "llava: cannot rename ", partial, " to ", path);
    if (!written) ::unlink(partial.c_str());
    const std::lock_guard<std::mutex> lock(mutex_);
    if (written)
      had_.insert(file);
    else
      failed_ = written.error();
    return written;
  });
}

LLAVA_INLINE result<void> disk_cache::try_check() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failed_) return *failed_;
  return {};
}

LLAVA_INLINE void disk_cache::shrink(std::uint64_t to) {
  struct kept_file {
    std::int64_t used;  // nanoseconds
    std::uint64_t size;
    std::string path;
  };
  std::vector<kept_file> all;
  bytes_ = 0;
  const auto names = detail::try_names_in(folder_);
  if (!names) return;
  for (const std::string& name : *names) {
    struct stat about {};
    std::string path = folder_ + "/" + name;
    if (!detail::is_kept_name(name) || ::lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    bytes_ += static_cast<std::uint64_t>(about.st_size);
    all.push_back({std::int64_t{about.st_mtim.tv_sec} * 1000000000 + about.st_mtim.tv_nsec,
                   static_cast<std::uint64_t>(about.st_size), std::move(path)});
  }
  std::sort(all.begin(), all.end(), [](const kept_file& a, const kept_file& b) { return a.used < b.used; });
  for (const kept_file& f : all) {
    if (bytes_ <= to) break;
    if (::unlink(f.path.c_str()) == 0) bytes_ -= f.size;
  }
}

LLAVA_END
