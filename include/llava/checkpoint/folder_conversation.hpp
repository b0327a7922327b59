// SPDX-License-Identifier: Apache-2.0
/// Reads which conversation a folder asks for.
///
/// Folders in transformers' layout, with images or without, have a `chat_template`. The first file that has one counts,
/// in transformers' order: for a processor chat_template.json, chat_template.jinja, processor_config.json,
/// tokenizer_config.json; for a tokenizer alone chat_template.jinja, tokenizer_config.json. Of several templates in one
/// file, the one called "default" counts.
///
/// In original folders a `chat_template` is ignored; the reference chooses by the model's name. The name comes, in this
/// order, from `llava_model_name` in config.json, which our own writers store, from the Hugging Face cache, or from the
/// folder's name with links resolved.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

/// The key of config.json in which our writers store the name of an original folder's model.
inline constexpr const char* model_name_key = "llava_model_name";

namespace detail {

/// The last name of a path; "m_checkpoint-9" for a training checkpoint …/m/checkpoint-9, as in the reference.
inline std::string name_of_folder(std::string folder) {
  while (!folder.empty() && folder.back() == '/') folder.pop_back();
  const auto last = [](const std::string& s) { return s.substr(s.find_last_of('/') + 1); };
  const std::string name = last(folder);
  if (!name.starts_with("checkpoint-") || name.size() == folder.size()) return name;
  return last(folder.substr(0, folder.size() - name.size() - 1)) + "_" + name;
}

/// "org/name" for …/models--org--name/snapshots/REVISION; empty for any other folder.
inline std::string hub_id_of(std::string folder) {
  const std::size_t revision = folder.find_last_of('/');
  if (revision == std::string::npos) return {};
  folder.resize(revision);
  constexpr std::string_view between = "/snapshots", before = "models--";
  if (!folder.ends_with(between)) return {};
  folder.resize(folder.size() - between.size());
  folder = folder.substr(folder.find_last_of('/') + 1);
  const std::size_t dashes = folder.find("--", before.size());
  if (!folder.starts_with(before) || dashes == std::string::npos) return {};
  return folder.substr(before.size(), dashes - before.size()) + "/" + folder.substr(dashes + 2);
}

/// Reads "chat_template": a string, or several named templates, of which "default" counts. Empty: there is none.
inline result<std::string> try_read_chat_template(const json_object& o) {
  const char* key = "chat_template";
  const json_value* v = o.find(key);
  if (!v) return std::string();
  if (v->text()) return *v->text();
  if (!v->is_array() && !v->is_object()) return o.wrong(key, "a string, or a list of named templates");
  if (const json_value* named = v->find("default"); named && named->text()) return *named->text();
  for (const json_value& one : v->items()) {
    const json_value *name = one.find("name"), *text = one.find("template");
    if (!name || !name->text() || !text || !text->text()) return o.wrong(key, "a string, or a list of named templates");
    if (*name->text() == "default") return *text->text();
  }
  return std::string();
}

/// Sets d.conversation for a folder in transformers' layout.
inline result<void> try_read_folder_conversation(const std::string& folder, model_description& d) {
  const bool of_processor = d.prompt == prompt_rule::processor;
  d.conversation.own.parts_first = of_processor;
  for (const std::string_view file :
       {"chat_template.json", "chat_template.jinja", "processor_config.json", "tokenizer_config.json"}) {
    const std::string path = folder + "/" + std::string(file);
    if ((!of_processor && (file == "chat_template.json" || file == "processor_config.json")) || !file_exists(path))
      continue;
    std::string text;
    if (file == "chat_template.jinja") {
      LLAVA_TRY(read, try_read_text_file(path));
      text = std::move(read);
    } else {
      LLAVA_TRY(json, json_document::try_read(path));
      LLAVA_TRY(read, try_read_chat_template(json.root()));
      text = std::move(read);
    }
    if (text.empty()) continue;
    d.conversation.name = "chat_template";
    d.conversation.reason = text_of("the folder has one in ", file);
    d.conversation.own.text = std::move(text), d.conversation.own.file = path;
    return {};
  }
  d.conversation.reason = "the folder has no chat_template";
  d.conversation.guessed = true;
  return {};
}

/// Whether the name of a model has `part`, in letters of any case.
inline bool name_has(std::string name, std::string_view part) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return name.find(part) != std::string::npos;
}

/// Whether a model's name says which conversation it has. The reference gives llava_v0 to every other name too.
inline bool names_conversation(std::string_view name) {
  if (conversation_of_model(name) != llava_v0::name) return true;
  const std::string text = text_of(' ', name, ' ');
  for (std::size_t at = 1; at + 2 < text.size(); ++at)  // v0, and not v0.5
    if ((text[at] | 0x20) == 'v' && text[at + 1] == '0' && std::string_view("-_. ").find(text[at - 1]) < 4 &&
        std::string_view(".0123456789").find(text[at + 2]) == std::string_view::npos)
      return true;
  return false;
}

/// The references use the fast tokenizer for models with these names, and the slow one for all others.
inline bool asks_for_fast_tokenizer(const std::string& name) {
  return name_has(name, "mistral") || name_has(name, "mpt") || name_has(name, "qwen");
}

/// Whether the name of a folder, or of its repository without the owner, has `part`, in letters of any case.
inline bool folder_is_called(const std::string& folder, std::string_view part) {
  const std::string path = resolved_path(folder), id = hub_id_of(path);
  return name_has(id.empty() ? name_of_folder(path) : id.substr(id.find('/') + 1), part);
}

/// Sets what the reference derives from the name of an original folder's model; `root` is the folder's config.json.
inline result<void> try_read_original_conversation(const std::string& folder, const json_object& root,
                                                   model_description& d) {
  LLAVA_CHECK(root.read(model_name_key, d.model_name));
  std::string said_by = text_of("config.json says ", model_name_key, " ");
  if (d.model_name.empty()) {
    const std::string path = resolved_path(folder), id = hub_id_of(path);
    d.model_name = id.empty() ? name_of_folder(path) : id.substr(id.find('/') + 1);
    said_by =
        id.empty() ? "the folder is called " : text_of("the repository is called ", id.substr(0, id.find('/') + 1));
  }
  conversation_choice& c = d.conversation;
  c.name = conversation_of_model(d.model_name);
  c.guessed = !names_conversation(d.model_name);
  c.reason = text_of(said_by, d.model_name, c.guessed ? ", which matches no known model" : "");
  d.slow_tokenizer = !asks_for_fast_tokenizer(d.model_name);
  return {};
}

}  // namespace detail

LLAVA_END
