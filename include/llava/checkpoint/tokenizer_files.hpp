// SPDX-License-Identifier: Apache-2.0
/// try_open_tokenizer: the tokenizer of a folder, as the reference program of that folder has it.
///
///   tokenizer.model   SentencePiece. Goes first in folders of the original layout: LLaVA's programs ask for the slow
///                     tokenizer, LlamaTokenizer, which reads it, but where the model's name says mistral or mpt. Its ways
///                     with `legacy` and special tokens are followed.
///   tokenizer.json    goes first everywhere else, as in transformers; llava-hf folders often have both.
///
/// tokenizer_config.json says which tokens are special and what is put around a text. Where it has no added_tokens_decoder,
/// special_tokens_map.json goes before it and added_tokens.json says the added tokens: transformers' order.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tokenizer_json.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/checkpoint/vision_config.hpp>

LLAVA_BEGIN

namespace detail {

/// What the small files beside a tokenizer say.
struct tokenizer_settings {
  std::string bos, eos, unknown, pad;   // contents; empty: none
  std::vector<added_token> added;       // special tokens that have a name, and added ones; id −1: to be looked up
  std::vector<std::string> additional;  // contents of the special tokens without a name
  std::vector<std::string> named;       // contents of all that have one
  bool is_llama = false;                // tokenizer_class, or there is a tokenizer_config.json …
  bool names_class = false;             // … that names none
  bool add_bos = true, add_eos = false, states_add = false;
  bool legacy = true;
};

class tokenizer_settings_reader {
 public:
  explicit tokenizer_settings_reader(const std::string& folder) : folder_(folder) {}

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
      s_.is_llama = name.empty() || name.rfind("Llama", 0) == 0 || name.rfind("CodeLlama", 0) == 0;
      s_.states_add = o.states("add_bos_token") || o.states("add_eos_token");
      if (o.states("add_bos_token")) s_.add_bos = false;  // null is no
      LLAVA_CHECK(o.read("add_bos_token", s_.add_bos));
      LLAVA_CHECK(o.read("add_eos_token", s_.add_eos));
      LLAVA_CHECK(o.read("legacy", s_.legacy));
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
        if (!id.whole() || *id.whole() < 0 || *id.whole() > INT32_MAX)
          return fail(errc::invalid_format, text_of("llava: ", added, ": ids must be whole numbers"));
        added_token a;
        a.content = content;
        a.id = static_cast<std::int32_t>(*id.whole());
        a.special = is_named(a.content) ||
                    std::find(s_.additional.begin(), s_.additional.end(), a.content) != s_.additional.end();
        a.normalized = !a.special;
        s_.added.push_back(std::move(a));
      }
    }
    return s_;
  }

 private:
  bool is_named(std::string_view content) const {
    return std::find(s_.named.begin(), s_.named.end(), content) != s_.named.end();
  }

  /// {"content": …, "lstrip": …}, or just the content.
  result<void> try_read_token(const json_object& o, const char* key, const json_value& v, added_token& a) {
    if (v.text()) {
      a.content = *v.text();
      return {};
    }
    if (!v.is_object()) return o.wrong(key, "a token: a text, or an object with its content");
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
      if (!v || v->is_object()) continue;  // an object names them; they stand in added_tokens_decoder as well
      if (!v->is_array()) return o.wrong(key, "a list of tokens");
      for (const json_value& t : v->items()) {
        added_token a;
        a.id = -1;
        LLAVA_CHECK(try_read_token(o, key, t, a));
        if (a.content.empty()) continue;
        s_.additional.push_back(a.content);
        a.special = true;
        s_.added.push_back(std::move(a));
      }
    }
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

  const std::string& folder_;
  tokenizer_settings s_;
};

/// Puts the settings into the rules. `find` looks contents up in the vocabulary; tokens that nobody gives an id are put
/// behind it, in order.
template <class Find>
void apply_settings(const tokenizer_settings& s, std::size_t vocabulary_size, Find&& find, tokenizer_rules& r) {
  const auto own = [&](std::string_view content) {
    return std::find_if(r.added.begin(), r.added.end(), [&](const added_token& a) { return a.content == content; });
  };
  std::int64_t next = static_cast<std::int64_t>(vocabulary_size);
  for (const added_token& a : r.added) next = (std::max)(next, std::int64_t{a.id} + 1);
  for (const added_token& a : s.added) next = (std::max)(next, std::int64_t{a.id} + 1);
  for (const added_token& a : s.added) {
    const auto same = own(a.content);
    if (same != r.added.end()) {
      if (a.id < 0)
        same->special = true;  // named: what flags it has, the others say
      else
        *same = a;
      continue;
    }
    r.added.push_back(a);
    const std::int32_t known = find(a.content);
    if (a.id < 0)
      r.added.back().id = known >= 0 ? known : static_cast<std::int32_t>(std::min<std::int64_t>(next++, 0x7fffffff));
  }
  const auto id_of = [&](const std::string& content) {
    const auto a = own(content);
    return content.empty() ? -1 : a != r.added.end() ? a->id : find(content);
  };
  if (!s.bos.empty()) r.bos = id_of(s.bos);
  if (!s.eos.empty()) r.eos = id_of(s.eos);
  if (!s.unknown.empty()) r.unknown = id_of(s.unknown);
  if (!s.pad.empty()) r.pad = id_of(s.pad);
}

