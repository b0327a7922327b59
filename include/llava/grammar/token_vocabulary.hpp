// SPDX-License-Identifier: Apache-2.0
/// token_vocabulary: the bytes of a tokenizer's tokens, arranged for masks. Which tokens stay inside a JSON string does
/// not depend on the grammar, so this is computed once for each state inside a string; of a token that closes the
/// string only the bytes behind it are left to check.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/grammar/byte_trie.hpp>
#include <llava/grammar/string_states.hpp>
#include <llava/text/decoding.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

namespace detail {

/// A set of tokens, one bit each.
class token_set {
 public:
  token_set() = default;
  explicit token_set(std::size_t tokens) : words_((tokens + 63) / 64, 0) {}
  void insert(std::int32_t t) { words_[static_cast<std::size_t>(t) / 64] |= bit(t); }
  void erase(std::int32_t t) { words_[static_cast<std::size_t>(t) / 64] &= ~bit(t); }
  bool contains(std::int32_t t) const {
    return t >= 0 && static_cast<std::size_t>(t) / 64 < words_.size() &&
           words_[static_cast<std::size_t>(t) / 64] & bit(t);
  }
  void insert(const token_set& other) {
    for (std::size_t i = 0; i < (std::min)(words_.size(), other.words_.size()); ++i) words_[i] |= other.words_[i];
  }
  const std::vector<std::uint64_t>& words() const { return words_; }

 private:
  static std::uint64_t bit(std::int32_t t) { return std::uint64_t{1} << (static_cast<std::uint32_t>(t) % 64); }
  std::vector<std::uint64_t> words_;
};

/// The tokens that may follow in one state inside a string.
struct string_tokens {
  /// Sets for the least numbers of code points, because strings with maxLength often end soon.
  static constexpr std::size_t kept = 16;

  token_set inside;                 ///< they leave the string open
  std::vector<trie_value> by_size;  ///< the same, sorted by the code points that they begin
  std::vector<token_set> fewest;    ///< fewest[c]: those that begin at most c
  byte_trie after;                  ///< tokens that close the string, by their bytes behind the closing mark

  std::uint32_t most_characters() const { return by_size.empty() ? 0 : by_size.back().characters; }
  /// Adds the tokens inside that begin at most `most` code points.
  void add(token_set& to, std::uint32_t most) const {
    if (most >= most_characters()) return to.insert(inside);
    const std::uint32_t from = (std::min)(most, static_cast<std::uint32_t>(kept - 1));
    if (from < fewest.size()) to.insert(fewest[from]);
    auto at = std::upper_bound(by_size.begin(), by_size.end(), from,
                               [](std::uint32_t c, const trie_value& v) { return c < v.characters; });
    for (; at != by_size.end() && at->characters <= most; ++at) to.insert(at->token);
  }
};

}  // namespace detail

/// The tokens of a tokenizer as bytes. Immutable; copies share it.
class token_vocabulary {
 public:
  /// A token may have at most this many bytes; longer ones are never chosen.
  static constexpr std::size_t longest_token = 1024;

  /// Errors: a decoder that puts spaces between tokens; a byte of UTF-8 text that is no token by itself (such a
  /// vocabulary cannot write every text).
  static result<token_vocabulary> try_make(const tokenizer& words) {
    return guarded([&]() -> result<token_vocabulary> {
      if (words.decoding().how == decoding::spaced)
        return fail(errc::unsupported,
                    "llava: the tokenizer has no decoder, so its text has a space between any two tokens; a grammar "
                    "needs a tokenizer that can write any text");
      std::vector<std::string> bytes(words.size());
      for (std::size_t id = 0; id < bytes.size(); ++id) bytes[id] = words.token_bytes(static_cast<std::int32_t>(id));
      return try_make(std::move(bytes));
    });
  }
  /// The bytes that each id adds to a text. Empty: it is never chosen.
  static result<token_vocabulary> try_make(std::vector<std::string> bytes) {
    return guarded([&]() -> result<token_vocabulary> {
      auto all = std::make_shared<parts>();
      all->bytes = std::move(bytes);
      std::vector<byte_trie::text> texts;
      std::array<bool, 256> alone{};
      for (std::size_t id = 0; id < all->bytes.size(); ++id) {
        std::string& own = all->bytes[id];
        if (own.size() > longest_token) own.clear();
        if (!own.empty()) texts.push_back({own, {static_cast<std::int32_t>(id)}});
        if (own.size() == 1) alone[static_cast<unsigned char>(own[0])] = true;
      }
      for (int b = 0x20; b <= 0xf4; ++b)
        if (b != 0x7f && b != 0xc0 && b != 0xc1 && !alone[static_cast<std::size_t>(b)]) return lacks(b);
      all->tokens = byte_trie(std::move(texts));
      for (std::size_t kind = 0; kind < 2; ++kind)
        for (int s = 0; s < detail::string_states; ++s)
          all->strings[kind][static_cast<std::size_t>(s)] = strings_of(*all, s, kind == 0);
      return token_vocabulary(std::move(all));
    });
  }
#if LLAVA_EXCEPTIONS
  explicit token_vocabulary(const tokenizer& words) : token_vocabulary(value_or_throw(try_make(words))) {}
#endif

