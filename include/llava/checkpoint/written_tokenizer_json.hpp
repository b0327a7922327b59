// SPDX-License-Identifier: Apache-2.0
/// Writes the tokenizer.json of a folder that has a tokenizer.model alone: the fast tokenizer to which transformers
/// converts a LlamaTokenizer. Releases of transformers differ in that conversion (4.57 puts a space in front of a text,
/// 5.23 does not, where the folder is of LLaVA), so a folder should not leave it to them.
///
/// A merge of the JSON form is a pair of pieces that form a piece. The pairs are in the order of their pieces' scores;
/// of equal scores, the one with the longer left part comes first, as in transformers.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/added_image_token.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/checkpoint/tokenizer_settings.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN

namespace detail {

/// The pairs of pieces of a model that form a piece.
inline json_value written_merges(const sentencepiece_bpe& model) {
  struct merge {
    std::uint32_t rank;
    std::size_t left, right;  // characters
    std::int32_t left_id, right_id;
  };
  const auto characters = [](std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  };
  std::vector<merge> merges;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(model.size()); ++id) {
    const std::string_view piece = model.piece(id);
    const auto first = static_cast<std::ptrdiff_t>(merges.size());
    for (std::size_t at = 1; at < piece.size(); ++at) {
      if ((static_cast<unsigned char>(piece[at]) & 0xc0) == 0x80) continue;
      const std::int32_t left = model.find(piece.substr(0, at)), right = model.find(piece.substr(at));
      if (left >= 0 && right >= 0)
        merges.push_back({model.rank(id), characters(piece.substr(0, at)), characters(piece.substr(at)), left, right});
    }
    std::sort(merges.begin() + first, merges.end(), [](const merge& a, const merge& b) {
      return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
    });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const merge& a, const merge& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    return std::pair(a.left, a.right) > std::pair(b.left, b.right);
  });
  json_value::array pairs;
  for (const merge& m : merges) pairs.push_back(json_list(model.piece(m.left_id), model.piece(m.right_id)));
  return json_value(std::move(pairs));
}

/// The tokens that are found in a text before it is split: those that the model reserves, and those after its pieces.
inline json_value written_added_tokens(const sentencepiece_bpe& model, const tokenizer& words) {
  json_value::array tokens;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(words.size()); ++id) {
    const bool is_piece = id < static_cast<std::int32_t>(model.size());
    const piece_type type = is_piece ? model.type(id) : piece_type::user_defined;
    if (type != piece_type::unknown && type != piece_type::control && type != piece_type::user_defined) continue;
    json_value::object token;
    set_member(token, "id", id);
    for (auto& [key, value] : written_special_token(is_piece ? std::string(model.piece(id)) : words.piece(id)))
      set_member(token, key, std::move(value));
    set_member(token, "special", type != piece_type::user_defined || words.is_special(id));
    tokens.emplace_back(std::move(token));
  }
  return json_value(std::move(tokens));
}

/// The tokens around a text, as a TemplateProcessing.
inline json_value written_surroundings(const sentencepiece_bpe& model, const tokenizer_settings& s) {
  json_value::array single;
  json_value::object known;
  const auto put = [&](bool is_there, const std::string& content, const char* otherwise) {
    const std::string& token = content.empty() ? otherwise : content;
    const std::int32_t id = model.find(token);
    if (!is_there || id < 0) return;
    json_value::object about, entry, item;
    set_member(about, "id", token);
    set_member(about, "ids", json_list(id));
    set_member(about, "tokens", json_list(token));
    set_member(known, token, json_value(std::move(about)));
    set_member(item, "id", token), set_member(item, "type_id", 0);
    set_member(entry, "SpecialToken", json_value(std::move(item)));
    single.emplace_back(std::move(entry));
  };
  put(s.add_bos, s.bos, "<s>");
  json_value::object text, item;
  set_member(item, "id", "A"), set_member(item, "type_id", 0);
  set_member(text, "Sequence", json_value(std::move(item)));
  single.emplace_back(std::move(text));
  put(s.add_eos, s.eos, "</s>");
  json_value::object made;
  set_member(made, "type", "TemplateProcessing");
  set_member(made, "single", json_value(single));
  set_member(made, "pair", json_value(std::move(single)));
  set_member(made, "special_tokens", json_value(std::move(known)));
  return json_value(std::move(made));
}

/// Writes the tokenizer.json for `from`, whose tokenizer.model is in `folder`, to `file`.
inline result<void> try_write_tokenizer_json(const checkpoint& from, const std::string& folder,
                                             const std::string& file) {
  const std::string own = folder + "/tokenizer.model";
  LLAVA_TRY(bytes, try_read_text_file(own));
  LLAVA_TRY(model, try_read_tokenizer_model(own, bytes));
  LLAVA_TRY(settings, tokenizer_settings_reader(folder, false).try_read());
  // A space becomes ▁. With `legacy` one is put in front of every part of a text, otherwise only of the first.
  constexpr std::string_view legacy = R"("normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
      "pre_tokenizer": null)",
                             newer = R"("normalizer": null,
      "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})";
  LLAVA_TRY(all, try_parse_json(file, text_of(R"({"version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [], )",
                                              settings.legacy ? legacy : newer, R"(, "post_processor": null,
      "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
      "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false}})")));
  json_value::object root = all.members(), bpe = find_member(root, "model")->members(), vocabulary;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(model.size()); ++id)
    vocabulary.emplace_back(std::string(model.piece(id)), json_of(id));
  set_member(bpe, "unk_token", model.piece(model.unknown()));
  set_member(bpe, "vocab", json_value(std::move(vocabulary)));
  set_member(bpe, "merges", written_merges(model));
  set_member(root, "added_tokens", written_added_tokens(model, from.tokenizer));
  set_member(root, "post_processor", written_surroundings(model, settings));
  set_member(root, "model", json_value(std::move(bpe)));
  return try_write_text(file, json_text(json_value(std::move(root))));
}

}  // namespace detail

LLAVA_END
