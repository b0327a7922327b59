// SPDX-License-Identifier: Apache-2.0
/// Writes the tokenizer of a GGUF file as the files of a folder:
///   SentencePiece       tokenizer.model, which is what such a file holds, and the tokenizer.json to which transformers
///                       converts it
///   byte-level BPE      tokenizer.json
/// and tokenizer_config.json, with the named and the added tokens. A token that ends an answer has a name there only if
/// it is an added one, because a name makes it special. Some texts are encoded with the written files and compared; a
/// tokenizer that they cannot express is refused.
///
/// Python's class puts a ▁ in front of every text, and transformers' fast one only of a text without a space there.
/// So a text that begins with a space has one ▁ fewer in transformers' layout, as after their own conversion.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/gguf_part.hpp>
#include <llava/checkpoint/gguf_text.hpp>
#include <llava/checkpoint/gguf_tokenizer.hpp>
#include <llava/checkpoint/written_byte_level_json.hpp>
#include <llava/checkpoint/written_gguf_tokenizer.hpp>
#include <llava/checkpoint/written_tokenizer_model.hpp>

LLAVA_BEGIN

namespace detail {

/// tokenizer_config.json without the settings of a class.
inline json_value::object written_tokenizer_config(const std::vector<added_token>& added, const tokenizer& words,
                                                   int longest_prompt) {
  json_value::object config, decoder;
  json_value::array more;
  std::vector<std::string> named;
  for (const auto& [key, id] : {std::pair("bos_token", words.bos()),
                                {"eos_token", words.eos()},
                                {"unk_token", words.unk()},
                                {"pad_token", words.pad()}}) {
    const bool is_added = std::any_of(added.begin(), added.end(), [&](const added_token& a) { return a.id == id; });
    set_member(config, key, is_added ? json_of(words.piece(id)) : json_value());
    if (is_added) named.push_back(words.piece(id));
  }
  for (const added_token& a : added) {
    json_value::object token = written_special_token(a.content);
    set_member(token, "special", a.special);
    set_member(decoder, std::to_string(a.id), json_value(std::move(token)));
    if (a.special && std::find(named.begin(), named.end(), a.content) == named.end())
      more.push_back(json_of(a.content));
  }
  set_member(config, "added_tokens_decoder", json_value(std::move(decoder)));
  set_member(config, "additional_special_tokens", json_value(std::move(more)));
  set_member(config, "clean_up_tokenization_spaces", false);
  if (longest_prompt > 0) set_member(config, "model_max_length", longest_prompt);
  return config;
}

inline result<void> try_write_pieces(const std::string& folder, const gguf_pieces& parts, const checkpoint& from) {
  const tokenizer& words = from.tokenizer;
  tokenizer_settings settings = parts.settings;
  settings.legacy = settings.legacy || !parts.slow;  // the fast class puts ▁ in front of every part of a text
  LLAVA_CHECK(try_write_text(folder + "/tokenizer.model",
                             written_tokenizer_model(parts.model, words.unk(), words.bos(), words.eos(), words.pad())));
  LLAVA_TRY(model, sentencepiece_bpe::try_make(parts.model));
  LLAVA_TRY(json, try_make_tokenizer_json(model, settings, words));
  LLAVA_CHECK(try_write_text(folder + "/tokenizer.json", json_text(json)));
  json_value::object config = written_tokenizer_config(settings.added, words, from.description.longest_prompt);
  set_member(config, "tokenizer_class", "LlamaTokenizer");
  set_member(config, "legacy", settings.legacy);
  set_member(config, "add_bos_token", settings.add_bos);
  set_member(config, "add_eos_token", settings.add_eos);
  return try_write_text(folder + "/tokenizer_config.json", json_text(json_value(std::move(config))));
}

inline result<void> try_write_byte_level(const std::string& folder, const gguf_keys& keys, const gguf_words& parts,
                                         const checkpoint& from) {
  LLAVA_TRY(json, try_make_byte_level_json(keys, parts, from.tokenizer));
  LLAVA_CHECK(try_write_text(folder + "/tokenizer.json", json_text(json)));
  json_value::object config =
      written_tokenizer_config(parts.rules.added, from.tokenizer, from.description.longest_prompt);
  set_member(config, "tokenizer_class", "PreTrainedTokenizerFast");
  return try_write_text(folder + "/tokenizer_config.json", json_text(json_value(std::move(config))));
}

/// Writes the files of `from`, a GGUF file, to `folder`. `slow`: the reference of the new folder prefers
/// tokenizer.model.
inline result<void> try_write_words_of_gguf(const std::string& folder, const checkpoint& from, bool slow) {
  LLAVA_TRY(file, gguf_part::try_open(from.path));
  LLAVA_TRY(architecture, try_text_architecture(file.keys()));
  const bool legacy = from.tokenizer.decoding().how == decoding::slow_legacy;
  gguf_tokenizer_reader reader(file.keys(), architecture, legacy);
  LLAVA_CHECK(reader.try_begin());
  if (reader.has_pieces()) {
    LLAVA_TRY(parts, reader.try_read_pieces());
    LLAVA_CHECK(try_write_pieces(folder, parts, from));
  } else {
    LLAVA_TRY(parts, reader.try_read_words());
    LLAVA_CHECK(try_write_byte_level(folder, file.keys(), parts, from));
  }
  const auto refused = [&](std::string_view why) {
    return fail(errc::unsupported,
                text_of("llava: ", from.path, " has a tokenizer that the files of a folder cannot hold: ", why));
  };
  const result<tokenizer> written = try_open_tokenizer(folder, slow);
  if (!written && written.error().code() == errc::out_of_memory) return written.error();
  if (!written) return refused(written.error().what());
  // Transformers' fast and slow classes make the same ids of a text, and not the same text of ids.
  const bool both_ways = from.tokenizer.decoding().how == written->decoding().how;
  const bool by_python = from.tokenizer.decoding().how == decoding::slow && !both_ways;
  const std::string other = different_text(from.tokenizer, *written, both_ways, by_python ? " " : "");
  return other.empty() ? result<void>() : refused(text_of("read from them, '", shown(other), "' has other ids"));
}

}  // namespace detail

LLAVA_END
