// SPDX-License-Identifier: Apache-2.0
/// try_open_tokenizer: opens the tokenizer of a folder as the folder's reference program does.
///
///   tokenizer.model   SentencePiece. Comes first in folders of the original layout: LLaVA's programs use the slow
///                     tokenizer, LlamaTokenizer, which reads it, unless the model's name contains mistral or mpt. Its
///                     treatment of `legacy` and special tokens is followed. Without tokenizer.json and without a
///                     request for the slow tokenizer, ids become text as in the fast tokenizer that transformers
///                     converts the file to.
///   tokenizer.json    comes first everywhere else, as in transformers; llava-hf folders often have both.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tokenizer_json.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/checkpoint/tokenizer_settings.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/text/tokenizer.hpp>
#include <llava/text/tokenizer_state.hpp>

LLAVA_BEGIN

namespace detail {

/// Merges the settings into the rules. `find` looks contents up in the vocabulary. A token without an id anywhere gets
/// the next free id after the vocabulary, in order.
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
        same->special = true;  // without an id: the entry keeps its other flags
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

inline void add_special(tokenizer_settings& s, std::string_view content) {
  added_token a;
  a.content = content;
  a.id = -1;
  a.special = true;
  s.additional.push_back(a.content);
  s.added.push_back(std::move(a));
}

inline void set_bos_eos(const tokenizer_settings& s, tokenizer_rules& r) {
  r.before.clear();
  r.after.clear();
  if (s.add_bos && r.bos >= 0) r.before.push_back(r.bos);
  if (s.add_eos && r.eos >= 0) r.after.push_back(r.eos);
}

/// `slow`: transformers 4's LlamaTokenizer, in Python, over SentencePiece. Otherwise the fast tokenizer that it is
/// converted to, with the same ids.
inline result<tokenizer> try_make_of_model(sentencepiece_bpe model, tokenizer_settings s, bool slow) {
  tokenizer_rules r;
  r.decoder.how = !slow ? decoding::byte_fallback : s.legacy ? decoding::slow_legacy : decoding::slow;
  r.decoder.strip = 1;
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
  // Special tokens are the named and the additional ones, whatever their flags are. All others, and additional ones
  // beyond SentencePiece's pieces, are separated by spaces when decoded.
  for (added_token& a : r.added) {
    const bool named = std::find(s.named.begin(), s.named.end(), a.content) != s.named.end();
    const bool additional = std::find(s.additional.begin(), s.additional.end(), a.content) != s.additional.end();
    a.special = named || additional;
    a.normalized = false;  // they are found in the text before normalisation
    a.spaced = !named && (!additional || static_cast<std::size_t>(a.id) >= model.size());
  }
  set_bos_eos(s, r);
  r.splits_special = s.splits_special;
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
  // tokenizer.json states the tokens around a text; only LLaMA's classes read add_bos_token and add_eos_token.
  if (is_llama && (s.states_add || !parts.has_post_processor)) set_bos_eos(s, parts.rules);
  parts.rules.splits_special = s.splits_special;
  return tokenizer::try_make(std::move(parts.model), std::move(parts.rules));
}

}  // namespace detail

/// Opens the tokenizer of a folder; `slow` is model_description::slow_tokenizer. `added`: a special token that comes
/// behind those of the files; or empty.
inline result<tokenizer> try_open_tokenizer(const std::string& folder, bool slow = false, std::string_view added = {}) {
  return guarded([&]() -> result<tokenizer> {
    const bool has_json = detail::file_exists(folder + "/tokenizer.json"),
               has_model = detail::file_exists(folder + "/tokenizer.model");
    const bool from_model = has_model && (!has_json || slow);
    if (!has_json && !has_model)
      return fail(errc::not_found, text_of("llava: ", folder, " has neither tokenizer.json nor tokenizer.model"));
    const std::string file = folder + (from_model ? "/tokenizer.model" : "/tokenizer.json");
    LLAVA_TRY(bytes, try_read_text_file(file));
    LLAVA_TRY(settings, detail::tokenizer_settings_reader(folder, slow).try_read());
    if (!added.empty()) detail::add_special(settings, added);
    const auto opened = [&]() -> result<tokenizer> {
      if (from_model) {
        LLAVA_TRY(model, try_read_tokenizer_model(file, bytes));
        return detail::try_make_of_model(std::move(model), std::move(settings), slow);
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
