// SPDX-License-Identifier: Apache-2.0
/// tokenizer: text to ids and back, for SentencePiece BPE with byte fallback (LLaMA, Vicuna, Mistral) and byte-level BPE
/// (GPT-2, Llama 3, Qwen2). It knows no file format: a reader fills tokenizer_data.
///
///   text -> special tokens cut out -> each stretch normalised -> words -> merges -> ids, BOS in front
///
/// Bytes that are not UTF-8 count as U+FFFD. Nothing recurses; time grows as n log n (R10).
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <llava/text/bpe.hpp>
#include <llava/text/split.hpp>
#include <llava/text/unicode.hpp>

LLAVA_BEGIN

/// A token that is cut out of the text before anything else.
struct added_token {
  std::string content;
  std::int32_t id = 0;
  bool special = false;                 ///< left out by decode(skip_special)
  bool lstrip = false, rstrip = false;  ///< takes the white space beside it
  bool single_word = false;             ///< only between characters that are not of a word
};

/// When the dummy space of SentencePiece is put in front of a stretch of text.
enum class prefix_space : std::uint8_t { never, first, always };

/// Everything that makes a tokenizer what it is.
struct tokenizer_data {
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  using map = std::unordered_map<std::string, std::int32_t, hash, std::equal_to<>>;

  std::vector<std::string> pieces;   ///< text of each id, as the vocabulary writes it
  map ids;                           ///< of the pieces that encoding may make
  std::vector<float> scores;         ///< SentencePiece: of each id; empty when `merges` rule
  std::unordered_map<std::uint64_t, bpe_merge> merges;  ///< left · 2³² + right → rank and id
  std::vector<added_token> added;
  std::vector<std::int32_t> before, after;  ///< put around every text: BOS, perhaps EOS
  std::vector<bool> is_byte;                ///< SentencePiece: <0x00> … <0xFF>
  std::int32_t unknown = -1, bos = -1, eos = -1, pad = -1;
  bool byte_level = false;           ///< pieces are GPT-2's letters for bytes
  bool byte_fallback = false;        ///< unknown characters become byte pieces
  bool ignore_merges = false;        ///< a word that is a piece is that piece
  bool normalise_nfc = false;
  bool metaspace = false;            ///< the prefix is not put before a space that is there already
  bool words_by_space = false;       ///< words begin at ▁
  splitter words = splitter::none;
  prefix_space prefix = prefix_space::never;
  bool strip_first_space = false;    ///< decode drops the space that the prefix made
};

struct encode_options {
  bool add_special = true;       ///< BOS and the like
  bool parse_special = true;     ///< special tokens in the text are tokens; otherwise they are text
  std::string_view never{};      ///< an added token that is to be text all the same
};

class tokenizer {
 public:
  tokenizer() = default;
  explicit tokenizer(tokenizer_data data) : d_(std::move(data)) {
    std::sort(d_.added.begin(), d_.added.end(), [](const added_token& a, const added_token& b) { return a.content.size() > b.content.size(); });
    for (const added_token& a : d_.added) {
      first_bytes_[static_cast<unsigned char>(a.content.empty() ? 0 : a.content[0])] = true;
      if (static_cast<std::size_t>(a.id) >= special_.size()) special_.resize(static_cast<std::size_t>(a.id) + 1, none);
      special_[static_cast<std::size_t>(a.id)] = a.special ? hidden : shown;
    }
    for (int b = 0, next = 256; b < 256; ++b) {  // GPT-2's letters: printable bytes stand for themselves
      const bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      append_utf8(letters_[b], static_cast<char32_t>(plain ? b : next++));
      byte_of_[letters_[b]] = static_cast<char>(b);
    }
    for (std::int32_t id : d_.is_byte.empty() ? std::vector<std::int32_t>{} : byte_ids()) byte_piece_.push_back(id);
  }

