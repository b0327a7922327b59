// SPDX-License-Identifier: Apache-2.0
/// new_folder: a folder that appears only when it is complete. It is filled next to its place and renamed at the end.
/// If an empty folder already exists there (a mount, the target of a link), the files are written inside it and moved
/// up at the end, config.json last, or model.gguf if there is no config.json: a folder without it is not a model.
/// Nothing that exists is ever replaced, and a writer that stops early leaves nothing behind (partial_folder.hpp).
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/partial_folder.hpp>

LLAVA_BEGIN

/// A folder under construction; removed unless it is committed.
class new_folder {
 public:
  /// `place` must not exist or must be an empty folder. Missing folders above it are created.
  static result<new_folder> try_make(std::string place) {
    namespace fs = std::filesystem;
    const auto is_taken = [&](std::string_view why) {
      return fail(errc::io, text_of("llava: ", place, " already exists and is ", why, "; choose another"));
    };
    if (place.empty()) return fail(errc::invalid_argument, "llava: the new folder has no name");
    while (place.size() > 1 && (place.back() == '/' || place.ends_with("/."))) place.pop_back();
    std::error_code e;
    const fs::file_status itself = fs::symlink_status(place, e), target = fs::status(place, e);
    const bool inside = fs::is_directory(target);
    if (fs::exists(target) && !inside) return is_taken("not an empty folder");
    if (fs::is_symlink(itself) && !inside) return is_taken("a link to nothing");
    if (const fs::path above = fs::path(place).parent_path(); !inside && !above.empty()) {
      fs::create_directories(above, e);
      if (e) return fail_of_system(e.value(), "llava: cannot create the folder ", above.string());
    }
    const std::string prefix = place + (inside ? "/.partial-" : ".partial-");
    LLAVA_TRY(partial, partial_folder::try_make(prefix));
    new_folder f(place, std::move(partial), inside);
    if (!inside) return result<new_folder>(std::move(f));
    LLAVA_TRY(names, detail::try_names_in(place));
    for (const std::string& name : names)
      if (place + "/" + name != f.folder()) return is_taken("not an empty folder");
    return result<new_folder>(std::move(f));
  }

  /// The folder to write files into before try_commit.
  const std::string& folder() const { return partial_.path(); }

  /// Copies the file `from`, following links, to `name`, which may contain folders.
  result<void> try_copy(const std::string& from, const std::string& name) {
    namespace fs = std::filesystem;
    std::error_code e;
    const fs::path to = fs::path(folder()) / name;
    fs::create_directories(to.parent_path(), e);
    if (!e) fs::copy_file(from, to, e);
    if (e) return fail_of_system(e.value(), "llava: cannot copy ", from, " to ", to.string());
    return {};
  }

  /// Moves the complete folder to its place.
  result<void> try_commit() {
    if (inside_) return try_move_up();
    if (const int failure = detail::move_to_free_place(folder(), place_); failure != 0)
      return fail_of_system(failure, "llava: cannot rename ", folder(), " to ", place_);
    partial_.release();
    return {};
  }

 private:
  new_folder(std::string place, partial_folder partial, bool inside)
      : place_(std::move(place)), partial_(std::move(partial)), inside_(inside) {}

  result<void> try_move_up() {
    const std::string last = detail::file_exists(folder() + "/config.json") ? "config.json" : "model.gguf";
    const auto move = [&](const std::string& name) -> result<void> {
      const int failure = detail::move_to_free_place(folder() + "/" + name, place_ + "/" + name);
      if (failure != 0) return fail_of_system(failure, "llava: cannot move ", name, " into ", place_);
      return {};
    };
    LLAVA_TRY(names, detail::try_names_in(folder()));
    for (const std::string& name : names)
      if (name != last) LLAVA_CHECK(move(name));
    return move(last);
  }

  std::string place_;
  partial_folder partial_;
  bool inside_;
};

LLAVA_END
