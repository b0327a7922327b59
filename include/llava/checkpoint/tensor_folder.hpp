// SPDX-License-Identifier: Apache-2.0
/// tensor_folder<File>: the tensors of a folder's files of one format: one file, or else the shards that an index
/// names. The one file comes first, as in transformers, because an index may be left over from an earlier save. The
/// index is a JSON file: {"weight_map": {tensor: file, …}, …}. Its shards are files of this folder. A tensor that is in
/// several shards is the one in the shard that the index names for it, or else in the first.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/other_folder.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// The tensors of a folder. `File` has try_open(path), find, for_each, identity and forget_pages, and the names
/// `whole_file` and `index_file`; its tensors keep their addresses when it is moved.
template <class File>
class tensor_folder final : public tensor_source {
 public:
  static bool is_in(const std::string& folder) {
    return detail::file_exists(whole_in(folder)) || detail::file_exists(index_in(folder));
  }

  static result<tensor_folder> try_open(const std::string& folder) {
    return guarded([&]() -> result<tensor_folder> {
      tensor_folder all;
      if (detail::file_exists(whole_in(folder))) {
        LLAVA_CHECK(all.try_add(whole_in(folder)));
      } else if (detail::file_exists(index_in(folder))) {
        LLAVA_CHECK(all.try_open_shards(folder));
      } else {
        return detail::missing_file_error(folder, text_of(File::whole_file, " or ", File::index_file));
      }
      return result<tensor_folder>(std::move(all));
    });
  }

  /// Opens one file, whatever its name.
  static result<std::unique_ptr<const tensor_source>> try_open_file(const std::string& file) {
    return guarded([&]() -> result<std::unique_ptr<const tensor_source>> {
      auto one = std::make_unique<tensor_folder>();
      LLAVA_CHECK(one->try_add(file));
      return std::unique_ptr<const tensor_source>(std::move(one));
    });
  }

  const stored_tensor* find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : tensors_) visit(*t);
  }
  std::string identity() const override {
    std::string all;
    for (const auto& file : files_) all += file.identity() + "\n";
    return all;
  }

  void forget_pages() const override {
    for (const auto& file : files_) file.forget_pages();
  }

 private:
  static std::string whole_in(const std::string& folder) { return text_of(folder, "/", File::whole_file); }
  static std::string index_in(const std::string& folder) { return text_of(folder, "/", File::index_file); }

  /// Opens a file and adds its tensors, except those with a name that is there already.
  result<void> try_add(const std::string& path) {
    LLAVA_TRY(opened, File::try_open(path));
    opened.for_each([&](const stored_tensor& t) { tensors_.try_emplace(t.name, &t); });
    files_.push_back(std::move(opened));
    return {};
  }

  result<void> try_open_shards(const std::string& folder) {
    const std::string index = index_in(folder);
    LLAVA_TRY(json, json_document::try_read(index, repeated_keys::refused));
    const json_value* map = json.value().find("weight_map");
    if (!map || !map->is_object()) return json.root().wrong("weight_map", "an object of tensor names and files");
    std::map<std::string, std::size_t, std::less<>> shards;
    for (const auto& [tensor, value] : map->members()) {
      if (!value.text())
        return fail(errc::invalid_format,
                    text_of("llava: ", index, ": the file of ", detail::shown(tensor), " is not a string"));
      const std::string& file = *value.text();
      if (file.empty() || file.find_first_of("/\\") != std::string::npos || file == ".." ||
          file.find('\0') != std::string::npos)
        return fail(errc::invalid_format,
                    text_of("llava: ", index, ": ", detail::shown(tensor), " is in '", detail::shown(file),
                            "', expected the name of a file in this folder"));
      const auto [at, is_new] = shards.emplace(file, files_.size());
      if (is_new) LLAVA_CHECK(try_add(folder + "/" + file));
      const stored_tensor* const named = files_[at->second].find(tensor);
      if (!named)
        return fail(errc::mismatch,
                    text_of("llava: ", index, ": ", detail::shown(tensor), " is not in ", detail::shown(file)));
      tensors_.insert_or_assign(named->name, named);
    }
    return {};
  }

  std::vector<File> files_;
  std::map<std::string_view, const stored_tensor*> tensors_;  // the files' maps keep them when files are moved
};

LLAVA_END
