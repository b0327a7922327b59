// SPDX-License-Identifier: Apache-2.0
/// Adds `<image>` to the tokenizer files of a new folder, as a special token with the next free id: transformers'
/// processor needs it, and LLaVA's own program has none. tokenizer.json lists it with its added tokens. Where
/// tokenizer_config.json has an added_tokens_decoder, that counts; otherwise added_tokens.json does, and the list of
/// special tokens.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN

namespace detail {

inline json_value::object written_special_token(std::string_view content) {
  json_value::object token;
  set_member(token, "content", content);
  for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) set_member(token, flag, false);
  set_member(token, "special", true);
  return token;
}

/// Reads the object of a JSON file, lets change(object) change it, and writes it again. `must_exist`: without it, a
/// missing file is an empty object.
template <class Change>
result<void> try_change_json(const std::string& file, bool must_exist, Change&& change) {
  json_value::object o;
  if (must_exist || file_exists(file)) {
    LLAVA_TRY(json, json_document::try_read(file));
    o = json.value().members();
  }
  LLAVA_CHECK(change(o));
  return try_write_text(file, json_text(json_value(std::move(o))));
}

inline const json_value* find_member(const json_value::object& o, std::string_view key) {
  for (const auto& [name, value] : o)
    if (name == key) return &value;
  return nullptr;
}

/// Adds a token to an array member.
inline void add_to_list(json_value::object& o, std::string_view key, json_value token) {
  const json_value* list = find_member(o, key);
  json_value::array tokens = list ? list->items() : json_value::array();
  tokens.push_back(std::move(token));
  set_member(o, key, json_value(std::move(tokens)));
}

/// Adds the token `content` with this id to the files in `folder`. `tokenizer_class`: for a folder whose
/// tokenizer_config.json names none.
inline result<void> try_add_special_token(const std::string& folder, std::string_view content, std::int32_t id,
                                          std::string_view tokenizer_class) {
  if (const std::string fast = folder + "/tokenizer.json"; file_exists(fast))
    LLAVA_CHECK(try_change_json(fast, true, [&](json_value::object& o) -> result<void> {
      json_value::object token;
      set_member(token, "id", id);
      for (auto& [key, value] : written_special_token(content)) set_member(token, key, std::move(value));
      add_to_list(o, "added_tokens", json_value(std::move(token)));
      return {};
    }));
  bool has_decoder = false;
  LLAVA_CHECK(try_change_json(folder + "/tokenizer_config.json", false, [&](json_value::object& o) -> result<void> {
    if (!find_member(o, "tokenizer_class")) set_member(o, "tokenizer_class", tokenizer_class);
    const json_value* decoder = find_member(o, "added_tokens_decoder");
    has_decoder = decoder && decoder->is_object();
    if (has_decoder) {
      json_value::object tokens = decoder->members();
      set_member(tokens, std::to_string(id), json_value(written_special_token(content)));
      set_member(o, "added_tokens_decoder", json_value(std::move(tokens)));
    }
    add_to_list(o, "additional_special_tokens", json_of(content));
    return {};
  }));
  if (has_decoder) return {};
  if (const std::string map = folder + "/special_tokens_map.json"; file_exists(map))
    LLAVA_CHECK(try_change_json(map, true, [&](json_value::object& o) -> result<void> {
      add_to_list(o, "additional_special_tokens", json_of(content));
      return {};
    }));
  return try_change_json(folder + "/added_tokens.json", false, [&](json_value::object& o) -> result<void> {
    set_member(o, content, id);
    return {};
  });
}

}  // namespace detail

LLAVA_END
