// SPDX-License-Identifier: Apache-2.0
/// sentencepiece_bpe: BPE as in the SentencePiece library (Kudo and Richardson, 2018), the tokenizer of LLaMA, Vicuna,
/// Mistral and Yi. Spaces become ▁, and a ▁ may be put in front. Of all adjacent pairs that form a piece, the pair with
/// the best score merges first, the leftmost on a tie. Other characters become bytes or the unknown token.
///
/// Normalisation of anything but spaces, unigram models and spaces as a suffix are not supported; the reader of a model
/// rejects them.
#pragma once
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/text/prefix_matcher.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/utf8.hpp>
#include <llava/text/vocabulary.hpp>

LLAVA_BEGIN

/// The type of a piece, with SentencePiece's values.
enum class piece_type : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// "<0x0A>" → 10, otherwise −1. Digits may be of either case, as in both reference libraries.
constexpr int byte_of_piece(std::string_view piece) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>' || digit(piece[3]) < 0 || digit(piece[4]) < 0)
    return -1;
  return digit(piece[3]) * 16 + digit(piece[4]);
}

/// The contents of a SentencePiece model. Piece i has id i.
struct sentencepiece_model {
  /// One piece: its text, score and type.
  struct piece {
    std::string text;
    float score = 0;
    piece_type type = piece_type::normal;
  };
  std::vector<piece> pieces;
  bool byte_fallback = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  std::string bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";
  std::string unknown_surface = " \xe2\x81\x87 ";  ///< text of the unknown token: ⁇ between spaces
};

/// BPE as in SentencePiece: the pair whose piece has the best score merges first.
class sentencepiece_bpe {
 public:
  /// Fails if a piece is empty or appears twice, if there is not exactly one unknown piece, or if byte_fallback lacks a
  /// byte piece.
  static result<sentencepiece_bpe> try_make(sentencepiece_model model);

  std::size_t size() const { return pieces_.size(); }
  std::string_view piece(std::int32_t id) const { return pieces_.text(id); }
  /// A piece with a higher score has a lower rank.
  std::uint32_t rank(std::int32_t id) const { return ranks_[static_cast<std::size_t>(id)]; }
  piece_type type(std::int32_t id) const { return types_[static_cast<std::size_t>(id)]; }
  /// The id of a piece of any type, or −1.
  std::int32_t find(std::string_view piece) const {
    const std::int32_t id = pieces_.find(piece);
    return id >= 0 ? id : reserved_.find(piece);
  }
  std::int32_t unknown() const { return unknown_; }
  std::int32_t bos() const { return control(model_.bos_piece); }
  std::int32_t eos() const { return control(model_.eos_piece); }
  std::int32_t pad() const { return control(model_.pad_piece); }
  bool add_dummy_prefix() const { return model_.add_dummy_prefix; }
  bool remove_extra_whitespaces() const { return model_.remove_extra_whitespaces; }
  std::string_view unknown_surface() const { return model_.unknown_surface; }

  /// Appends the ids of valid UTF-8 text, with a ▁ in front if `prefix` is true.
  void encode(std::string_view text, bool prefix, std::vector<std::int32_t>& out) const {
    if (text.empty()) return;
    const std::string marked = normalised(text, prefix);
    // If no piece crosses the start of a run of ▁, no merge does. Encoding word by word then gives the same ids and
    // stays in the cache.
    for (std::size_t first = 0; first < marked.size();) {
      std::size_t end = marked.size();
      if (words_) {
        end = first;
        while (end < marked.size() && marked.compare(end, space_mark.size(), space_mark) == 0) end += space_mark.size();
        end = (std::min)(marked.find(space_mark, end), marked.size());
      }
      if (end - first > longest_word) end = first + longest_word;
      encode_word(std::string_view(marked).substr(first, end - first), out);
      first = end;
    }
  }

 private:
  using unused_parts = std::map<std::int32_t, std::pair<bpe_symbol, bpe_symbol>>;  // the two parts of an unused piece

