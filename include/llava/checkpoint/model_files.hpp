// SPDX-License-Identifier: Apache-2.0
/// Selects the files of a folder that belong to its model: the small files at its top, and the vision tower in the
/// subfolder that config.json names. The folder may be a clone of a repository; its other contents (.git, .cache,
/// examples, the same weights in other formats) are ignored.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/json_text.hpp>
#include <llava/checkpoint/new_folder.hpp>
#include <llava/checkpoint/rapidjson.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {

inline bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return name.ends_with(end); });
}

/// Whether a file with this name describes the model and is not a file of weights.
inline bool describes_model(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
  if (ends_with_any(name, {".safetensors", ".index.json", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"}))
    return false;
  for (const std::string_view start :
       {"config", "generation_config", "preprocessor_config", "processor_config", "video_preprocessor_config",
        "tokenizer", "special_tokens_map", "added_tokens", "vocab", "merges", "chat_template", "license", "licence",
        "copying", "notice", "use_policy", "readme"})
    if (name.starts_with(start)) return true;
  return false;
}

/// Copies the files at the top of `from` for which takes(name) is true into the new folder, as `below` + name.
template <class Takes>
result<void> try_copy_files(new_folder& to, const std::string& from, const std::string& below, Takes&& takes) {
  LLAVA_TRY(names, try_names_in(from));
  for (const std::string& name : names) {
    const std::string file = from + "/" + name;
    std::error_code gone;
    if (!takes(name) || !std::filesystem::is_regular_file(file, gone)) continue;
    if (ends_with_any(name, {".json", ".model"})) {  // these are read later; refuse stand-ins now
      LLAVA_TRY(mapped, mapped_file::try_open(file));
      const std::string_view instead =
          stand_in({reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()});
      if (!instead.empty()) return fail(errc::invalid_format, text_of("llava: ", file, " is ", instead));
    }
    LLAVA_CHECK(to.try_copy(file, below + name));
  }
  return {};
}

/// Whether a file with this name holds tensors that try_open_tensors reads, or is the index of such files.
inline bool is_weight_file(const std::string& name, bool safetensors) {
  return safetensors ? ends_with_any(name, {".safetensors", ".safetensors.index.json"})
                     : name.starts_with("pytorch_model") && ends_with_any(name, {".bin", ".bin.index.json"});
}

/// Copies a model's files except its weights. A tower in a subfolder is copied with its weights. `base`: the folder of
/// the language model and the tokenizer under an adapter or a projector alone, which may have a config.json of its own;
/// or empty.
inline result<void> try_copy_model_files(new_folder& to, const std::string& folder, const std::string& base) {
  const auto is_config = [](const std::string& name) { return name == "config.json"; };
  const std::string& main = base.empty() || file_exists(folder + "/config.json") ? folder : base;
  if (base.empty() || main == base) {
    LLAVA_CHECK(try_copy_files(to, main, "", describes_model));
  } else {
    LLAVA_CHECK(try_copy_files(to, main, "", is_config));
    LLAVA_CHECK(try_copy_files(to, base, "",
                               [&](const std::string& name) { return describes_model(name) && !is_config(name); }));
  }
  LLAVA_TRY(json, json_document::try_read(main + "/config.json"));
  std::string tower;
  LLAVA_CHECK(json.root().read("vision_tower", tower));
  LLAVA_CHECK(json.root().read("mm_vision_tower", tower));
  const std::filesystem::path below = tower;
  const bool inside = !tower.empty() && below.is_relative() &&
                      std::find(below.begin(), below.end(), std::filesystem::path("..")) == below.end();
  if (!inside || !folder_exists(main + "/" + tower)) return {};
  const bool safetensors = safetensors_folder::is_in(main + "/" + tower);
  return try_copy_files(to, main + "/" + tower, tower + "/", [&](const std::string& name) {
    return describes_model(name) || is_weight_file(name, safetensors);
  });
}

/// Makes the copied config.json that of the new folder. The quantisation that it states is taken out: the weights that
/// were in it are read as floats, and other programs would read the new ones wrongly. The model's name is put in, so
/// that the folder's own name does not matter: for an original folder the reference chooses the conversation template
/// and the tokenizer by the model's name.
inline result<void> try_adapt_config(const new_folder& to, const std::string& name) {
  const std::string file = to.folder() + "/config.json";
  LLAVA_TRY(json, json_document::try_read(file));
  LLAVA_TRY(before, try_read_text_file(file));
  std::string text = without_members(before, quantisation_key);
  if (!name.empty() && !json.root().has(model_name_key) && !json.value().members().empty()) {
    const std::string known = valid_utf8(name);
    rapidjson::StringBuffer quoted;
    rapidjson::Writer<rapidjson::StringBuffer>(quoted).String(known.data(),
                                                              static_cast<rapidjson::SizeType>(known.size()));
    text.insert(text.find('{') + 1,
                text_of("\n  \"", model_name_key, "\": ", std::string_view(quoted.GetString(), quoted.GetSize()), ","));
  }
  if (text == before) return {};
  return try_write_text(file, text);
}

}  // namespace detail

LLAVA_END
