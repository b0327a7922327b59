// SPDX-License-Identifier: Apache-2.0
/// word_rules: splits text into the words that ranked_bpe encodes. It has the normalisers and pre-tokenisers of
/// tokenizer.json that LLaVA's language models use, in the order in which they run.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/text/nfc.hpp>
#include <llava/text/split.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// When a ▁ is put in front of a text.
enum class prefix_mark : std::uint8_t { never, first, always };

/// How a text is cut into words before they are merged.
struct word_rules {
  // Normalisers.
  bool composes = false;         ///< NFC
  bool prepends_mark = false;    ///< Prepend ▁
  bool replaces_spaces = false;  ///< Replace " " by ▁
  // Pre-tokenisers.
  bool metaspace = false;  ///< spaces become ▁; `prefix` adds one in front if missing
  prefix_mark prefix = prefix_mark::never;
  bool splits_at_marks = false;  ///< each ▁ begins a word
  bool prefix_space = false;     ///< ByteLevel's add_prefix_space
  bool splits_digits = false;    ///< each digit is a word
  splitter pattern = splitter::none;

  /// Applies the normalisers. An empty text stays empty.
  std::string normalised(std::string_view text) const {
    std::string out = composes ? nfc(text) : std::string(text);
    if (prepends_mark && !out.empty()) out.insert(0, space_mark);
    return replaces_spaces ? marked(out) : out;
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
    const auto pieces = [&](std::string_view s) { split(s, pattern, word); };
    if (splits_at_marks || (may_cut && pattern == splitter::none && !splits_digits)) return each_at_marks(text, word);
    if (splits_digits) return split_digits(text, pieces);
    pieces(text);
  }

 private:
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
