// SPDX-License-Identifier: Apache-2.0
/// Normalisation form KC (Unicode Standard Annex 15) and lower case of UTF-8 text, with the data of the tokenizers
/// library. Lower case does not depend on the neighbours: a final sigma becomes σ, as in that library.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/text/nfc.hpp>
#include <llava/text/unicode_mappings.hpp>

LLAVA_BEGIN

namespace detail {

/// The last entry of a table that begins at or below c, or null. An entry begins with a character · 2⁴².
template <std::size_t N>
constexpr const std::uint64_t* find_mapping(const std::uint64_t (&table)[N], char32_t c) {
  const auto* after = std::upper_bound(std::begin(table), std::end(table), (std::uint64_t{c} + 1) << 42,
                                       [](std::uint64_t key, std::uint64_t entry) { return key <= entry; });
  return after == std::begin(table) ? nullptr : std::prev(after);
}

/// The image of c in a table of runs, or c.
template <std::size_t N>
constexpr char32_t mapped_by_runs(const std::uint64_t (&runs)[N], char32_t c) {
  const std::uint64_t* run = find_mapping(runs, c);
  if (!run) return c;
  const char32_t past = c - static_cast<char32_t>(*run >> 42), step = static_cast<char32_t>(*run & 1) + 1,
                 count = static_cast<char32_t>(*run >> 1 & 0xfffff);
  return past < count * step && past % step == 0 ? static_cast<char32_t>(*run >> 21 & 0x1fffff) + past : c;
}

inline void append_compatible(char32_t c, std::vector<char32_t>& out) {
  if (c < 0xa0) return out.push_back(c);
  if (const char32_t one = mapped_by_runs(unicode_compatible, c); one != c) return out.push_back(one);
  const std::uint64_t* longer = find_mapping(unicode_compatible_longer, c);
  if (!longer || *longer >> 42 != c) return append_decomposed(c, out);
  const std::uint16_t* images = unicode_compatible_images + (*longer >> 21 & 0x1fffff);
  out.insert(out.end(), images, images + (*longer & 0x1fffff));
}

}  // namespace detail

/// Form KC of `s`, which must be valid UTF-8.
inline std::string nfkc(std::string_view s) {
  if (std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return std::string(s);
  std::vector<char32_t> text;
  text.reserve(s.size());
  detail::each_character(s, [&](char32_t c) { detail::append_compatible(c, text); });
  return detail::ordered_and_composed(std::move(text));
}

/// `s`, which must be valid UTF-8, in lower case.
inline std::string lowercased(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  detail::each_character(s, [&](char32_t c) {
    append_utf8(out, c == 0x130 ? U'i' : detail::mapped_by_runs(detail::unicode_lower, c));
    if (c == 0x130) append_utf8(out, 0x307);  // İ is the one letter with two characters
  });
  return out;
}

LLAVA_END