inline void put_around(const tokenizer_settings& s, tokenizer_rules& r) {
  r.before.clear();
  r.after.clear();
  if (s.add_bos && r.bos >= 0) r.before.push_back(r.bos);
  if (s.add_eos && r.eos >= 0) r.after.push_back(r.eos);
}

/// LlamaTokenizer of transformers 4, in Python, over SentencePiece.
inline result<tokenizer> try_make_slow(sentencepiece_bpe model, tokenizer_settings s) {
  tokenizer_rules r;
  r.decoder.how = s.legacy ? decoding::slow_legacy : decoding::slow;
  for (auto& [content, fallback] :
       {std::pair<std::string*, const char*>{&s.bos, "<s>"}, {&s.eos, "</s>"}, {&s.unknown, "<unk>"}}) {
    if (!content->empty()) continue;
    *content = fallback;
    added_token a;
    a.content = fallback;
    a.id = -1;
    s.added.push_back(a);
    s.named.push_back(fallback);
  }
  const auto find = [&](std::string_view piece) { return model.find(piece); };
  apply_settings(s, model.size(), find, r);
  // Its special tokens are those that have a name or stand in the list of additional ones, whatever their flags say. The
  // others, and additional ones beyond SentencePiece's pieces, are set off by spaces when decoded.
  for (added_token& a : r.added) {
    const bool named = std::find(s.named.begin(), s.named.end(), a.content) != s.named.end();
    const bool additional = std::find(s.additional.begin(), s.additional.end(), a.content) != s.additional.end();
    a.special = named || additional;
    a.normalized = false;  // it does not look for them in another text
    a.apart = !named && (!additional || static_cast<std::size_t>(a.id) >= model.size());
  }
  put_around(s, r);
  return tokenizer::try_make(std::move(model), std::move(r));
}

inline result<tokenizer> try_make_fast(tokenizer_parts parts, const tokenizer_settings& s) {
  const bool byte_level = parts.model.byte_level();
  const auto find = [&](std::string_view piece) {
    const auto bytes = byte_level ? bytes_of_letters(piece) : std::optional(std::string(piece));
    return bytes ? parts.model.words().find(*bytes) : -1;
  };
  apply_settings(s, parts.model.words().size(), find, parts.rules);
  const bool is_llama = s.is_llama && (s.names_class || !byte_level);
  if (parts.rules.bos < 0 && is_llama) parts.rules.bos = find("<s>");
  if (parts.rules.eos < 0 && is_llama) parts.rules.eos = find("</s>");
  // What is put around a text stands in tokenizer.json; only LLaMA's classes look at add_bos_token and add_eos_token.
  if (is_llama && (s.states_add || !parts.has_post_processor)) put_around(s, parts.rules);
  return tokenizer::try_make(std::move(parts.model), std::move(parts.rules));
}

}  // namespace detail

/// The tokenizer of a folder; `slow` as model_description::slow_tokenizer.
inline result<tokenizer> try_open_tokenizer(const std::string& folder, bool slow = false) {
  return guarded([&]() -> result<tokenizer> {
    const bool has_json = detail::file_exists(folder + "/tokenizer.json"),
               has_model = detail::file_exists(folder + "/tokenizer.model");
    const bool from_model = has_model && (!has_json || slow);
    if (!has_json && !has_model)
      return fail(errc::not_found, text_of("llava: ", folder, " has neither tokenizer.json nor tokenizer.model"));
    const std::string file = folder + (from_model ? "/tokenizer.model" : "/tokenizer.json");
    LLAVA_TRY(bytes, try_read_text_file(file));
    LLAVA_TRY(settings, detail::tokenizer_settings_reader(folder).try_read());
    const auto opened = [&]() -> result<tokenizer> {
      if (from_model) {
        LLAVA_TRY(model, try_read_tokenizer_model(file, bytes));
        return detail::try_make_slow(std::move(model), std::move(settings));
      }
      LLAVA_TRY(parts, try_read_tokenizer_json(file, bytes));
      return detail::try_make_fast(std::move(parts), settings);
    };
    result<tokenizer> made = opened();
    if (!made && made.error().sentence().find(folder) == std::string::npos)
      return detail::in_file(folder, made.error());
    return made;
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
inline tokenizer open_tokenizer(const std::string& folder, bool slow = false) {
  return value_or_throw(try_open_tokenizer(folder, slow));
}
#endif

LLAVA_END
