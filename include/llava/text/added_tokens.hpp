// SPDX-License-Identifier: Apache-2.0
/// added_tokens: tokens cut out of a text before the rest is encoded: `</s>`, `<image>`, `<|im_start|>`. The leftmost
/// match comes first; at one position the longest. A token has at most 1024 bytes.
#pragma once
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

/// The rules of lstrip, rstrip and single_word: the tokenizers library's (unicode) or transformers' (python).
enum class whitespace_rule : std::uint8_t { unicode, python };

/// Selects the added tokens that are cut out of a text.
struct cut_options {
  bool parse_special = true;
  std::string_view excluded{};
  whitespace_rule spaces = whitespace_rule::unicode;
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
    const auto accept = [&](std::int32_t i) {
      const added_token& t = tokens_[static_cast<std::size_t>(i)];
      return (o.parse_special || !t.special) && (o.excluded.empty() || t.content != o.excluded);
    };
    const auto is_space_here = [&](char32_t c) {
      return o.spaces == whitespace_rule::python ? is_python_space(c) : is_space(c);
    };
    std::size_t from = 0;
    for (std::size_t at = 0; at < text.size() && !matchers_[p].empty();) {
      const prefix_matcher::match m = matchers_[p].longest_at(text, at, accept);
      if (m.number < 0) {
        ++at;
        continue;
      }
      const added_token& t = tokens_[static_cast<std::size_t>(m.number)];
      std::size_t left = at, right = at + m.bytes;
      at = right;
      if (t.single_word && !stands_alone(text, left, right, o.spaces)) continue;
      while (t.lstrip && left > from && is_space_here(utf8_before(text, left).code))
        left -= utf8_before(text, left).bytes;
      while (t.rstrip && right < text.size() && is_space_here(utf8_at(text, right).code))
        right += utf8_at(text, right).bytes;
      if (left > from) stretch(text.substr(from, left - from), from == 0);
      token(t);
      from = at = right;
    }
    if (from < text.size()) stretch(text.substr(from), from == 0);
  }

 private:
  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end, whitespace_rule rule) {
    const auto joins = [&](char32_t c) { return rule == whitespace_rule::python ? c != ' ' : is_word_character(c); };
    return !(begin > 0 && joins(utf8_before(text, begin).code)) &&
           !(end < text.size() && joins(utf8_at(text, end).code));
  }

  std::vector<added_token> tokens_;
  std::vector<std::string> texts_;   // by index in tokens_
  std::vector<std::int32_t> of_id_;  // by id: index in tokens_, or −1
  prefix_matcher matchers_[2], by_content_;
};

LLAVA_END
