// SPDX-License-Identifier: Apache-2.0
/// Normalisation form C (Unicode Standard Annex 15) of UTF-8 text, with the data of the tokenizers library.
/// Takes O(n log n) time, also for long runs of marks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/text/unicode.hpp>

LLAVA_BEGIN

namespace detail {

// Hangul syllables are computed: leading consonant, vowel, optional trailing consonant.
inline constexpr char32_t hangul_first = 0xac00, hangul_count = 11172, leading_first = 0x1100, vowel_first = 0x1161,
                          trailing_before = 0x11a7;
inline constexpr char32_t leading_count = 19, vowel_count = 21, trailing_count = 28;

struct canonical_pair {
  char32_t whole, first, second;
};
constexpr canonical_pair unpacked_pair(std::uint64_t p) {
  return {static_cast<char32_t>(p >> 42), static_cast<char32_t>(p >> 21 & 0x1fffff),
          static_cast<char32_t>(p & 0x1fffff)};
}

constexpr int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto* after = std::upper_bound(std::begin(unicode_classes), std::end(unicode_classes),
                                       static_cast<std::uint32_t>(c) << 8 | 0xff);
  return after == std::begin(unicode_classes) ? 0 : static_cast<int>(*std::prev(after) & 0xff);
}

inline void append_decomposed(char32_t c, std::vector<char32_t>& out) {
  if (c >= hangul_first && c < hangul_first + hangul_count) {
    const char32_t i = c - hangul_first;
    out.push_back(leading_first + i / (vowel_count * trailing_count));
    out.push_back(vowel_first + i % (vowel_count * trailing_count) / trailing_count);
    if (i % trailing_count != 0) out.push_back(trailing_before + i % trailing_count);
    return;
  }
  // A decomposition nests only in its first half, at most four deep. The second halves are collected from the right.
  char32_t tail[8] = {};
  int n = 0;
  while (c >= 0xc0 && n < 8) {
    const auto* p = std::lower_bound(std::begin(unicode_pairs), std::end(unicode_pairs), std::uint64_t{c} << 42);
    if (p == std::end(unicode_pairs) || unpacked_pair(*p).whole != c) break;
    if (unpacked_pair(*p).second) tail[n++] = unpacked_pair(*p).second;
    c = unpacked_pair(*p).first;
  }
  out.push_back(c);
  while (n > 0) out.push_back(tail[--n]);
}

/// The character that a and b compose to, or 0.
constexpr char32_t composed(char32_t a, char32_t b) {
  if (a >= leading_first && a < leading_first + leading_count && b >= vowel_first && b < vowel_first + vowel_count)
    return hangul_first + ((a - leading_first) * vowel_count + (b - vowel_first)) * trailing_count;
  if (a >= hangul_first && a < hangul_first + hangul_count && (a - hangul_first) % trailing_count == 0 &&
      b > trailing_before && b < trailing_before + trailing_count)
    return a + (b - trailing_before);
  const auto key = [](char32_t first, char32_t second) { return std::uint64_t{first} << 21 | second; };
  const auto* found =
      std::lower_bound(std::begin(unicode_compositions), std::end(unicode_compositions), key(a, b),
                       [&](std::uint16_t i, std::uint64_t k) { return (unicode_pairs[i] & 0x3ffffffffff) < k; });
  if (found == std::end(unicode_compositions) || (unicode_pairs[*found] & 0x3ffffffffff) != key(a, b)) return 0;
  return unpacked_pair(unicode_pairs[*found]).whole;
}

/// Composes decomposed, ordered text in place.
inline void compose_all(std::vector<char32_t>& text) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t starter = none, kept = 0;
  int last_class = 0;
  for (const char32_t c : text) {
    const int k = combining_class(c);
    // A mark nfc with its starter unless a mark of the same class or another starter is between them.
    if (starter != none && (kept == starter + 1 || (last_class != 0 && last_class < k)))
      if (const char32_t whole = composed(text[starter], c)) {
        text[starter] = whole;
        continue;
      }
    if (k == 0) starter = kept;
    last_class = k;
    text[kept++] = c;
  }
  text.resize(kept);
}

/// Puts decomposed text into canonical order, composes it, and returns it as UTF-8.
inline std::string ordered_and_composed(std::vector<char32_t> text) {
  const auto mark = [](char32_t c) { return combining_class(c) != 0; };
  // Puts each run of marks into canonical order: by class, stable within a class. A key holds class, position and mark.
  std::vector<std::uint64_t> run;
  for (auto at = std::find_if(text.begin(), text.end(), mark); at != text.end();
       at = std::find_if(at, text.end(), mark)) {
    run.clear();
    for (auto next = at; next != text.end() && mark(*next); ++next)
      run.push_back(static_cast<std::uint64_t>(combining_class(*next)) << 56 | std::uint64_t{run.size()} << 21 | *next);
    std::sort(run.begin(), run.end());
    for (const std::uint64_t key : run) *at++ = static_cast<char32_t>(key & 0x1fffff);
  }
  compose_all(text);
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

/// Calls character(code) for each character of `s`.
template <class F>
void each_character(std::string_view s, F&& character) {
  for (std::size_t at = 0; at < s.size();) {
    const utf8_character c = utf8_at(s, at);
    character(c.code);
    at += c.bytes;
  }
}

}  // namespace detail

/// Form C of `s`, which must be valid UTF-8.
inline std::string nfc(std::string_view s) {
  // All text below U+0300 is composed already.
  if (std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0xcc; }))
    return std::string(s);
  std::vector<char32_t> text;
  text.reserve(s.size());
  detail::each_character(s, [&](char32_t c) { detail::append_decomposed(c, text); });
  return detail::ordered_and_composed(std::move(text));
}

LLAVA_END
