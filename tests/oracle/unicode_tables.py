# SPDX-License-Identifier: Apache-2.0
"""Writes include/llava/text/unicode_tables.hpp and unicode_mappings.hpp: the Unicode data that tokenizers need.

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python3 tests/oracle/unicode_tables.py > include/llava/text/unicode_tables.hpp
    python3 tests/oracle/unicode_tables.py --mappings > include/llava/text/unicode_mappings.hpp
    python3 tests/oracle/unicode_tables.py --digests
        prints the digests that tests/text/unicode.cpp and nfc.cpp expect, computed by the library alone

The tables have several versions of Unicode, like the reference. The tokenizers library splits words with the categories
of Unicode 16, normalises with the data of Unicode 9 (newer marks, compositions and compatible characters are
unchanged), and takes digits and lower case from newer and punctuation from older data. This script finds them by
running the library on every character.
"""
import string
import sys

import unicodedata2 as u
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CHARACTERS = [c for c in range(0x110000) if not 0xd800 <= c < 0xe000]
# Characters of category So with the property Alphabetic: circled and squared Latin letters.
ALPHABETIC_SYMBOLS = [(0x24b6, 0x24e9), (0x1f130, 0x1f149), (0x1f150, 0x1f169), (0x1f170, 0x1f189)]
JOIN_CONTROLS = (0x200c, 0x200d)

nfc, nfd, nfkc, nfkd, lowercase = (n.normalize_str for n in (
    normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase()))


def edges(holds):
    """Returns the code points where membership changes: it begins at even indices and ends at odd ones."""
    found, inside = [], False
    for c in range(0x110000 + 1):
        now = c < 0x110000 and holds(c)
        if now != inside:
            found.append(c)
            inside = now
    return found


def is_word(c):
    category = u.category(chr(c))
    return (category[0] in "LM" or category in ("Nd", "Nl", "Pc") or c in JOIN_CONTROLS
            or any(a <= c <= b for a, b in ALPHABETIC_SYMBOLS))


def combining(c):
    """Returns the class, or 0 if the library does not know the mark: it sorts known marks by class."""
    k = u.combining(chr(c))
    if not k:
        return 0
    for other in "\u0334\u0345":  # classes 1 and 240
        text = "a" + chr(c) + other
        if nfc(text) != u.normalize("NFC", text):
            return 0
    return k


def class_edges():
    found, last = [], 0
    for c in range(0x110000):
        k = combining(c) if u.combining(chr(c)) else 0
        if k != last:
            found.append(c << 8 | k)
            last = k
    return found


def canonical_pairs():
    found = []
    for c in CHARACTERS:
        d = u.decomposition(chr(c))
        if not d or d.startswith("<"):
            continue
        first, *rest = (int(x, 16) for x in d.split())
        second = rest[0] if rest else 0
        whole = u.normalize("NFD", chr(c))
        if nfc(whole) != u.normalize("NFC", chr(c)):
            continue  # newer than the library's data
        composes = bool(rest) and u.normalize("NFC", chr(c)) == chr(c)
        found.append((c, first, second, composes))
    return found


def apart(pre_tokenizer):
    """Returns the characters that a pre-tokenizer takes out of a word."""
    return {c for c in CHARACTERS if len(pre_tokenizer.pre_tokenize_str(f"a{chr(c)}a")) == 3}


def numbers():
    return apart(pre_tokenizers.Digits(individual_digits=True))


def punctuation():
    return apart(pre_tokenizers.Punctuation("isolated"))


def runs(pairs, steps):
    """Packs sorted pairs of characters: first · 2⁴² + its image · 2²¹ + 2 · number of characters + (distance − 1)."""
    found = []
    for c, to in pairs:
        if found:
            first, image, count, step = found[-1]
            distance = (c - first) if count == 1 else step
            if distance in steps and c == first + count * distance and to == image + count * distance:
                found[-1] = (first, image, count + 1, distance)
                continue
        found.append((c, to, 1, 1))
    assert all(count < 1 << 20 for _, _, count, _ in found)
    return [first << 42 | image << 21 | count << 1 | step - 1 for first, image, count, step in found]


