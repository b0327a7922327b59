// SPDX-License-Identifier: Apache-2.0
#include "hub_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <llava/base/sha256.hpp>
#include <llava/checkpoint/hub_cache.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "sha1.hpp"

namespace {
using llava::errc;
using llava::fail;
using llava::fail_of_system;
using llava::result;
using llava::text_of;

/// Makes a folder and those above it.
result<void> try_make_folders(const std::string& folder) {
  for (std::size_t at = 1; at <= folder.size(); ++at)
    if (at == folder.size() || folder[at] == '/')
      if (::mkdir(folder.substr(0, at).c_str(), 0777) != 0 && errno != EEXIST && errno != EISDIR && errno != EROFS)
        return fail_of_system(errno, "llava: cannot make the folder ", folder.substr(0, at));
  if (!llava::detail::folder_exists(folder)) return fail(errc::io, text_of("llava: cannot make the folder ", folder));
  return {};
}

std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// A name beside `path` that no other process uses.
std::string name_beside(const std::string& path) { return text_of(path, ".", ::getpid(), ".tmp"); }

std::int64_t size_of(const std::string& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : -1;
}

/// Both hashes by which the hub names files: SHA-256, or git's of a blob.
class file_hash {
 public:
  explicit file_hash(const hub_file& file) : is_git_(file.hash.size() == 40) {
    if (is_git_) git_.update(text_of("blob ", file.size) + std::string(1, '\0'));
  }
  void update(std::string_view bytes) {
    if (is_git_)
      git_.update(bytes);
    else
      sha256_.update(std::as_bytes(std::span(bytes)));
  }
  std::string hex() {
    if (is_git_) return git_.hex();
    std::string out;
    for (const std::uint8_t byte : sha256_.digest().bytes)
      out += "0123456789abcdef"[byte >> 4], out += "0123456789abcdef"[byte & 15];
    return out;
  }

 private:
  bool is_git_;
  sha1 git_;
  llava::sha256 sha256_;
};

}  // namespace

/// Held by one process at a time, and given back by its end, however it ends.
class hub_store::lock {
 public:
  explicit lock(const std::string& file)
      : number_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)), failure_(number_ < 0 ? errno : 0) {}
  lock(const lock&) = delete;
  lock& operator=(const lock&) = delete;
  ~lock() {
    if (number_ >= 0) ::close(number_);
  }
  /// Returns 0, EWOULDBLOCK while another process has it, or another error number.
  int try_take() const { return failure_ != 0 ? failure_ : ::flock(number_, LOCK_EX | LOCK_NB) != 0 ? errno : 0; }

 private:
  int number_, failure_;
};

/// The bytes of a blob that have arrived, and their hash.
class hub_store::partial_file {
 public:
  partial_file(std::string path, const hub_file& file)
      : path_(std::move(path)),
        file_(file),
        hash_(file),
        number_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {}
  partial_file(const partial_file&) = delete;
  partial_file& operator=(const partial_file&) = delete;
  ~partial_file() {
    if (number_ >= 0) ::close(number_);
  }
  std::uint64_t size() const { return size_; }

