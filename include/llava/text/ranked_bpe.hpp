// SPDX-License-Identifier: Apache-2.0
/// ranked_bpe: BPE with a list of merges, the earliest first (Sennrich, 2016), as in the tokenizers library. Words
/// consist of bytes (GPT-2, Llama 3, Qwen2) or of characters (LLaMA's tokenizer.json, with byte fallback).
///
/// For words of bytes the vocabulary holds the bytes themselves, not the letters that GPT-2 writes for them. A reader
/// translates them with bytes_of_letters.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/text/byte_letters.hpp>
#include <llava/text/utf8.hpp>
#include <llava/text/vocabulary.hpp>

LLAVA_BEGIN

/// The parts of a ranked_bpe.
struct ranked_model {
  vocabulary words;  ///< only indexed ids are found
  merge_table merges;
  bool byte_level = false;     ///< words consist of bytes, not of characters
  bool byte_fallback = false;  ///< a character that is not a piece becomes byte pieces, if all of them exist
  bool ignore_merges = false;  ///< a word that is a piece needs no merges
  bool fuse_unknown = false;   ///< a run of unknown characters is one token
  std::int32_t unknown = -1;   ///< −1: unknown characters are dropped
};

/// BPE with ranked merges, of bytes or of characters.
class ranked_bpe {
 public:
  /// Fails if a merge or the unknown token has an id outside the vocabulary.
  static result<ranked_bpe> try_make(ranked_model model) {
    return guarded([&]() -> result<ranked_bpe> {
      const auto size = static_cast<std::int64_t>(model.words.size());
      bool sound = model.unknown < size;
      model.merges.each([&](std::int32_t l, std::int32_t r, const bpe_merge& m) {
        sound = sound && l < size && r < size && m.id < size;
      });
      if (!sound)
        return fail(
            errc::invalid_format,
            text_of("llava: a merge or the unknown token has an id outside the vocabulary, expected an id below ",
                    size));
      ranked_bpe b;
      for (int byte = 0; byte < 256; ++byte) {
        static constexpr char digits[] = "0123456789ABCDEF";
        const char own[] = {static_cast<char>(byte)},
                   name[] = {'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'};
        b.bytes_.push_back(model.words.find(model.byte_level ? std::string_view(own, 1) : std::string_view(name, 6)));
      }
      // Text can be encoded word by word if no merge puts a ▁ after another character. A ▁ that is no piece may be
      // dropped or part of an unknown token, and merges of bytes may begin or end inside of it.
      b.splits_at_marks_ = !model.byte_level && model.words.find(space_mark) >= 0;
      model.merges.each([&](std::int32_t l, std::int32_t r, const bpe_merge&) {
        std::string_view right = model.words.text(r), left = model.words.text(l);
        while (left.substr(0, space_mark.size()) == space_mark) left.remove_prefix(space_mark.size());
        if (right.substr(0, space_mark.size()) == space_mark && !left.empty()) b.splits_at_marks_ = false;
      });
      b.model_ = std::move(model);
      return b;
    });
  }

  const vocabulary& words() const { return model_.words; }
  bool byte_level() const { return model_.byte_level; }
  /// Whether words may be cut before a ▁: no merge joins another character with a ▁ after it.
  bool splits_at_marks() const { return splits_at_marks_ && !model_.ignore_merges; }

  /// Appends the ids of one word of valid UTF-8.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const {
    if (model_.ignore_merges)
      if (const std::int32_t whole = model_.words.find(word); whole >= 0) return out.push_back(whole);
    for (std::size_t end = 0; word.size() > longest_word; word.remove_prefix(end)) {
      for (end = longest_word; (static_cast<unsigned char>(word[end]) & 0xc0) == 0x80;) --end;
      encode_symbols(word.substr(0, end), out);
    }
    encode_symbols(word, out);
  }

 private:
  void encode_symbols(std::string_view word, std::vector<std::int32_t>& out) const {
    std::vector<bpe_symbol> symbols;
    symbols.reserve(word.size());
    // As in the library, an unknown token comes before the next piece or at the end, so bytes may overtake it.
    std::size_t unknown_begin = 0, unknown_end = 0;
    const auto add = [&](std::int32_t id, std::size_t begin, std::size_t end) {
      bpe_symbol s;
      s.id = id;
      s.begin = static_cast<std::uint32_t>(begin);
      s.end = static_cast<std::uint32_t>(end);
      symbols.push_back(s);
    };
    const auto add_unknown = [&] {
      if (unknown_end > unknown_begin) add(model_.unknown, unknown_begin, unknown_end);
      unknown_begin = unknown_end = 0;
    };
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t n = model_.byte_level ? 1 : utf8_at(word, at).bytes;
      const std::int32_t id =
          model_.byte_level ? bytes_[static_cast<unsigned char>(word[at])] : model_.words.find(word.substr(at, n));
      if (id >= 0) {
        add_unknown();
        add(id, at, at + n);
      } else if (!model_.byte_level && model_.byte_fallback && all_bytes(word.substr(at, n))) {
        for (std::size_t b = at; b < at + n; ++b) add(bytes_[static_cast<unsigned char>(word[b])], b, b + 1);
      } else if (model_.unknown >= 0) {
        if (!model_.fuse_unknown) add_unknown();
        if (unknown_end == 0) unknown_begin = at;
        unknown_end = at + n;
      }
      at += n;
    }
    add_unknown();
    merge_pairs(symbols, [&](const bpe_symbol& l, const bpe_symbol& r, bpe_merge& merge) {
      return model_.merges.find(l.id, r.id, merge);
    });
    for (std::uint32_t i = symbols.empty() ? no_symbol : 0; i != no_symbol; i = symbols[i].after)
      out.push_back(symbols[i].id);
  }
  bool all_bytes(std::string_view text) const {
    for (const char c : text)
      if (bytes_[static_cast<unsigned char>(c)] < 0) return false;
    return true;
  }

  ranked_model model_;
  std::vector<std::int32_t> bytes_;  // (256) ids of single bytes, or of byte pieces; −1: none
  bool splits_at_marks_ = true;
};

LLAVA_END