def longer(mapped):
    """Packs the characters with several images: code point · 2⁴² + where they begin · 2²¹ + their number."""
    index, flat = [], []
    for c, to in sorted(mapped.items()):
        if len(to) > 1:
            index.append(c << 42 | len(flat) << 21 | len(to))
            flat += map(ord, to)
    assert all(c < 0x10000 for c in flat)
    return index, flat


def rows(items, width):
    items = [f"{x:#x}," for x in items]
    lines, line = [], "   "
    for item in items:
        if len(line) + 1 + len(item) > width:
            lines.append(line)
            line = "   "
        line += " " + item
    return "\n".join([*lines, line]) + "\n"


def table(kind, name, what, values):
    return f"/// {what}\ninline constexpr std::{kind} {name}[] = {{\n{rows(values, 118)}}};\n"


def fnv(data, h=0xcbf29ce484222325):
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def members(pattern):
    """Returns the characters that match a pattern of one character in the library's regular expressions."""
    found = set()
    for i in range(0, len(CHARACTERS), 4096):
        text = "".join(map(chr, CHARACTERS[i:i + 4096]))
        left = set("".join(t for t, _ in pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(text)))
        found.update(ord(c) for c in text if c not in left)
    return found


def word_members():
    """Returns the characters next to which a single-word token is not found."""
    t = Tokenizer(models.BPE({"<unk>": 0}, [], unk_token="<unk>"))
    t.add_tokens([AddedToken("[word]", single_word=True, normalized=False)])
    token = t.token_to_id("[word]")
    return {c for c in CHARACTERS if token not in t.encode(chr(c) + "[word]").ids}


# The ranges of characters in random texts, the same as in tests/text/nfc.cpp.
NFC_RANGES = [(0x41, 0x5a), (0xc0, 0x17f), (0x300, 0x34e), (0x300, 0x34e), (0x591, 0x5c7), (0x915, 0x94d),
              (0xf40, 0xf84), (0x1100, 0x11f9), (0xac00, 0xad00), (0x1e00, 0x1fff), (0x3040, 0x30ff),
              (0xf900, 0xfa20), (0x1d150, 0x1d1af), (0x2f800, 0x2f830)]


def random_texts():
    x = 1

    def below(n):
        nonlocal x
        x = (x * 6364136223846793005 + 1442695040888963407) & 0xffffffffffffffff
        return (x >> 33) % n

    for _ in range(50000):
        text = ""
        for _ in range(1 + below(8)):
            first, last = NFC_RANGES[below(len(NFC_RANGES))]
            text += chr(first + below(last - first + 1))
        yield text


def digests():
    kinds = [members(p) for p in (r"\p{L}", r"\p{N}", r"\s")] + [word_members()]
    print("categories", hex(fnv(bytes(sum((c in k) << i for i, k in enumerate(kinds)) for c in CHARACTERS))))
    h = 0xcbf29ce484222325
    for c in CHARACTERS:
        h = fnv(nfc(chr(c)).encode() + b"\xff" + nfc("a" + chr(c) + "\u0334\u0345").encode() + b"\xff", h)
    print("nfc of characters", hex(h))
    h = 0xcbf29ce484222325
    for text in random_texts():
        h = fnv(nfc(text).encode() + b"\xff", h)
    print("nfc of random texts", hex(h))
    marks, digits, punct = members(r"\p{M}"), numbers(), punctuation()
    print("marks, digits, punctuation",
          hex(fnv(bytes((c in marks) + 2 * (c in digits) + 4 * (c in punct) for c in CHARACTERS))))
    h = 0xcbf29ce484222325
    for c in CHARACTERS:
        for text in (nfkc(chr(c)), nfkc("a" + chr(c) + "\u0334\u0345"), lowercase(chr(c))):
            h = fnv(text.encode() + b"\xff", h)
    print("nfkc and lower case of characters", hex(h))
    h = 0xcbf29ce484222325
    for text in random_texts():
        h = fnv(nfkc(text).encode() + b"\xff", h)
    print("nfkc of random texts", hex(h))


