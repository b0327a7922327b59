// SPDX-License-Identifier: Apache-2.0
/// The tokenizer.json of a SentencePiece model: the fast tokenizer to which transformers converts a LlamaTokenizer.
/// Releases of transformers differ in that conversion (4.57 puts a space in front of a text, 5.23 does not, where the
/// folder is of LLaVA), so a folder should not leave it to them.
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

/// The tokens around a text, as a TemplateProcessing. Those with a negative id are left out.
inline json_value written_surroundings(const std::string& before, std::int32_t before_id, const std::string& after,
                                       std::int32_t after_id) {
  json_value::array single;
  json_value::object known;
  const auto put = [&](const std::string& token, std::int32_t id) {
    if (id < 0) return;
    json_value::object about, entry, item;
    set_member(about, "id", token);
    set_member(about, "ids", json_list(id));
    set_member(about, "tokens", json_list(token));
    set_member(known, token, json_value(std::move(about)));
    set_member(item, "id", token), set_member(item, "type_id", 0);
    set_member(entry, "SpecialToken", json_value(std::move(item)));
    single.emplace_back(std::move(entry));
  };
  put(before, before_id);
  json_value::object text, item;
  set_member(item, "id", "A"), set_member(item, "type_id", 0);
  set_member(text, "Sequence", json_value(std::move(item)));
  single.emplace_back(std::move(text));
  put(after, after_id);
  json_value::object made;
  set_member(made, "type", "TemplateProcessing");
  set_member(made, "single", json_value(single));
  set_member(made, "pair", json_value(std::move(single)));
  set_member(made, "special_tokens", json_value(std::move(known)));
  return json_value(std::move(made));
}

/// The way in which a SentencePiece model treats spaces. With `legacy` a ▁ is put in front of every part of a text,
/// otherwise only of the first; without `prefix` in front of none.
inline std::string_view written_spaces(bool legacy, bool prefix) {
  if (!prefix)
    return R"("normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "pre_tokenizer": null)";
  return legacy ? R"("normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
      "pre_tokenizer": null)"
                : R"("normalizer": null,
      "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})";
}

/// The tokenizer.json of a model with the settings of its class. `words` has its added tokens.
inline result<json_value> try_make_tokenizer_json(const sentencepiece_bpe& model, const tokenizer_settings& settings,
                                                  const tokenizer& words) {
  LLAVA_TRY(all, try_parse_json("tokenizer.json", text_of(R"({"version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [], )",
                                                          written_spaces(settings.legacy, model.add_dummy_prefix()),
                                                          R"(, "post_processor": null,
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
  const std::string bos = settings.bos.empty() ? "<s>" : settings.bos,
                    eos = settings.eos.empty() ? "</s>" : settings.eos;
  set_member(root, "added_tokens", written_added_tokens(model, words));
  set_member(root, "post_processor",
             written_surroundings(bos, settings.add_bos ? words.find(bos).value_or(-1) : -1, eos,
                                  settings.add_eos ? words.find(eos).value_or(-1) : -1));
  set_member(root, "model", json_value(std::move(bpe)));
  return json_value(std::move(root));
}

/// Writes the tokenizer.json for `from`, whose tokenizer.model is in `folder`, to `file`.
inline result<void> try_write_tokenizer_json(const checkpoint& from, const std::string& folder,
                                             const std::string& file) {
  const std::string own = folder + "/tokenizer.model";
  LLAVA_TRY(bytes, try_read_text_file(own));
  LLAVA_TRY(model, try_read_tokenizer_model(own, bytes));
  LLAVA_TRY(settings, tokenizer_settings_reader(folder, false).try_read());
  LLAVA_TRY(json, try_make_tokenizer_json(model, settings, from.tokenizer));
  return try_write_text(file, json_text(json));
}

}  // namespace detail

LLAVA_END
