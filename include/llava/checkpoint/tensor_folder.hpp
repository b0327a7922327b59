// SPDX-License-Identifier: Apache-2.0
/// tensor_folder<File>: the tensors of a folder's files of one format: one file, or else the shards that an index
/// names. The one file comes first, as in transformers, because an index may be left over from an earlier save. The
/// index is a JSON file: {"weight_map": {tensor: file, …}, …}. Its shards are files of this folder.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/other_folder.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// The tensors of a folder. `File` has try_open(path), find, for_each and identity, and the names `whole_file` and
/// `index_file`.
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
        LLAVA_TRY(one, File::try_open(whole_in(folder)));
        all.files_.push_back(std::move(one));
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
      LLAVA_TRY(opened, File::try_open(file));
      one->files_.push_back(std::move(opened));
      return std::unique_ptr<const tensor_source>(std::move(one));
    });
  }

  const stored_tensor* find(std::string_view name) const override {
    for (const auto& f : files_)
      if (const stored_tensor* t = f.find(name)) return t;
    return nullptr;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& file : files_) file.for_each(visit);
  }
  std::string identity() const override {
    std::string all;
    for (const auto& file : files_) all += file.identity() + "\n";
    return all;
  }

 private:
  static std::string whole_in(const std::string& folder) { return text_of(folder, "/", File::whole_file); }
  static std::string index_in(const std::string& folder) { return text_of(folder, "/", File::index_file); }

  result<void> try_open_shards(const std::string& folder) {
    const std::string index = index_in(folder);
    LLAVA_TRY(json, json_document::try_read(index, repeated_keys::refused));
    const json_value* map = json.value().find("weight_map");
    if (!map || !map->is_object()) return json.root().wrong("weight_map", "an object of tensor names and files");
    std::map<std::string, std::size_t, std::less<>> shards;
    for (const auto& [tensor, value] : map->members()) {
      if (!value.text())
        return fail(errc::invalid_format, text_of("llava: ", index, ": the file of ", tensor, " is not a string"));
      const std::string& file = *value.text();
      if (file.empty() || file.find_first_of("/\\") != std::string::npos || file == ".." ||
          file.find('\0') != std::string::npos)
        return fail(errc::invalid_format, text_of("llava: ", index, ": ", tensor, " is in '", file,
                                                  "', expected the name of a file in this folder"));
      const auto [at, is_new] = shards.emplace(file, files_.size());
      if (is_new) {
        LLAVA_TRY(shard, File::try_open(folder + "/" + file));
        files_.push_back(std::move(shard));
      }
      if (!files_[at->second].find(tensor))
        return fail(errc::mismatch, text_of("llava: ", index, ": ", tensor, " is not in ", file));
    }
    return {};
  }

  std::vector<File> files_;
};

LLAVA_END