def mappings():
    compatible = {c: nfkd(chr(c)) for c in CHARACTERS if nfkd(chr(c)) != nfd(chr(c))}
    lower = {c: lowercase(chr(c)) for c in CHARACTERS if lowercase(chr(c)) != chr(c)}
    singles = lambda mapped: [(c, ord(to)) for c, to in sorted(mapped.items()) if len(to) == 1]  # noqa: E731
    assert [c for c, to in lower.items() if len(to) > 1] == [0x130] and lower[0x130] == "i\u0307"
    index, flat = longer(compatible)
    sys.stdout.write(f"""// SPDX-License-Identifier: Apache-2.0
/// Generated by tests/oracle/unicode_tables.py --mappings; do not edit. The mappings are those of the tokenizers
/// library.
///
/// A run of characters whose images are in the same order is one number: first · 2⁴² + its image · 2²¹ + 2 · number of
/// characters + (distance between them − 1).
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {{

{table("uint64_t", "unicode_compatible", "Runs of compatible characters with one image (NFKD).",
       runs(singles(compatible), (1,)))}\
{table("uint64_t", "unicode_compatible_longer",
       "Those with several: code point · 2⁴² + where they begin in unicode_compatible_images · 2²¹ + their number.",
       index)}\
{table("uint16_t", "unicode_compatible_images", "Images of unicode_compatible_longer.", flat)}\
{table("uint64_t", "unicode_lower", "Runs of letters with a lower case; U+0130 has two characters and is not here.",
       runs(singles(lower), (1, 2)))}\

}}  // namespace detail

LLAVA_END
""")


def main():
    pairs = canonical_pairs()
    order = sorted((i for i, p in enumerate(pairs) if p[3]), key=lambda i: pairs[i][1:3])
    assert u.unidata_version == "16.0.0" and len(pairs) < 0x10000
    packed = [w << 42 | a << 21 | b for w, a, b, _ in pairs]
    digits, marks_of_text = numbers(), punctuation()
    assert digits.issuperset(c for c in CHARACTERS if u.category(chr(c))[0] == "N")
    assert marks_of_text.issuperset(map(ord, string.punctuation))
    sys.stdout.write(f"""// SPDX-License-Identifier: Apache-2.0
/// Generated by tests/oracle/unicode_tables.py; do not edit. Categories are of Unicode {u.unidata_version}. \
Canonical data is of
/// Unicode 9, as in the tokenizers library. Hangul syllables are computed and not listed.
///
/// "Edges" are code points where membership changes: c is a member if the number of edges at or below it is odd.
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {{

{table("uint32_t", "unicode_letters", "Edges of general category L.", edges(lambda c: u.category(chr(c))[0] == "L"))}\
{table("uint32_t", "unicode_numbers", "Edges of general category N.", edges(lambda c: u.category(chr(c))[0] == "N"))}\
{table("uint32_t", "unicode_words", "Edges of the word characters of regular expressions.", edges(is_word))}\
{table("uint32_t", "unicode_marks", "Edges of general category M.", edges(lambda c: u.category(chr(c))[0] == "M"))}\
{table("uint32_t", "unicode_new_numbers", "Edges of the digits that category N of Unicode 16 lacks.",
       edges(lambda c: c in digits and u.category(chr(c))[0] != "N"))}\
{table("uint32_t", "unicode_punctuation",
       "Edges of punctuation: of ASCII, and of general category P in an older version.",
       edges(lambda c: c in marks_of_text))}\
{table("uint32_t", "unicode_classes",
       "Changes of the canonical combining class: code point · 256 + class.", class_edges())}\
{table("uint64_t", "unicode_pairs",
       "Canonical decompositions, sorted by whole: whole · 2⁴² + first · 2²¹ + second (0: none).", packed)}\
{table("uint16_t", "unicode_compositions",
       "Indices in unicode_pairs of the pairs that NFC composes, sorted by (first, second).", order)}\

}}  // namespace detail

LLAVA_END
""")


digests() if "--digests" in sys.argv else mappings() if "--mappings" in sys.argv else main()
