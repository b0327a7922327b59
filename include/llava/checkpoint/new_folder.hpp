// SPDX-License-Identifier: Apache-2.0
/// new_folder: a folder that appears whole or not at all. It is filled beside its place, under a name that ends in
/// ".partial-" and the process's number, and renamed when it is done; whoever ends before leaves nothing but that.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <llava/base/error.hpp>

LLAVA_BEGIN

/// A folder in the making; gone when it is not committed.
class new_folder {
 public:
  new_folder(new_folder&& o) noexcept : place_(std::move(o.place_)), partial_(std::exchange(o.partial_, {})) {}
  new_folder& operator=(new_folder&&) = delete;
  ~new_folder() {
    std::error_code ignored;
    if (!partial_.empty()) std::filesystem::remove_all(partial_, ignored);
  }

  /// `place` must not exist, or be empty.
  static result<new_folder> try_make(const std::string& place) {
    std::error_code e;
    std::filesystem::path path = std::filesystem::absolute(place, e).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    if (std::filesystem::exists(path, e) && !std::filesystem::is_empty(path, e))
      return fail(errc::io, text_of("llava: ", place, " is there already and is not an empty folder; choose another"));
    new_folder f;
    f.place_ = path;
    path += ".partial-" + std::to_string(::getpid());
    std::filesystem::create_directories(path, e);
    if (e) return fail(errc::io, text_of("llava: cannot create the folder ", path.string()));
    f.partial_ = path;
    return result<new_folder>(std::move(f));
  }

  /// Where its files are written until then.
  std::string folder() const { return partial_.string(); }

  /// Copies what is in `from` except files at its top for which skip(name) is true.
  template <class Skip>
  result<void> try_copy(const std::string& from, Skip&& skip) {
    std::error_code e;
    for (std::filesystem::directory_iterator at(from, e), end; !e && at != end; at.increment(e)) {
      const std::string name = at->path().filename().string();
      if (!at->is_directory() && skip(name)) continue;
      std::filesystem::copy(at->path(), partial_ / name, std::filesystem::copy_options::recursive, e);
      if (e) return fail(errc::io, text_of("llava: cannot copy ", at->path().string(), " to ", partial_.string()));
    }
    if (e) return fail(errc::io, text_of("llava: cannot read the folder ", from));
    return {};
  }

  /// It is whole: puts it in its place.
  result<void> try_commit() {
    std::error_code e;
    std::filesystem::remove(place_, e);  // an empty folder of that name
    std::filesystem::rename(partial_, place_, e);
    if (e) return fail(errc::io, text_of("llava: cannot rename ", partial_.string(), " to ", place_.string()));
    partial_.clear();
    return {};
  }

 private:
  new_folder() = default;
  std::filesystem::path place_, partial_;
};

LLAVA_END
