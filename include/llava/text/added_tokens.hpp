// SPDX-License-Identifier: Apache-2.0
/// added_tokens: tokens cut out of a text before the rest is encoded: `</s>`, `<image>`, `<|im_start|>`. The leftmost
/// match comes first; at one position the longest. A token has at most 1024 bytes.
///
/// The two references differ where white space belongs to a match (lstrip, rstrip). In the tokenizers library, added
/// tokens of white space are found in it too. In transformers' Python, white space beside such a token is removed from
/// the neighbour, which may be another token.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/text/prefix_matcher.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/unicode.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// An added token: its text, its id and the rules for finding it in a text.
struct added_token {
  std::string content;
  std::int32_t id = 0;
  bool special = false;                 ///< skipped by decode(skip_special); plain text without parse_special
  bool lstrip = false, rstrip = false;  ///< the match includes adjacent white space
  bool single_word = false;             ///< matches only if no word character is adjacent
  bool normalized = false;              ///< its normalised content is searched in the normalised text
  bool spaced = false;                  ///< Python's LlamaTokenizer decodes it with spaces around it
};

/// The rules of lstrip, rstrip and single_word: the tokenizers library's (unicode) or those of transformers' slow
/// tokenizers (python).
enum class whitespace_rule : std::uint8_t { unicode, python };

/// Selects the added tokens that are cut out of a text.
struct cut_options {
  bool parse_special = true;    ///< otherwise a special token is text, also where others match inside of it
  std::string_view excluded{};  ///< no token at all
  whitespace_rule spaces = whitespace_rule::unicode;
  bool nothing = false;  ///< no token is cut out
};

/// The added tokens of a tokenizer, which are found in a text before anything else.
class added_tokens {
 public:
  enum pass : std::uint8_t { as_written, normalised };

  added_tokens() = default;
  /// Ids must be below `most`. normalise(content) returns the text by which a normalized token is found.
  static result<added_tokens> try_make(std::vector<added_token> tokens, std::int32_t most,
                                       function_ref<std::string(std::string_view)> normalise) {
    added_tokens a;
    a.tokens_ = std::move(tokens);
    std::vector<std::pair<std::string, std::int32_t>> texts[2], contents;
    for (std::size_t i = 0; i < a.tokens_.size(); ++i) {
      const added_token& t = a.tokens_[i];
      const auto number = static_cast<std::int32_t>(i);
      if (t.content.empty() || t.content.size() > prefix_matcher::longest || t.id < 0 || t.id >= most)
        return fail(errc::invalid_format, text_of("llava: added token '", detail::shown(t.content), "' has id ", t.id,
                                                  ", expected 1 to 1024 bytes and 0 <= id < ", most));
      a.texts_.push_back(t.normalized ? normalise(t.content) : t.content);
      // A token whose normalised content is too long never matches.
      texts[t.normalized ? normalised : as_written].emplace_back(
          a.texts_.back().size() > prefix_matcher::longest ? "" : a.texts_.back(), number);
      contents.emplace_back(t.content, number);
      if (static_cast<std::size_t>(t.id) >= a.of_id_.size()) a.of_id_.resize(static_cast<std::size_t>(t.id) + 1, -1);
      a.of_id_[static_cast<std::size_t>(t.id)] = number;
    }
    for (const pass p : {as_written, normalised}) a.matchers_[p] = prefix_matcher(std::move(texts[p]));
    a.by_content_ = prefix_matcher(std::move(contents));
    return a;
  }

  /// The highest id plus 1.
  std::size_t size() const { return of_id_.size(); }
  /// The added token with this id or content; null if there is none.
  const added_token* find(std::int32_t id) const {
    const std::int32_t i =
        id >= 0 && static_cast<std::size_t>(id) < of_id_.size() ? of_id_[static_cast<std::size_t>(id)] : -1;
    return i < 0 ? nullptr : &tokens_[static_cast<std::size_t>(i)];
  }
  /// The text that a token matches and decodes to: its content, normalised if `normalized` is set.
  std::string_view text(const added_token& t) const { return texts_[static_cast<std::size_t>(&t - tokens_.data())]; }
  const added_token* find(std::string_view content) const {
    if (content.empty()) return nullptr;
    const prefix_matcher::match m = by_content_.longest_at(content, 0);
    return m.number >= 0 && m.bytes == content.size() ? &tokens_[static_cast<std::size_t>(m.number)] : nullptr;
  }

