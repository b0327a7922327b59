// SPDX-License-Identifier: Apache-2.0
/// The tokenizer.json of a byte-level BPE model that a GGUF file holds. All its tokens are in the vocabulary, so that
/// each keeps its id.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/gguf_tokenizer.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/checkpoint/written_tokenizer_json.hpp>

LLAVA_BEGIN

namespace detail {

/// An object of one type, with members as in a JSON text.
inline result<json_value> try_make_part(std::string_view members) {
  return try_parse_json("tokenizer.json", text_of("{", members, "}"));
}

/// The way in which a text is cut into words, which has a name in GGUF files.
inline result<json_value> try_make_cut(const word_rules& w) {
  constexpr std::string_view digits = R"({"type": "Digits", "individual_digits": true}, )",
                             bytes = R"("type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true)";
  const splitter words = w.cuts.back();
  if (words == splitter::gpt2 && w.cuts.size() == 1) return try_make_part(text_of(bytes, R"(, "use_regex": true)"));
  if (words == splitter::gpt2)
    return try_make_part(
        text_of(R"("type": "Sequence", "pretokenizers": [)", digits, "{", bytes, R"(, "use_regex": true}])"));
  const std::string pattern = json_string(words == splitter::llama3    ? split_patterns::llama3
                                          : words == splitter::qwen3_5 ? split_patterns::qwen3_5
                                                                       : split_patterns::qwen2);
  return try_make_part(text_of(R"("type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": )",
                               pattern, R"(}, "behavior": "Isolated", "invert": false}, {)", bytes,
                               R"(, "use_regex": false}])"));
}

/// The tokens that are found in a text before it is cut.
inline json_value written_added_tokens(const tokenizer_rules& rules) {
  json_value::array tokens;
  for (const added_token& a : rules.added) {
    json_value::object token;
    set_member(token, "id", a.id);
    for (auto& [key, value] : written_special_token(a.content)) set_member(token, key, std::move(value));
    set_member(token, "special", a.special);
    tokens.emplace_back(std::move(token));
  }
  return json_value(std::move(tokens));
}

/// The tokenizer.json of `parts`, which the keys hold. `words`: the tokenizer made of them.
inline result<json_value> try_make_byte_level_json(const gguf_keys& keys, const gguf_words& parts,
                                                   const tokenizer& words) {
  const gguf_value* merges = keys.find("tokenizer.ggml.merges");
  json_value::array pairs;
  for (const std::string_view both : merges ? merges->texts() : std::vector<std::string_view>()) {
    const std::size_t space = both.find(' ', 1);  // the reader has checked it
    pairs.push_back(json_list(both.substr(0, space), both.substr(space + 1)));
  }
  json_value::object root, bpe, vocabulary;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(words.size()); ++id)
    vocabulary.emplace_back(words.piece(id), json_of(id));
  LLAVA_TRY(cut, try_make_cut(parts.rules.words));
  LLAVA_TRY(decoder, try_make_part(R"("type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                                      "use_regex": true)"));
  LLAVA_TRY(composes, try_make_part(R"("type": "NFC")"));
  const auto first = [](const std::vector<std::int32_t>& ids) { return ids.empty() ? -1 : ids.front(); };
  const std::int32_t before = first(parts.rules.before), after = first(parts.rules.after);
  set_member(root, "version", "1.0");
  set_member(root, "truncation", json_value());
  set_member(root, "padding", json_value());
  set_member(root, "added_tokens", written_added_tokens(parts.rules));
  set_member(root, "normalizer", parts.rules.words.has(normaliser::nfc) ? std::move(composes) : json_value());
  set_member(root, "pre_tokenizer", std::move(cut));
  set_member(
      root, "post_processor",
      before < 0 && after < 0 ? decoder : written_surroundings(words.piece(before), before, words.piece(after), after));
  set_member(root, "decoder", std::move(decoder));
  set_member(bpe, "type", "BPE");
  for (const char* none : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
    set_member(bpe, none, json_value());
  set_member(bpe, "fuse_unk", false);
  set_member(bpe, "byte_fallback", false);
  set_member(bpe, "ignore_merges", parts.model.ignore_merges);
  set_member(bpe, "vocab", json_value(std::move(vocabulary)));
  set_member(bpe, "merges", json_value(std::move(pairs)));
  set_member(root, "model", json_value(std::move(bpe)));
  return json_value(std::move(root));
}

}  // namespace detail

LLAVA_END