  /// Number of ids.
  std::size_t size() const { return all_->bytes.size(); }
  /// Empty for a token that no text has.
  std::string_view bytes(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < size()
               ? std::string_view(all_->bytes[static_cast<std::size_t>(id)])
               : std::string_view();
  }
  const detail::byte_trie& tokens() const { return all_->tokens; }
  const detail::string_tokens& inside(std::int8_t string_state, bool escapes) const {
    return all_->strings[escapes ? 0 : 1][static_cast<std::size_t>(string_state)];
  }

 private:
  using byte_trie = detail::byte_trie;
  struct parts {
    std::vector<std::string> bytes;  // of each id
    byte_trie tokens;
    detail::string_tokens strings[2][detail::string_states];  // with escapes, without
  };
  explicit token_vocabulary(std::shared_ptr<const parts> all) : all_(std::move(all)) {}

  static error lacks(int byte) {
    constexpr std::string_view hex = "0123456789abcdef";
    return fail(errc::unsupported,
                text_of("llava: no token of the tokenizer is the byte 0x", hex[static_cast<std::size_t>(byte) / 16],
                        hex[static_cast<std::size_t>(byte) % 16],
                        "; a grammar needs a tokenizer that can write any text, with byte-level BPE or byte pieces"));
  }

  static detail::string_tokens strings_of(const parts& all, int start, bool escapes) {
    detail::string_tokens out;
    out.inside = detail::token_set(all.bytes.size());
    std::vector<byte_trie::text> closing;
    std::vector<std::uint32_t> characters(all.tokens.deepest() + 1, 0);
    std::vector<std::int32_t> path;
    const auto& nodes = all.tokens.nodes();
    std::uint32_t closed_until = 0;  // a subtree behind a closing mark
    constexpr std::int32_t closed = detail::string_states;
    all.tokens.walk(
        0, start, path,
        [&](std::int32_t state, unsigned char byte) -> std::int32_t {
          if (state == closed) return -1;
          const detail::string_state next = detail::next_in_string(state, byte);
          if (next == detail::string_closed) return closed;
          return next == detail::after_backslash && !escapes ? -1 : next;
        },
        [&](std::uint32_t i, std::int32_t state) {
          const byte_trie::node& n = nodes[i];
          if (i < closed_until) return;
          const std::uint32_t before = characters[n.depth - 1];
          if (state == closed) {
            closed_until = n.end;
            all.tokens.each_value_below(i, [&](const detail::trie_value& v) {
              closing.push_back(
                  {std::string_view(all.bytes[static_cast<std::size_t>(v.token)]).substr(n.depth), {v.token, before}});
            });
            return;
          }
          characters[n.depth] = before + (path[n.depth - 1] == detail::in_text);
          for (std::uint32_t v = n.first; v < n.first + n.count; ++v) {
            const std::int32_t token = all.tokens.values()[v].token;
            out.inside.insert(token);
            out.by_size.push_back({token, characters[n.depth]});
          }
        });
    std::stable_sort(out.by_size.begin(), out.by_size.end(),
                     [](const auto& a, const auto& b) { return a.characters < b.characters; });
    std::size_t at = 0;
    for (std::uint32_t c = 0; c < detail::string_tokens::kept && c < out.most_characters(); ++c) {
      out.fewest.push_back(c == 0 ? detail::token_set(all.bytes.size()) : out.fewest.back());
      for (; at < out.by_size.size() && out.by_size[at].characters <= c; ++at)
        out.fewest.back().insert(out.by_size[at].token);
    }
    out.after = byte_trie(std::move(closing));
    return out;
  }

  std::shared_ptr<const parts> all_;
};

LLAVA_END
