// SPDX-License-Identifier: Apache-2.0
/// Opens a model in GGUF files: the language model, and for images the mmproj beside it. What is opened is the original
/// model: its tensors, its order of layers, its preparation of images and its prompts, not those of another program.
///
/// The path is the file of the language model, its first part if it is split, or a folder with one language model. The
/// mmproj is the one other file of the folder whose architecture is `clip`; without one the model answers text only.
///
/// The prompt of a model with images is the one that the original program chooses by the model's name: `general.name`,
/// or else the file's name. If neither is known, or there are no images, the file's own chat template is used. A file
/// that was written from a llava-hf folder says so (gguf_own_keys): its chat template and the rules of transformers'
/// processor are used.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/gguf_tensors.hpp>
#include <llava/checkpoint/gguf_text.hpp>
#include <llava/checkpoint/gguf_tokenizer.hpp>
#include <llava/checkpoint/gguf_vision.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// A GGUF file at the top of a folder.
struct gguf_candidate {
  std::string name, architecture;
};

/// The GGUF files at the top of a folder, by name. Files that cannot be read are left out, and so are the parts of a
/// split one after its first.
inline result<std::vector<gguf_candidate>> try_gguf_files_in(const std::string& folder) {
  LLAVA_TRY(names, try_names_in(folder));
  std::sort(names.begin(), names.end());
  std::vector<gguf_candidate> found;
  for (const std::string& name : names) {
    if (!is_gguf_name(name)) continue;
    const auto part = gguf_part::try_open(folder + "/" + name);
    if (!part && part.error().code() == errc::out_of_memory) return part.error();
    int number = 0;
    std::string architecture;
    if (part && part->keys().read("split.no", number) && part->keys().read("general.architecture", architecture) &&
        number == 0)
      found.push_back({name, architecture});
  }
  return result<std::vector<gguf_candidate>>(std::move(found));
}

/// The only mmproj of a folder, or its only other GGUF file; empty when there is none. `what` and `choice` end the
/// error when there are several.
inline result<std::string> try_only_gguf(const std::string& folder, bool is_mmproj, std::string_view what,
                                         std::string_view choice) {
  LLAVA_TRY(files, try_gguf_files_in(folder));
  std::string found, all;
  std::size_t count = 0;
  for (const gguf_candidate& f : files) {
    if ((f.architecture == "clip") != is_mmproj) continue;
    found = folder + "/" + f.name;
    if (++count <= 8) all += (count > 1 ? ", " : "") + f.name;
  }
  if (count > 1)
    return fail(errc::invalid_argument,
                text_of("llava: ", folder, " has ", count, " ", what, ": ", all, count > 8 ? ", …" : "", "; ", choice));
  return found;
}

/// Whether a path is a GGUF file, or a folder of GGUF files and no other model.
inline bool is_gguf_model(const std::string& path) {
  if (!folder_exists(path)) return is_gguf_name(path);
  return !file_exists(path + "/config.json") && !file_exists(path + "/adapter_config.json") &&
         !file_that_ends(path, ".gguf").empty();
}

/// The file of the language model that a path names.
inline result<std::string> try_find_gguf(const std::string& path) {
  if (!folder_exists(path)) return path;
  LLAVA_TRY(only, try_only_gguf(path, false, "language models", "pass the path of one of these files"));
  if (only.empty()) return fail(errc::not_found, text_of("llava: ", path, " has no GGUF file of a language model"));
  return only;
}

/// The mmproj of the language model in `file`; empty when there is none.
inline result<std::string> try_find_mmproj(const std::string& file, const std::string& asked) {
  if (!asked.empty()) return asked;
  return try_only_gguf(folder_of_file(file), true, "files of vision towers (mmproj)",
                       "name the right one as mmproj (--mmproj)");
}

/// The name of a file without its folder, ".gguf" and "-00001-of-00003".
inline std::string gguf_model_name(const std::string& file) {
  std::string name = file.substr(file.rfind('/') + 1);
  if (is_gguf_name(name)) name.resize(name.size() - 5);
  const std::size_t split = name.rfind("-00001-of-");
  return split != std::string::npos && split + 15 == name.size() ? name.substr(0, split) : name;
}

/// Sets the conversation and the model's name; see the top of this file.
inline result<void> try_read_conversation(const gguf_keys& keys, model_description& d) {
  std::string own, general;
  LLAVA_CHECK(keys.read("tokenizer.chat_template", own));
  LLAVA_CHECK(keys.read("general.name", general));
  const std::string of_file = gguf_model_name(keys.file());
  d.model_name = general.empty() ? of_file : valid_utf8(general);
  conversation_choice& c = d.conversation;
  if (d.prompt == prompt_rule::original)
    for (const auto& [name, said_by] :
         {std::pair<const std::string&, const char*>{general, "general.name is "}, {of_file, "the file is called "}}) {
      c.name = conversation_of_model(name);
      if (!names_conversation(name)) continue;
      c.reason = text_of(said_by, shown(name));
      return {};
    }
  if (!own.empty()) {
    c = {"chat_template", "the file has one in tokenizer.chat_template", false, {own, keys.file(), d.has_vision}};
    return {};
  }
  c.guessed = true;
  c.reason = d.has_vision ? text_of("the file is called ", shown(of_file), ", which matches no known model")
                          : std::string("the file has no chat template");
  return {};
}

