// SPDX-License-Identifier: Apache-2.0
/// tokenizer_settings: the settings in the small files that accompany a tokenizer.
///
/// tokenizer_config.json states the special tokens and the tokens around a text. If it has no added_tokens_decoder,
/// special_tokens_map.json overrides its special tokens, and added_tokens.json states the added tokens; for the slow
/// tokenizer tokenizer.json states some as well. This is transformers' order.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/text/added_tokens.hpp>

LLAVA_BEGIN

namespace detail {

struct tokenizer_settings {
  std::string bos, eos, unknown, pad;   // contents; empty: none
  std::vector<added_token> added;       // named special tokens, and added tokens; id −1: look it up
  std::vector<std::string> additional;  // contents of the special tokens without a name
  std::vector<std::string> named;       // contents of the special tokens with a name
  bool is_llama = false;                // tokenizer_class is LLaMA's, or tokenizer_config.json names none
  bool names_class = false;             // tokenizer_config.json names a tokenizer_class
  bool add_bos = true, add_eos = false, states_add = false;
  bool legacy = true;
  bool splits_special = false;  // split_special_tokens
};

class tokenizer_settings_reader {
 public:
  tokenizer_settings_reader(const std::string& folder, bool slow) : folder_(folder), slow_(slow) {}

  result<tokenizer_settings> try_read() {
    const std::string config = folder_ + "/tokenizer_config.json", map = folder_ + "/special_tokens_map.json",
                      added = folder_ + "/added_tokens.json";
    bool has_decoder = false;
    if (file_exists(config)) {
      LLAVA_TRY(json, json_document::try_read(config));
      const json_object o = json.root();
      std::string name;
      LLAVA_CHECK(o.read("tokenizer_class", name));
      s_.names_class = !name.empty();
      s_.is_llama = name.empty() || name.starts_with("Llama") || name.starts_with("CodeLlama");
      s_.states_add = o.contains("add_bos_token") || o.contains("add_eos_token");
      if (o.contains("add_bos_token")) s_.add_bos = false;  // null means false
      LLAVA_CHECK(o.read("add_bos_token", s_.add_bos));
      LLAVA_CHECK(o.read("add_eos_token", s_.add_eos));
      LLAVA_CHECK(o.read("legacy", s_.legacy));
      LLAVA_CHECK(o.read("split_special_tokens", s_.splits_special));
      has_decoder = o.has("added_tokens_decoder");
      if (has_decoder) LLAVA_CHECK(try_read_decoder(o));
      LLAVA_CHECK(try_read_names(o));
    }
    if (!has_decoder && file_exists(map)) {
      LLAVA_TRY(json, json_document::try_read(map));
      LLAVA_CHECK(try_read_names(json.root()));
    }
    if (!has_decoder && file_exists(added)) {
      LLAVA_TRY(json, json_document::try_read(added));
      for (const auto& [content, id] : json.value().members()) {
        if (!is_id(&id))
          return fail(errc::invalid_format, text_of("llava: ", added, ": ids must be non-negative 32-bit integers"));
        added_token a;
        a.content = content;
        a.id = static_cast<std::int32_t>(*id.integer());
        a.special = is_named(a.content) ||
                    std::find(s_.additional.begin(), s_.additional.end(), a.content) != s_.additional.end();
        a.normalized = !a.special;
        s_.added.push_back(std::move(a));
      }
    }
    if (slow_ && !has_decoder) LLAVA_CHECK(try_read_added_of_fast(folder_ + "/tokenizer.json"));
    return s_;
  }

 private:
  static bool is_id(const json_value* v) {
    return v && v->integer() && *v->integer() >= 0 && *v->integer() <= INT32_MAX;
  }
  bool is_named(std::string_view content) const {
    return std::find(s_.named.begin(), s_.named.end(), content) != s_.named.end();
  }

