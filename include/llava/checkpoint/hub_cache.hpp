// SPDX-License-Identifier: Apache-2.0
/// Finds a model: a folder, or a repository by its name in the Hugging Face cache
/// (models--org--name/snapshots/REVISION). Nothing is downloaded: `llava pull` does that.
#pragma once
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>

LLAVA_BEGIN

namespace detail {
/// Whether `id` is "org/name", made up of letters, digits, '.', '_' and '-'.
inline bool looks_like_hub_id(std::string_view id) {
  const auto slash = id.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == id.size() ||
      id.find('/', slash + 1) != std::string_view::npos)
    return false;
  return id.find("..") == std::string_view::npos && id.front() != '.' && id.front() != '-' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '/';
         });
}
/// Whether a path has the name of a GGUF file.
inline bool is_gguf_name(std::string_view path) { return path.size() > 5 && path.ends_with(".gguf"); }
inline std::string hub_cache_folder() {
  const auto variable = [](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v ? v : "");
  };
  if (const std::string v = variable("HF_HUB_CACHE"); !v.empty()) return v;
  if (const std::string v = variable("HUGGINGFACE_HUB_CACHE"); !v.empty()) return v;
  if (const std::string v = variable("HF_HOME"); !v.empty()) return v + "/hub";
  if (const std::string v = variable("XDG_CACHE_HOME"); !v.empty()) return v + "/huggingface/hub";
  return variable("HOME") + "/.cache/huggingface/hub";
}
/// The snapshot folder of a repository's main branch; empty when it is not in the cache.
inline std::string cached_snapshot(std::string_view id) {
  std::string name(id);
  name.replace(name.find('/'), 1, "--");
  const std::string repository = hub_cache_folder() + "/models--" + name;
  const auto revision = try_read_text_file(repository + "/refs/main", 256);
  if (!revision) return {};
  std::string r = *revision;
  while (!r.empty() && std::isspace(static_cast<unsigned char>(r.back()))) r.pop_back();
  if (r.empty() || !std::all_of(r.begin(), r.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)); }))
    return {};
  const std::string snapshot = repository + "/snapshots/" + r;
  return folder_exists(snapshot) ? snapshot : std::string();
}
}  // namespace detail

/// Returns an existing folder or GGUF file, or the snapshot of a repository in the Hugging Face cache.
inline result<std::string> try_resolve_model_folder(std::string_view folder_or_id) {
  return guarded([&]() -> result<std::string> {
    std::string folder(folder_or_id);
    if (detail::folder_exists(folder)) {
      while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
      return folder;
    }
    struct stat about {};
    const bool exists = ::stat(folder.c_str(), &about) == 0;
    const int failure = exists ? 0 : errno;
    if (detail::is_gguf_name(folder))
      return exists ? result<std::string>(std::move(folder))
                    : fail_of_system(failure, "llava: there is no file ", folder_or_id);
    if (detail::looks_like_hub_id(folder_or_id)) {
      const std::string cached = detail::cached_snapshot(folder_or_id);
      if (!cached.empty()) return cached;
      return fail(errc::not_found,
                  text_of("llava: ", folder_or_id, " is neither a folder nor in the Hugging Face cache (",
                          detail::hub_cache_folder(), "); fetch it with `llava pull ", folder_or_id,
                          "` and pass its name or its folder"));
    }
    if (!exists) return fail_of_system(failure, "llava: there is no folder ", folder_or_id);
    return fail(errc::invalid_argument,
                text_of("llava: ", folder_or_id, " is a file; pass the folder of a model, or a GGUF file (.gguf)"));
  });
}

LLAVA_END