/// Sets the tokens that begin a prompt and end an answer: those of the text, of a turn and of a message.
inline void read_ends(const gguf_keys& keys, const tokenizer& words, model_description& d) {
  d.bos = words.bos();
  if (words.eos() >= 0) d.eos.push_back(words.eos());
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    const gguf_value* v = keys.find(key);
    const std::int64_t id = v && !v->is_array() ? v->integer().value_or(-1) : -1;
    if (id >= 0 && id < static_cast<std::int64_t>(words.size()) &&
        std::find(d.eos.begin(), d.eos.end(), static_cast<std::int32_t>(id)) == d.eos.end())
      d.eos.push_back(static_cast<std::int32_t>(id));
  }
}

/// Sets the rule of the prompt; d.text is known.
inline result<void> try_read_prompt_rule(const gguf_keys& keys, bool has_vision, model_description& d) {
  d.prompt = has_vision ? prompt_rule::original : prompt_rule::tokenizer;
  LLAVA_CHECK(keys.read(gguf_own_keys::longest_prompt, d.longest_prompt));
  if (keys.find(gguf_own_keys::longest_prompt) && d.longest_prompt < 1)
    return keys.wrong(gguf_own_keys::longest_prompt, "at least 1");
  if (!has_vision || !keys.find(gguf_own_keys::image_token)) return {};
  LLAVA_CHECK(keys.read(gguf_own_keys::image_token, d.image_token));
  if (d.image_token < 0 || d.image_token >= d.text.vocab)
    return keys.wrong(gguf_own_keys::image_token, text_of("a token's id, 0 to ", d.text.vocab - 1));
  d.prompt = prompt_rule::processor;
  return {};
}

/// The embedding table has a row for every token of the file.
inline result<void> try_check_rows_of_table(const gguf_keys& keys, const model_description& d) {
  const gguf_value* tokens = keys.find("tokenizer.ggml.tokens");
  if (tokens && tokens->size() == static_cast<std::size_t>(d.text.vocab)) return {};
  return fail(errc::mismatch, text_of("llava: ", keys.file(), ": token_embd.weight has ", d.text.vocab,
                                      " rows, expected one for each of the ", tokens ? tokens->size() : 0,
                                      " tokens of tokenizer.ggml.tokens"));
}

inline result<checkpoint> try_open_gguf(const std::string& path, std::string base, const gguf_options& options) {
  if (!base.empty())
    return fail(errc::invalid_argument,
                text_of("llava: ", path, " is a whole model in GGUF; open it without the model base ", base));
  LLAVA_TRY(file, try_find_gguf(path));
  LLAVA_TRY(language, gguf_file::try_open(file));
  LLAVA_TRY(architecture, try_text_architecture(language.keys()));
  model_description d;
  d.spelling = tensor_spelling::original;
  LLAVA_CHECK(try_describe_text(language, architecture, d));
  LLAVA_TRY(mmproj, try_find_mmproj(file, options.mmproj));
  LLAVA_CHECK(try_read_prompt_rule(language.keys(), !mmproj.empty(), d));
  std::optional<gguf_file> vision;
  if (!mmproj.empty()) {
    LLAVA_TRY(opened, gguf_file::try_open(mmproj));
    LLAVA_CHECK(try_describe_vision(opened, d));
    vision.emplace(std::move(opened));
  }
  d.tokens_only = true;  // converters pad the table
  LLAVA_CHECK(try_confirm_rules(d, mmproj.empty() ? file : mmproj));
  LLAVA_CHECK(try_check_rows_of_table(language.keys(), d));
  LLAVA_TRY(words, try_read_gguf_tokenizer(language.keys(), architecture, options.legacy_tokenizer));
  read_ends(language.keys(), words, d);
  LLAVA_CHECK(try_read_conversation(language.keys(), d));
  LLAVA_TRY(all, gguf_tensors::try_make(std::move(language), std::move(vision), d.text, architecture == "llama"));
  checkpoint_tensors tensors(d.spelling, std::make_unique<gguf_tensors>(std::move(all)), nullptr, {});
  return checkpoint{file, {}, std::move(d), std::move(words), std::move(tensors)};
}

/// The tensors of the language model, under their names in the file.
inline result<std::unique_ptr<const tensor_source>> try_open_gguf_tensors(const std::string& path) {
  LLAVA_TRY(file, try_find_gguf(path));
  LLAVA_TRY(opened, gguf_file::try_open(file));
  return std::unique_ptr<const tensor_source>(std::make_unique<gguf_file>(std::move(opened)));
}

}  // namespace detail

LLAVA_END