  /// Reads what an earlier fetch has left.
  result<void> try_resume() {
    if (number_ < 0) return fail_of_system(errno, "llava: cannot write ", path_);
    if (size_of(path_) > static_cast<std::int64_t>(file_.size)) return try_restart();
    std::vector<char> piece(std::size_t{1} << 20);
    for (;;) {
      const auto n = ::read(number_, piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_of_system(errno, "llava: cannot read ", path_);
      if (n == 0) return {};
      hash_.update({piece.data(), static_cast<std::size_t>(n)});
      size_ += static_cast<std::uint64_t>(n);
    }
  }
  result<void> try_restart() {
    hash_ = file_hash(file_), size_ = 0;
    if (::ftruncate(number_, 0) != 0 || ::lseek(number_, 0, SEEK_SET) != 0)
      return fail_of_system(errno, "llava: cannot write ", path_);
    return {};
  }
  result<void> try_append(std::string_view bytes) {
    if (bytes.size() > file_.size - size_)
      return fail(errc::invalid_format, text_of("llava: the hub sent more of ", file_.name, " than the ", file_.size,
                                                " bytes that it has announced; try again"));
    hash_.update(bytes);
    while (!bytes.empty()) {
      const auto n = ::write(number_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        return fail_of_system(errno, "llava: cannot write ", file_.name, " to ", path_,
                              "; what has arrived is kept, and the next call goes on from there");
      size_ += static_cast<std::uint64_t>(n);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }
  /// Whether all bytes have the announced hash. Only try_restart, remove or try_name may follow.
  bool has_announced_hash() { return hash_.hex() == file_.hash; }
  llava::error remove() {
    ::unlink(path_.c_str());
    return fail(errc::mismatch, text_of("llava: the bytes of ", file_.name,
                                        " have another hash than the hub has "
                                        "announced (",
                                        file_.hash, "); they are removed, try again"));
  }
  /// Gives the file its final name.
  result<void> try_name(const std::string& blob) {
    if (::fsync(number_) != 0 || ::rename(path_.c_str(), blob.c_str()) != 0)
      return fail_of_system(errno, "llava: cannot write ", blob);
    return {};
  }

 private:
  const std::string path_;
  const hub_file& file_;
  file_hash hash_;
  int number_;
  std::uint64_t size_ = 0;
};

result<hub_store> hub_store::try_open(const std::string& name) {
  const std::string cache = llava::detail::hub_cache_folder();
  std::string folder = "models--" + name;
  folder.replace(folder.find('/'), 1, "--");
  hub_store made;
  made.name_ = name, made.folder_ = cache + '/' + folder, made.locks_ = cache + "/.locks/" + folder;
  for (const std::string& one :
       {made.folder_ + "/blobs", made.folder_ + "/snapshots", made.folder_ + "/refs", made.locks_})
    LLAVA_CHECK(try_make_folders(one));
  return made;
}

bool hub_store::has(const hub_file& file) const { return size_of(blob(file)) == static_cast<std::int64_t>(file.size); }

std::uint64_t hub_store::bytes_here(const hub_file& file) const {
  if (has(file)) return file.size;
  const std::int64_t partial = size_of(blob(file) + ".incomplete");
  return partial > 0 && static_cast<std::uint64_t>(partial) <= file.size ? static_cast<std::uint64_t>(partial) : 0;
}

result<void> hub_store::try_find_room(std::uint64_t bytes) const {
  struct statvfs about {};
  if (::statvfs(folder_.c_str(), &about) != 0) return {};
  const std::uint64_t free = about.f_bavail * about.f_frsize;
  if (bytes <= free) return {};
  return fail(errc::io, text_of("llava: ", name_, " needs ", bytes, " more bytes in ", folder_, ", where ", free,
                                " are free; free some, or name another folder in HF_HUB_CACHE"));
}

result<void> hub_store::try_fetch(const hub_client& hub, const std::string& commit, const hub_file& file,
                                  llava::function_ref<bool(std::uint64_t)> report) {
  const auto cancelled = [] { return fail(errc::cancelled, "llava: the fetch was cancelled; the next call goes on"); };
  const lock one_process(text_of(locks_, '/', file.hash, ".lock"));
  while (const int number = one_process.try_take()) {
    if (number != EWOULDBLOCK && number != EINTR)
      return fail_of_system(number, "llava: cannot lock ", locks_, '/', file.hash, ".lock");
    if (!report(bytes_here(file))) return cancelled();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (has(file)) return {};  // another process has fetched it
  partial_file partial(blob(file) + ".incomplete", file);
  LLAVA_CHECK(partial.try_resume());
  bool is_fresh = partial.size() == 0;
  std::uint64_t most = partial.size();
  for (int failures = 0;;) {
    result<void> written, got;
    if (partial.size() < file.size || file.size == 0)
      got = hub.try_get(
          name_, commit, file.name, partial.size(),
          [&](std::uint64_t at) {
            if (at == 0 && partial.size() > 0) written = partial.try_restart();
            return written && report(partial.size());
          },
          [&](std::string_view piece) {
            written = partial.try_append(piece);
            return written && report(partial.size());
          });
    if (!written) return written;
    if (!report(partial.size())) return cancelled();
    if (partial.size() == file.size && (got || file.size > 0)) {
      if (partial.has_announced_hash()) return partial.try_name(blob(file));
      if (is_fresh) return partial.remove();
      is_fresh = true;  // what an earlier fetch has left may be damaged: once more, from the beginning
      LLAVA_CHECK(partial.try_restart());
      continue;
    }
    if (!got && got.error().code() != errc::io) return got;
    if (partial.size() <= most && ++failures == 5)
      return got ? fail(errc::io, text_of("llava: the hub sent ", partial.size(), " of the ", file.size, " bytes of ",
                                          file.name, "; try again"))
                 : result<void>(got.error());
    most = std::max(most, partial.size());
    for (int i = 0; i < 5 * failures; ++i) {
      if (!report(partial.size())) return cancelled();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

result<void> hub_store::try_link(const std::string& commit, const hub_file& file) const {
  const std::string path = snapshot(commit) + '/' + file.name, fresh = name_beside(path);
  LLAVA_CHECK(try_make_folders(parent(path)));
  std::string target = "../../";
  for (const char c : file.name) target += c == '/' ? "../" : "";
  target += "blobs/" + file.hash;
  if (::symlink(target.c_str(), fresh.c_str()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
    return fail_of_system(errno, "llava: cannot make the link ", path);
  return {};
}

result<void> hub_store::try_set_revision(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return {};
  const std::string path = folder_ + "/refs/" + revision, fresh = name_beside(path);
  LLAVA_CHECK(try_make_folders(parent(path)));
  const int number = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const auto size = static_cast<ssize_t>(commit.size());
  const bool is_written = number >= 0 && ::write(number, commit.data(), commit.size()) == size && ::fsync(number) == 0;
  const int failure = errno;
  if (number >= 0) ::close(number);
  if (is_written && ::rename(fresh.c_str(), path.c_str()) == 0) return {};
  ::unlink(fresh.c_str());
  return fail_of_system(is_written ? errno : failure, "llava: cannot write ", path);
}