  std::int32_t control(std::string_view piece) const {
    const std::int32_t id = reserved_.find(piece);
    return id >= 0 && type(id) == piece_type::control ? id : -1;
  }

  std::string normalised(std::string_view text, bool prefix) const {
    std::string out;
    const bool collapse = model_.remove_extra_whitespaces;
    if (collapse) {
      while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
      if (text.empty()) return out;
    }
    out.reserve(text.size() + text.size() / 2 + space_mark.size());
    if (prefix) out += space_mark;
    char last = collapse ? ' ' : '\0';
    for (const char c : text) {
      if (c != ' ')
        out += c;
      else if (!collapse || last != ' ')
        out += space_mark;
      last = c;
    }
    while (collapse && out.size() >= space_mark.size() &&
           out.compare(out.size() - space_mark.size(), space_mark.size(), space_mark) == 0)
      out.resize(out.size() - space_mark.size());
    return out;
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
    std::vector<bpe_symbol> symbols;
    symbols.reserve(word.size());
    for (std::size_t at = 0; at < word.size();) {
      bpe_symbol s;
      const prefix_matcher::match fixed =
          user_defined_.empty() ? prefix_matcher::match{} : user_defined_.longest_at(word, at);
      const std::size_t bytes = fixed.number >= 0 ? fixed.bytes : utf8_at(word, at).bytes;
      s.no_merge = fixed.number >= 0;
      s.begin = static_cast<std::uint32_t>(at);
      s.end = static_cast<std::uint32_t>(at += bytes);
      s.id = pieces_.find(word.substr(s.begin, bytes));
      if (s.id < 0) s.id = reserved_.find(word.substr(s.begin, bytes));
      symbols.push_back(s);
    }
    unused_parts unused;
    merge_pairs(symbols, [&](const bpe_symbol& l, const bpe_symbol& r, bpe_merge& merge) {
      merge.id = pieces_.find(word.substr(l.begin, r.end - l.begin));
      if (merge.id < 0) return false;
      merge.rank = ranks_[static_cast<std::size_t>(merge.id)];
      if (type(merge.id) == piece_type::unused) unused[merge.id] = {l, r};
      return true;
    });
    bool after_unknown = false;
    for (std::uint32_t i = symbols.empty() ? no_symbol : 0; i != no_symbol; i = symbols[i].after) {
      if (unused.empty())
        append(symbols[i], word, after_unknown, out);
      else
        take_apart(symbols[i], word, unused, after_unknown, out);
    }
  }

  void append(const bpe_symbol& s, std::string_view word, bool& after_unknown, std::vector<std::int32_t>& out) const {
    const bool unknown = s.id < 0 || s.id == unknown_;
    if (!unknown) {
      out.push_back(s.id);
    } else if (model_.byte_fallback) {
      for (std::uint32_t b = s.begin; b < s.end; ++b) out.push_back(bytes_[static_cast<unsigned char>(word[b])]);
    } else if (!after_unknown) {
      out.push_back(unknown_);  // one for a run of unknown characters
    }
    after_unknown = unknown && !model_.byte_fallback;
  }

  /// Splits an unused piece into the pair that last formed it, repeatedly.
  void take_apart(const bpe_symbol& whole, std::string_view word, const unused_parts& unused, bool& after_unknown,
                  std::vector<std::int32_t>& out) const {
    std::vector<bpe_symbol> left{whole};
    while (!left.empty()) {
      const bpe_symbol s = left.back();
      left.pop_back();
      const auto parts = unused.find(s.id);
      if (parts == unused.end()) {
        append(s, word, after_unknown, out);
      } else {
        left.push_back(parts->second.second);
        left.push_back(parts->second.first);
      }
    }
  }