  /// Number of ids, added tokens included.
  std::size_t size() const { return std::max(d_.pieces.size(), special_.size()); }
  std::int32_t bos() const { return d_.bos; }
  std::int32_t eos() const { return d_.eos; }
  std::int32_t pad() const { return d_.pad; }
  /// Left out by decode(skip_special).
  bool is_special(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < special_.size() && special_[static_cast<std::size_t>(id)] == hidden;
  }
  /// The id of an added token or a piece.
  std::optional<std::int32_t> find(std::string_view text) const {
    for (const added_token& a : d_.added)
      if (a.content == text) return a.id;
    const auto found = d_.ids.find(text);
    return found == d_.ids.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<std::int32_t> encode(std::string_view text, const encode_options& o = {}) const {
    const std::string clean = valid_utf8(text);
    std::vector<std::int32_t> out;
    if (o.add_special) out = d_.before;
    std::size_t from = 0;
    for (std::size_t at = 0; o.parse_special && at < clean.size();) {
      const added_token* a = first_bytes_[static_cast<unsigned char>(clean[at])] ? added_at(clean, at, o) : nullptr;
      if (!a) {
        ++at;
        continue;
      }
      std::size_t left = at, right = at + a->content.size();
      if (a->lstrip)
        while (left > from && is_space_byte(clean[left - 1])) --left;
      if (a->rstrip)
        while (right < clean.size() && is_space_byte(clean[right])) ++right;
      encode_stretch(std::string_view(clean).substr(from, left - from), from == 0, out);
      out.push_back(a->id);
      from = at = right;
    }
    encode_stretch(std::string_view(clean).substr(from), from == 0, out);
    if (o.add_special) out.insert(out.end(), d_.after.begin(), d_.after.end());
    return out;
  }

  /// The bytes that an id stands for; not always whole characters.
  std::string bytes_of(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= size()) return {};
    const auto i = static_cast<std::size_t>(id);
    if (i < special_.size() && special_[i] != none)
      for (const added_token& a : d_.added)
        if (a.id == id) return a.content;
    if (i >= d_.pieces.size()) return {};
    const std::string& piece = d_.pieces[i];
    if (i < d_.is_byte.size() && d_.is_byte[i]) return std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
    std::string out;
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t n = utf8_at(piece, at).bytes;
      const std::string_view c = std::string_view(piece).substr(at, n);
      if (d_.byte_level) {
        const auto byte = byte_of_.find(std::string(c));
        if (byte != byte_of_.end()) out += byte->second;
        else out += c;
      } else {
        if (c == "\xe2\x96\x81") out += ' ';
        else out += c;
      }
      at += n;
    }
    return out;
  }
  bool strips_first_space() const { return d_.strip_first_space; }

  /// The text of ids; bytes that are not UTF-8 become U+FFFD.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const {
    std::string bytes;
    for (const std::int32_t id : ids)
      if (!skip_special || !is_special(id)) bytes += bytes_of(id);
    if (d_.strip_first_space && !bytes.empty() && bytes[0] == ' ') bytes.erase(0, 1);
    return valid_utf8(bytes);
  }

 private:
  static bool is_space_byte(char c) { return c == ' ' || (c >= 9 && c <= 13); }
  static bool is_word(char32_t c) { return c == '_' || is_letter(c) || is_number(c); }

  std::vector<std::int32_t> byte_ids() const {
    std::vector<std::int32_t> found(256, -1);
    for (std::size_t i = 0; i < d_.is_byte.size(); ++i)
      if (d_.is_byte[i]) found[static_cast<std::size_t>(std::stoi(d_.pieces[i].substr(3, 2), nullptr, 16))] = static_cast<std::int32_t>(i);
    return found;
  }

  /// The longest added token that begins here.
  const added_token* added_at(std::string_view text, std::size_t at, const encode_options& o) const {
    for (const added_token& a : d_.added) {
      if (a.content.empty() || a.content == o.never || text.compare(at, a.content.size(), a.content) != 0) continue;
      if (a.single_word) {
        const std::size_t end = at + a.content.size();
        std::size_t previous = at;
        while (previous > 0 && (static_cast<unsigned char>(text[--previous]) & 0xc0) == 0x80) {}
        if ((at > 0 && is_word(utf8_at(text, previous).code)) || (end < text.size() && is_word(utf8_at(text, end).code))) continue;
      }
      return &a;
    }
    return nullptr;
  }

  void encode_stretch(std::string_view text, bool is_first, std::vector<std::int32_t>& out) const {
    if (text.empty()) return;
    if (d_.byte_level) {
      const std::string normal = d_.normalise_nfc ? nfc(text) : std::string(text);
      const std::string spaced = d_.prefix != prefix_space::never && normal[0] != ' ' ? " " + normal : normal;
      split(spaced, d_.words, [&](std::string_view word) {
        std::string letters;
        for (const char b : word) letters += letters_[static_cast<unsigned char>(b)];
        encode_word(letters, out);
      });
      return;
    }
    std::string marked;
    if (d_.prefix == prefix_space::always || (d_.prefix == prefix_space::first && is_first)) marked = "\xe2\x96\x81";
    if (d_.metaspace && text[0] == ' ') marked.clear();
    for (const char c : text) c == ' ' ? marked += "\xe2\x96\x81" : marked += c;
    if (!d_.words_by_space) return encode_word(marked, out);
    for (std::size_t first = 0; first < marked.size();) {
      const std::size_t end = std::min(marked.find("\xe2\x96\x81", first + 1), marked.size());
      encode_word(std::string_view(marked).substr(first, end - first), out);
      first = end;
    }
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
    if (d_.ignore_merges)
      if (const auto whole = d_.ids.find(word); whole != d_.ids.end()) {
        out.push_back(whole->second);
        return;
      }
    std::vector<bpe_symbol> symbols;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t n = utf8_at(word, at).bytes;
      const auto known = d_.ids.find(word.substr(at, n));
      symbols.push_back({known == d_.ids.end() ? -1 : known->second, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + n)});
      at += n;
    }
    if (d_.scores.empty()) {
      merge_pairs(symbols, [&](const bpe_symbol& l, const bpe_symbol& r) -> std::optional<bpe_merge> {
        if (l.id < 0 || r.id < 0) return std::nullopt;
        const auto found = d_.merges.find(static_cast<std::uint64_t>(l.id) << 32 | static_cast<std::uint32_t>(r.id));
        return found == d_.merges.end() ? std::nullopt : std::optional(found->second);
      });
    } else {
      merge_pairs(symbols, [&](const bpe_symbol& l, const bpe_symbol& r) -> std::optional<bpe_merge> {
        const auto found = d_.ids.find(word.substr(l.begin, r.end - l.begin));
        if (found == d_.ids.end()) return std::nullopt;
        return bpe_merge{-static_cast<double>(d_.scores[static_cast<std::size_t>(found->second)]), found->second};
      });
    }
    bool unknown_before = false;
    for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].after) {
      const bpe_symbol& s = symbols[static_cast<std::size_t>(i)];
      if (s.id >= 0) {
        out.push_back(s.id);
        unknown_before = false;
      } else if (d_.byte_fallback && !byte_piece_.empty()) {
        for (std::uint32_t b = s.begin; b < s.end; ++b) out.push_back(byte_piece_[static_cast<unsigned char>(word[b])]);
      } else if (d_.unknown >= 0 && !unknown_before) {
        out.push_back(d_.unknown);
        unknown_before = true;
      }
    }
  }

  enum : std::uint8_t { none, shown, hidden };
  tokenizer_data d_;
  std::vector<std::uint8_t> special_;
  bool first_bytes_[256] = {};
  std::string letters_[256];
  std::unordered_map<std::string, char> byte_of_;
  std::vector<std::int32_t> byte_piece_;  // (256)
};

LLAVA_END
