// SPDX-License-Identifier: Apache-2.0
/// What tokenizers need of Unicode: UTF-8, categories, and normalisation form C (Unicode Standard Annex 15).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/unicode_tables.hpp>

LLAVA_BEGIN

inline constexpr char32_t replacement_character = 0xFFFD;

/// One character of UTF-8 text, and the bytes it takes. What is not UTF-8 becomes U+FFFD, one for each longest beginning of
/// a character, as Rust and Python replace it.
struct utf8_character {
  char32_t code = replacement_character;
  std::size_t bytes = 1;
  bool valid = false;
  bool cut_short = false;  ///< the text ends inside a character that is right so far
};

constexpr utf8_character utf8_at(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true, false};
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (length == 0) return {};
  char32_t code = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= s.size()) return {replacement_character, i, false, true};
    const unsigned char low = i != 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = i != 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(i) < low || byte(i) > high) return {replacement_character, i, false, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  return {code, length, true, false};
}

inline void append_utf8(std::string& to, char32_t c) {
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  } else if (c < 0x10000) {
    to += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
  } else {
    to += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
           static_cast<char>(0x80 | (c & 0x3f))};
  }
}

/// UTF-8 with U+FFFD where it was not.
inline std::string valid_utf8(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t at = 0; at < s.size();) {
    const utf8_character c = utf8_at(s, at);
    if (c.valid) out += s.substr(at, c.bytes);
    else append_utf8(out, c.code);
    at += c.bytes;
  }
  return out;
}

namespace detail {
template <std::size_t N>
constexpr bool in_ranges(const unicode_range (&table)[N], char32_t c) {
  const auto* after = std::upper_bound(std::begin(table), std::end(table), c, [](char32_t v, const unicode_range& r) { return v < r.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}
inline int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto* after = std::upper_bound(std::begin(unicode_classes), std::end(unicode_classes), c, [](char32_t v, const unicode_class& r) { return v < r.first; });
  return after != std::begin(unicode_classes) && c <= std::prev(after)->last ? std::prev(after)->combining : 0;
}
}  // namespace detail

/// Categories L and N, and property White_Space.
constexpr bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  return detail::in_ranges(detail::unicode_letters, c);
}
constexpr bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return detail::in_ranges(detail::unicode_numbers, c);
}
constexpr bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

namespace detail {
inline void decompose(char32_t c, std::vector<char32_t>& out) {
  if (c >= 0xac00 && c < 0xac00 + 11172) {  // Hangul
    const char32_t i = c - 0xac00;
    out.insert(out.end(), {0x1100 + i / 588, 0x1161 + i % 588 / 28});
    if (i % 28) out.push_back(0x11a7 + i % 28);
    return;
  }
  // Pairs are nested in their first half only, a few levels deep: the second halves are taken off from the right.
  char32_t tail[8];
  int n = 0;
  for (;;) {
    const auto* p = std::lower_bound(std::begin(unicode_pairs), std::end(unicode_pairs), c, [](const unicode_pair& r, char32_t v) { return r.whole < v; });
    if (c < 0xc0 || p == std::end(unicode_pairs) || p->whole != c || n == 8) break;
    if (p->second) tail[n++] = p->second;
    c = p->first;
  }
  out.push_back(c);
  while (n > 0) out.push_back(tail[--n]);
}

/// The character that two make, or 0.
inline char32_t compose(char32_t a, char32_t b) {
  if (a >= 0x1100 && a < 0x1113 && b >= 0x1161 && b < 0x1176) return 0xac00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28;
  if (a >= 0xac00 && a < 0xac00 + 11172 && (a - 0xac00) % 28 == 0 && b > 0x11a7 && b < 0x11c3) return a + (b - 0x11a7);
  static const std::vector<std::uint16_t> order = [] {  // composing pairs by (first, second)
    std::vector<std::uint16_t> o;
    for (std::size_t i = 0; i < std::size(unicode_pairs); ++i)
      if (unicode_pairs[i].composes) o.push_back(static_cast<std::uint16_t>(i));
    std::sort(o.begin(), o.end(), [](auto x, auto y) {
      const auto &p = unicode_pairs[x], &q = unicode_pairs[y];
      return p.first != q.first ? p.first < q.first : p.second < q.second;
    });
    return o;
  }();
  const auto at = std::lower_bound(order.begin(), order.end(), 0, [&](std::uint16_t x, int) {
    const auto& p = unicode_pairs[x];
    return p.first != a ? p.first < a : p.second < b;
  });
  if (at == order.end() || unicode_pairs[*at].first != a || unicode_pairs[*at].second != b) return 0;
  return unicode_pairs[*at].whole;
}
}  // namespace detail

/// Normalisation form C of UTF-8 text.
inline std::string nfc(std::string_view s) {
  if (std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return std::string(s);
  std::vector<char32_t> text;
  for (std::size_t at = 0; at < s.size();) {
    const utf8_character c = utf8_at(s, at);
    detail::decompose(c.code, text);
    at += c.bytes;
  }
  for (std::size_t i = 0; i < text.size();) {  // canonical order: stable, inside each run of marks
    std::size_t end = i;
    while (end < text.size() && detail::combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(i), text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char32_t a, char32_t b) { return detail::combining_class(a) < detail::combining_class(b); });
    i = end == i ? i + 1 : end;
  }
  std::size_t starter = text.size(), kept = 0;
  int last_class = 0;
  for (const char32_t c : text) {
    const int k = detail::combining_class(c);
    if (starter < kept && (last_class == 0 ? kept == starter + 1 : last_class < k)) {
      if (const char32_t whole = detail::compose(text[starter], c)) {
        text[starter] = whole;
        continue;
      }
    }
    if (k == 0) starter = kept;
    last_class = k;
    text[kept++] = c;
  }
  std::string out;
  for (std::size_t i = 0; i < kept; ++i) append_utf8(out, text[i]);
  return out;
}

LLAVA_END