  /// Calls token(added) for each token and stretch(text, at_start) for the text between tokens, in order.
  void cut_out(std::string_view text, pass p, const cut_options& o, function_ref<void(std::string_view, bool)> stretch,
               function_ref<void(const added_token&)> token) const {
    if (o.nothing) return text.empty() ? void() : stretch(text, true);
    if (o.spaces == whitespace_rule::python) return cut_out_python(text, p, o, stretch, token);
    std::size_t from = 0, spaces = 0, spaces_end = 0;  // of the white space that rstrip has passed last
    for (std::size_t at = 0; at < text.size() && !matchers_[p].empty();) {
      const added_token* t = next_match(text, p, o, at);
      if (!t) break;
      std::size_t right = at, left = at - text_size(*t);
      if (is_text(*t, o) || (t->single_word && !stands_alone(text, left, right))) continue;
      if (t->lstrip) {
        while (left > from && is_space(utf8_before(text, left).code)) left -= utf8_before(text, left).bytes;
        left = (std::max)(left, from);
      }
      if (t->rstrip) {
        if (right < spaces || right > spaces_end)
          for (spaces = spaces_end = right; spaces_end < text.size() && is_space(utf8_at(text, spaces_end).code);)
            spaces_end += utf8_at(text, spaces_end).bytes;
        right = spaces_end;
      }
      if (left > from) stretch(text.substr(from, left - from), from == 0);
      if (left >= right) continue;  // an earlier match has all of its text
      token(*t);
      from = right;
    }
    if (from < text.size()) stretch(text.substr(from), from == 0);
  }

 private:
  static bool is_text(const added_token& t, const cut_options& o) { return t.special && !o.parse_special; }
  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    return !(begin > 0 && is_word_character(utf8_before(text, begin).code)) &&
           !(end < text.size() && is_word_character(utf8_at(text, end).code));
  }
  std::size_t text_size(const added_token& t) const { return text(t).size(); }

  /// The next token in the text from `at` on, and moves `at` behind it; null: there is none.
  const added_token* next_match(std::string_view text, pass p, const cut_options& o, std::size_t& at) const {
    const auto accept = [&](std::int32_t i) {
      return o.excluded.empty() || tokens_[static_cast<std::size_t>(i)].content != o.excluded;
    };
    for (; at < text.size(); ++at) {
      const prefix_matcher::match m = matchers_[p].longest_at(text, at, accept);
      if (m.number < 0) continue;
      at += m.bytes;
      return &tokens_[static_cast<std::size_t>(m.number)];
    }
    return nullptr;
  }

  /// transformers' PreTrainedTokenizer.tokenize, in Python: the text is first cut at all tokens. A token then changes
  /// its neighbours, and becomes part of one if single_word forbids it there.
  void cut_out_python(std::string_view text, pass p, const cut_options& o,
                      function_ref<void(std::string_view, bool)> stretch,
                      function_ref<void(const added_token&)> token) const {
    std::vector<std::string> pieces;
    std::size_t from = 0;
    for (std::size_t at = 0; !matchers_[p].empty();) {
      const added_token* t = next_match(text, p, o, at);
      if (!t) break;
      if (is_text(*t, o)) continue;
      const std::size_t left = at - text_size(*t);
      if (left > from) pieces.emplace_back(text.substr(from, left - from));
      pieces.emplace_back(text.substr(left, at - left));
      from = at;
    }
    if (from < text.size()) pieces.emplace_back(text.substr(from));

    const auto token_of = [&](std::string_view piece) {
      const added_token* t = find(piece);
      return t && !is_text(*t, o) && (o.excluded.empty() || t->content != o.excluded) ? t : nullptr;
    };
    std::string none;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const added_token* t = token_of(pieces[i]);
      if (!t) continue;
      std::string &left = i > 0 ? pieces[i - 1] : none, &right = i + 1 < pieces.size() ? pieces[i + 1] : none;
      const bool joins_left = t->single_word && !left.empty() && left.back() != ' ',
                 joins_right = t->single_word && !right.empty() && right.front() != ' ';
      if (t->rstrip) right = std::string(lstripped(right));
      if (t->lstrip) left = std::string(rstripped(left));
      if (joins_left)
        left += std::exchange(pieces[i], {});
      else if (joins_right)
        right.insert(0, std::exchange(pieces[i], {}));
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].empty()) continue;
      if (const added_token* t = token_of(pieces[i]))
        token(*t);
      else
        stretch(pieces[i], i == 0);
    }
  }

  std::vector<added_token> tokens_;
  std::vector<std::string> texts_;   // by index in tokens_
  std::vector<std::int32_t> of_id_;  // by id: index in tokens_, or −1
  prefix_matcher matchers_[2], by_content_;
};

LLAVA_END
