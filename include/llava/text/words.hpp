// SPDX-License-Identifier: Apache-2.0
/// word_rules: splits text into the words that ranked_bpe encodes. It has the normalisers and pre-tokenisers of
/// tokenizer.json that LLaVA's language models use, in the order in which they run.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/nfc.hpp>
#include <llava/text/nfkc.hpp>
#include <llava/text/split.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// When a ▁ is put in front of a text.
enum class prefix_mark : std::uint8_t { never, first, always };

/// A change of a text before it is cut.
enum class normaliser : std::uint8_t {
  nfc,
  nfkc,
  lowercase,
  prepend_mark,    ///< Prepend ▁
  replace_spaces,  ///< Replace " " by ▁
};

/// How a text is cut into words before they are merged.
struct word_rules {
  std::vector<normaliser> normalisers;  ///< in the order in which they run
  // Pre-tokenisers.
  bool metaspace = false;  ///< spaces become ▁; `prefix` adds one in front if missing
  prefix_mark prefix = prefix_mark::never;
  bool splits_at_marks = false;  ///< each ▁ begins a word
  bool prefix_space = false;     ///< ByteLevel's add_prefix_space
  /// Each cuts the words of the one before.
  std::vector<splitter> cuts;
  /// Those behind ByteLevel, which look at the letters that it writes for bytes.
  std::vector<splitter> letter_cuts;

  bool has(normaliser n) const { return std::find(normalisers.begin(), normalisers.end(), n) != normalisers.end(); }

  /// Applies the normalisers. An empty text stays empty.
  std::string normalised(std::string_view text) const {
    std::string out(text);
    for (const normaliser n : normalisers) apply(n, out);
    return out;
  }

  /// Calls word(text) for each word of a normalised text. `at_start`: the text begins the whole input. `may_cut`: words
  /// may be cut before ▁, since this does not change the ids.
  template <class Word>
  void each_word(std::string_view text, bool at_start, bool may_cut, Word&& word) const {
    if (text.empty()) return;
    std::string changed;
    if (metaspace) {
      changed = marked(text);
      const bool wants = prefix == prefix_mark::always || (prefix == prefix_mark::first && at_start);
      if (wants && changed.compare(0, space_mark.size(), space_mark) != 0) changed.insert(0, space_mark);
      text = changed;
    } else if (prefix_space && text[0] != ' ') {
      changed.append(" ").append(text);
      text = changed;
    }
    const std::size_t count = cuts.size() + letter_cuts.size();
    if (splits_at_marks || (may_cut && count == 0)) return each_at_marks(text, word);
    if (count == 0) return word(text);
    const auto cut = [&](std::size_t i, std::string_view piece, auto&& each) {
      i < cuts.size() ? split(piece, cuts[i], each) : split(piece, letter_cuts[i - cuts.size()], each, true);
    };
    std::vector<std::string_view> pieces{text}, next;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      next.clear();
      for (const std::string_view piece : pieces) cut(i, piece, [&](std::string_view w) { next.push_back(w); });
      pieces.swap(next);
    }
    for (const std::string_view piece : pieces) cut(count - 1, piece, word);
  }

 private:
  static void apply(normaliser n, std::string& text) {
    switch (n) {
      case normaliser::nfc:
        text = nfc(text);
        break;
      case normaliser::nfkc:
        text = nfkc(text);
        break;
      case normaliser::lowercase:
        text = lowercased(text);
        break;
      case normaliser::prepend_mark:
        if (!text.empty()) text.insert(0, space_mark);
        break;
      case normaliser::replace_spaces:
        text = marked(text);
        break;
    }
  }
  static std::string marked(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    for (const char c : text) c == ' ' ? out += space_mark : out += c;
    return out;
  }
  /// Splits before each ▁; without splits_at_marks only before each run of ▁.
  template <class Word>
  void each_at_marks(std::string_view text, Word&& word) const {
    for (std::size_t first = 0; first < text.size();) {
      std::size_t end = first;
      if (splits_at_marks)
        end += text.compare(end, space_mark.size(), space_mark) == 0 ? space_mark.size() : 0;
      else
        while (text.compare(end, space_mark.size(), space_mark) == 0) end += space_mark.size();
      end = (std::min)(text.find(space_mark, end), text.size());
      word(text.substr(first, end - first));
      first = end;
    }
  }
};

LLAVA_END
