// SPDX-License-Identifier: Apache-2.0
/// Which conversation a folder asks for.
///
/// Folders of transformers, with images or without: their `chat_template`. It counts where transformers looks for
/// it first: of a processor chat_template.json, chat_template.jinja, processor_config.json, tokenizer_config.json; of
/// a tokenizer alone chat_template.jinja, tokenizer_config.json. Of several templates in one file it is the one
/// called "default".
///
/// Original folders have none that counts; the reference goes by the model's name. That is, in this order: what our own
/// writers put down (`llava_model_name` in config.json), the name in the Hugging Face cache, the folder's, links
/// resolved.
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

/// The key of config.json under which our writers put down the name of an original folder's model.
inline constexpr const char* model_name_key = "llava_model_name";

namespace detail {

/// The last name of a path; of a training's checkpoint the name before it as well, as the reference has it.
inline std::string name_of_folder(std::string folder) {
  while (!folder.empty() && folder.back() == '/') folder.pop_back();
  const auto last = [](const std::string& s) { return s.substr(s.find_last_of('/') + 1); };
  const std::string name = last(folder);
  if (name.rfind("checkpoint-", 0) != 0 || name.size() == folder.size()) return name;
  return last(folder.substr(0, folder.size() - name.size() - 1)) + "_" + name;
}

/// "org/name" of …/models--org--name/snapshots/REVISION; empty for another folder.
inline std::string hub_id_of(std::string folder) {
  const std::size_t revision = folder.find_last_of('/');
  if (revision == std::string::npos) return {};
  folder.resize(revision);
  constexpr std::string_view between = "/snapshots", before = "models--";
  if (folder.size() < between.size() || folder.substr(folder.size() - between.size()) != between) return {};
  folder.resize(folder.size() - between.size());
  folder = folder.substr(folder.find_last_of('/') + 1);
  const std::size_t dashes = folder.find("--", before.size());
  if (folder.rfind(before, 0) != 0 || dashes == std::string::npos) return {};
  return folder.substr(before.size(), dashes - before.size()) + "/" + folder.substr(dashes + 2);
}

/// The template under a key: a text, or several of names and texts, of which the one called "default" counts.
inline result<std::string> try_read_chat_template(const json_object& o) {
  const char* key = "chat_template";
  const json_value* v = o.find(key);
  if (!v) return std::string();
  if (v->text()) return *v->text();
  if (!v->is_array() && !v->is_object()) return o.wrong(key, "a text, or a list of names and templates");
  if (const json_value* named = v->find("default"); named && named->text()) return *named->text();
  for (const json_value& one : v->items()) {
    const json_value *name = one.find("name"), *text = one.find("template");
    if (!name || !name->text() || !text || !text->text())
      return o.wrong(key, "a text, or a list of names and templates");
    if (*name->text() == "default") return *text->text();
  }
  return std::string();
}

/// Sets d.conversation of a folder of transformers.
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

/// The reference asks for the slow tokenizer but for models of such names.
inline bool asks_for_fast_tokenizer(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return name.find("mistral") != std::string::npos || name.find("mpt") != std::string::npos;
}

/// Sets what the reference takes from the model's name, of an original folder; `root` is its config.json.
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
  c.guessed = c.name == llava_v0::name;  // what the reference takes for every name that tells it nothing
  c.reason = text_of(said_by, d.model_name, c.guessed ? ", which does not tell" : "");
  d.slow_tokenizer = !asks_for_fast_tokenizer(d.model_name);
  return {};
}

}  // namespace detail

LLAVA_END