  sentencepiece_model model_;         // its pieces have been moved out
  vocabulary pieces_, reserved_;      // indexed: what merges may form; control, unknown and byte
  std::vector<std::uint32_t> ranks_;  // by id: a higher score has a lower rank
  std::vector<piece_type> types_;
  std::vector<std::int32_t> bytes_;  // (256) ids of byte pieces; −1: none
  prefix_matcher user_defined_;
  std::int32_t unknown_ = -1;
  bool words_ = true;  // no piece has a ▁ after another character
};

namespace detail {
/// Maps floats to integers of the same order.
constexpr std::uint32_t ascending(float f) {
  const auto bits = std::bit_cast<std::uint32_t>(f + 0.0f);  // −0 is 0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
}  // namespace detail

inline result<sentencepiece_bpe> sentencepiece_bpe::try_make(sentencepiece_model model) {
  return guarded([&]() -> result<sentencepiece_bpe> {
    const auto bad = [](std::size_t id, std::string_view text, std::string_view what) {
      return fail(errc::invalid_format, text_of("llava: piece ", id, " ('", detail::shown(text), "') ", what));
    };
    sentencepiece_bpe m;
    m.bytes_.assign(256, -1);
    std::vector<std::pair<std::string, std::int32_t>> fixed;
    if (model.pieces.size() > (std::size_t{1} << 24))
      return fail(errc::invalid_format, "llava: the vocabulary has too many pieces, expected at most 16777216");
    for (std::size_t i = 0; i < model.pieces.size(); ++i) {
      sentencepiece_model::piece& p = model.pieces[i];
      const auto id = static_cast<std::int32_t>(i);
      const bool reserved =
          p.type == piece_type::unknown || p.type == piece_type::control || p.type == piece_type::byte;
      if (p.text.empty()) return bad(i, p.text, "is empty");
      if (!(p.score == p.score)) return bad(i, p.text, "has a score that is not a number");
      if (p.type < piece_type::normal || p.type > piece_type::byte)
        return bad(i, p.text, "has an unknown type, expected 1 to 6");
      if (p.type == piece_type::unknown && std::exchange(m.unknown_, id) >= 0)
        return bad(i, p.text, "is a second unknown piece, expected one");
      if (p.type == piece_type::byte) {
        const int byte = byte_of_piece(p.text);
        if (!model.byte_fallback) return bad(i, p.text, "is of type byte, but the model has no byte_fallback");
        if (byte < 0) return bad(i, p.text, "is of type byte, expected the form <0xNN>");
        m.bytes_[static_cast<std::size_t>(byte)] = id;
      }
      if (p.type == piece_type::user_defined) {
        if (p.text.size() > prefix_matcher::longest) return bad(i, "", "is user-defined and has more than 1024 bytes");
        fixed.emplace_back(p.text, id);
      }
      // Words can be encoded one by one only if pieces have ▁, any number of times, at their start and nowhere else.
      std::size_t lead = 0;
      while (p.text.compare(lead, space_mark.size(), space_mark) == 0) lead += space_mark.size();
      if (!reserved && p.text.find(space_mark, lead) != std::string::npos) m.words_ = false;
      m.ranks_.push_back(~detail::ascending(p.score));
      m.types_.push_back(p.type);
      m.pieces_.set(id, p.text);
      if (reserved) m.reserved_.set(id, std::move(p.text));
      if (!(reserved ? m.reserved_ : m.pieces_).index(id)) return bad(i, m.piece(id), "appears twice");
    }
    if (m.unknown_ < 0)
      return fail(errc::invalid_format, "llava: the vocabulary has no piece of type unknown, expected one");
    for (int b = 0; model.byte_fallback && b < 256; ++b)
      if (m.bytes_[static_cast<std::size_t>(b)] < 0)
        return fail(errc::invalid_format,
                    text_of("llava: the piece of byte ", b, " is missing, expected all 256 with byte_fallback"));
    m.user_defined_ = prefix_matcher(std::move(fixed));
    model.pieces.clear();
    m.model_ = std::move(model);
    return m;
  });
}

LLAVA_END
