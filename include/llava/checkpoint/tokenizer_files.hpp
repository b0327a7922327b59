// SPDX-License-Identifier: Apache-2.0
/// try_open_tokenizer: the tokenizer of a folder. tokenizer.json goes first, as in transformers; a folder in the original
/// LLaVA layout with a tokenizer.model uses that, as its own program does. tokenizer_config.json and added_tokens.json say
/// the rest.
#pragma once
#include <algorithm>
#include <string>

#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tokenizer_json.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/checkpoint/vision_config.hpp>

LLAVA_BEGIN

namespace detail {

/// "<s>", or {"content": "<s>"}.
inline std::string token_text(const json_object& o, const char* key) {
  const json_value* v = o.find(key);
  if (v && v->is_object()) v = v->find("content");
  return v && v->text() ? *v->text() : std::string();
}

inline result<void> try_read_added_tokens(const std::string& folder, tokenizer_data& d) {
  const auto add = [&](std::string content, std::int64_t id, bool special) -> result<void> {
    if (content.empty() || id < 0 || id > static_cast<std::int64_t>(d.pieces.size()) + 65536)
      return fail(errc::invalid_format, text_of("llava: ", folder, ": added token '", content, "' has no sound id"));
    const auto same = std::find_if(d.added.begin(), d.added.end(), [&](const added_token& a) { return a.content == content; });
    if (same == d.added.end()) d.added.push_back({std::move(content), static_cast<std::int32_t>(id), special});
    else same->special = same->special || special;
    return {};
  };
  if (file_exists(folder + "/added_tokens.json")) {
    LLAVA_TRY(json, json_document::try_read(folder + "/added_tokens.json"));
    for (const auto& [content, id] : json.value().members()) LLAVA_CHECK(add(content, id.whole().value_or(-1), true));
  }
  return {};
}

inline result<void> try_read_tokenizer_config(const std::string& folder, bool from_model, tokenizer_data& d) {
  LLAVA_TRY(json, json_document::try_read(folder + "/tokenizer_config.json"));
  const json_object o = json.root();
  const auto id_of = [&](const std::string& text) {
    for (const added_token& a : d.added)
      if (a.content == text) return a.id;
    const auto found = d.ids.find(text);
    return found == d.ids.end() ? -1 : found->second;
  };
  if (const std::string t = token_text(o, "bos_token"); !t.empty()) d.bos = id_of(t);
  if (const std::string t = token_text(o, "eos_token"); !t.empty()) d.eos = id_of(t);
  if (const std::string t = token_text(o, "pad_token"); !t.empty()) d.pad = id_of(t);
  if (!from_model) return {};
  bool bos = true, eos = false, legacy = true;
  LLAVA_CHECK(o.read("add_bos_token", bos));
  LLAVA_CHECK(o.read("add_eos_token", eos));
  LLAVA_CHECK(o.read("legacy", legacy));
  d.before.clear();
  if (bos && d.bos >= 0) d.before.push_back(d.bos);
  if (eos && d.eos >= 0) d.after.push_back(d.eos);
  if (!legacy && d.prefix == prefix_space::always) d.prefix = prefix_space::first;
  return {};
}

}  // namespace detail

inline result<tokenizer> try_open_tokenizer(const std::string& folder, naming names) {
  const bool has_json = detail::file_exists(folder + "/tokenizer.json"), has_model = detail::file_exists(folder + "/tokenizer.model");
  const bool from_model = has_model && (!has_json || names == naming::original);
  if (!has_json && !has_model) return fail(errc::not_found, text_of("llava: ", folder, " has neither tokenizer.json nor tokenizer.model"));
  const std::string file = folder + (from_model ? "/tokenizer.model" : "/tokenizer.json");
  LLAVA_TRY(bytes, try_read_text_file(file));
  LLAVA_TRY(d, from_model ? try_read_tokenizer_model(file, bytes) : try_read_tokenizer_json(file, bytes));
  if (from_model && d.bos >= 0) d.before.push_back(d.bos);
  LLAVA_CHECK(detail::try_read_added_tokens(folder, d));
  if (detail::file_exists(folder + "/tokenizer_config.json")) LLAVA_CHECK(detail::try_read_tokenizer_config(folder, from_model, d));
  return result<tokenizer>(tokenizer(std::move(d)));
}

LLAVA_END