  /// Reads {"content": …, "lstrip": …}, or just the content.
  result<void> try_read_token(const json_object& o, const char* key, const json_value& v, added_token& a) {
    if (v.text()) {
      a.content = *v.text();
      return {};
    }
    if (!v.is_object()) return o.wrong(key, "a token: a string, or an object with its content");
    const json_object token(folder_, std::string(key) + ".", &v);
    LLAVA_CHECK(token.read("content", a.content));
    LLAVA_CHECK(token.read("lstrip", a.lstrip));
    LLAVA_CHECK(token.read("rstrip", a.rstrip));
    LLAVA_CHECK(token.read("single_word", a.single_word));
    LLAVA_CHECK(token.read("normalized", a.normalized));
    LLAVA_CHECK(token.read("special", a.special));
    return {};
  }

  result<void> try_read_names(const json_object& o) {
    for (const char* key :
         {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
      const json_value* v = o.find(key);
      if (!v) continue;
      added_token a;
      a.id = -1;
      LLAVA_CHECK(try_read_token(o, key, *v, a));
      if (a.content.empty()) continue;
      const std::string_view name = key;
      if (name == "bos_token") s_.bos = a.content;
      if (name == "eos_token") s_.eos = a.content;
      if (name == "unk_token") s_.unknown = a.content;
      if (name == "pad_token") s_.pad = a.content;
      s_.named.push_back(a.content);
      a.special = true;
      s_.added.push_back(std::move(a));
    }
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      const json_value* v = o.find(key);
      const bool is_extra = std::string_view(key).starts_with("extra");
      if (!v) continue;
      if (is_extra && v->is_object()) {
        if (slow_) continue;  // the program with the slow tokenizer does not know them
        for (const auto& [name, token] : v->members()) LLAVA_CHECK(try_read_special(o, key, token, s_.named));
        continue;
      }
      if (!v->is_array())
        return o.wrong(key, is_extra ? "a list of tokens, or an object of names and tokens" : "a list of tokens");
      for (const json_value& token : v->items()) LLAVA_CHECK(try_read_special(o, key, token, s_.additional));
    }
    return {};
  }

  /// Reads a special token without a part of its own, and adds its content to `list`.
  result<void> try_read_special(const json_object& o, const char* key, const json_value& v,
                                std::vector<std::string>& list) {
    added_token a;
    a.id = -1;
    LLAVA_CHECK(try_read_token(o, key, v, a));
    if (a.content.empty()) return {};
    list.push_back(a.content);
    a.special = true;
    s_.added.push_back(std::move(a));
    return {};
  }

  result<void> try_read_decoder(const json_object& o) {
    const json_value& decoder = *o.find("added_tokens_decoder");
    if (!decoder.is_object()) return o.wrong("added_tokens_decoder", "an object of ids and tokens");
    for (const auto& [key, token] : decoder.members()) {
      added_token a;
      const char* last = key.data() + key.size();
      const auto [end, failure] = std::from_chars(key.data(), last, a.id);
      if (failure != std::errc() || end != last || a.id < 0)
        return o.wrong("added_tokens_decoder", "an object of ids and tokens");
      LLAVA_CHECK(try_read_token(o, "added_tokens_decoder", token, a));
      s_.added.push_back(std::move(a));
    }
    return {};
  }

  /// Reads the added tokens of a tokenizer.json.
  result<void> try_read_added_of_fast(const std::string& file) {
    if (!file_exists(file)) return {};
    LLAVA_TRY(json, json_document::try_read(file));
    const json_object o = json.root();
    const json_value* list = o.find("added_tokens");
    if (!list) return {};
    for (const json_value& token : list->items()) {
      const json_value* id = token.find("id");
      if (!is_id(id)) return o.wrong("added_tokens", "a list of tokens with their ids");
      added_token a;
      a.id = static_cast<std::int32_t>(*id->integer());
      LLAVA_CHECK(try_read_token(o, "added_tokens", token, a));
      s_.added.push_back(std::move(a));
    }
    return {};
  }

  const std::string& folder_;
  bool slow_;
  tokenizer_settings s_;
};

}  // namespace detail

LLAVA_END
