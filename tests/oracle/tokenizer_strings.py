# SPDX-License-Identifier: Apache-2.0
"""Difficult texts for tokenizers, as bytes, generated from a seed. Imported by tokenizer_vectors.py."""
import random
import unicodedata

# One sentence per line. A backslash at the end of a line continues the sentence.
SENTENCES = """\
The quick brown fox jumps over the lazy dog, doesn't it? We'll see what they've got; I'd say it's 3.14159.
Dès Noël où un zéphyr haï me vêt de glaçons würmiens, je dîne d'exquis rôtis de bœuf à l'aÿ d'âge mûr.
Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. Straße, Fußgängerübergänge!
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; ¿añoraba a su querido cachorro?
Съешь же ещё этих мягких французских булок, да выпей чаю. Жебракують філософи при ґанку церкви в Гадячі.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Τάχιστη αλώπηξ βαφής ψημένη γη, δρασκελίζει υπέρ νωθρού κυνός.
いろはにほへと ちりぬるを わかよたれそ つねならむ。東京特許許可局、今日は2024年１２月３日です。カタカナ、ﾊﾝｶｸ。
视野无限广，窗外有蓝天。微风迎客，软语伴茶。中华人民共和国成立于1949年10月1日。𠀀𠮷𪚥
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 다람쥐 헌 쳇바퀴에 타고파.
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق. ١٢٣٤٥
דג סקרן שט בים מאוכזב ולפתע מצא חברה. עטלף אבק נס דרך מזגן שהתפוצץ כי חם
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम। १२३
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน จงฝ่าฟันพัฒนาวิชาการ ๑๒๓
যেই মাঠে খেলা হয়, সেই মাঠে আমি যাই। தமிழ் மொழி செம்மொழி. తెలుగు ಕನ್ನಡ മലയാളം සිංහල
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy. Árvíztűrő tükörfúrógép. \
Tiếng Việt: Trăm năm trong cõi người ta.
Pijamalı hasta yağız şoföre çabucak güvendi. İIıi. Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa.
აბგდ ევზთ Հայերեն ከኢትዮጵያ ᚠᛇᚻ ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ བོད་སྐད་ မြန်မာဘာသာ ភាសាខ្មែរ ລາວ ⵜⴰⵎⴰⵣⵉⵖⵜ ꦗꦮ
def f(x: int) -> str:\\n\\treturn f"{x!r:>10}" if x != 0 else None  # comment\
\\n\\n\\nclass A(B, metaclass=C):\\n    pass
#include <vector>\\r\\ntemplate <class T> auto operator<=>(const T& a, T&& b) noexcept \
{ return a->x[0] ? *b : ~0ULL; } /* ok */
SELECT a.*, COUNT(*) FROM "table" t WHERE t.id >= 1_000_000 AND name LIKE '%O''Brien%' ORDER BY 1 DESC;
{"key": [1, 2.5e-10, true, null, "\\\\u00e9\\\\n"], "nested": {"a": {"b": []}}} \
<html><body class="x">&nbsp;</body></html>
http://user:pass@example.com:8080/a/b?c=d&e=%20f#g mailto:a.b+c@d-e.org \
C:\\\\Windows\\\\System32 /usr/bin/env $HOME `ls -la`
1 22 333 4444 55555 666666 7777777 1,234,567.89 -1e+10 0xDEADBEEF ½ ² ₃ Ⅷ ⑨ ٣ ४ 五 𝟘𝟙 1st 2nd 3rd
I'm you're he'S WE'LL they'VE i'D won'T 's 't 're 've 'm 'll 'd 'S 'T 'RE 'ſ 'K x's' ''s '\u2019s rock'n'roll
😀😃🤣 👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☎︎ 1️⃣ 🧑🏿‍🚀 ⚕ 🫠 ©®™ ←→⇒ ∀∃∑∫√ ♠♥ █▓▒ ﷽ 🀄
e\u0301 a\u0308\u0304 o\u0302\u0323 \u1112\u1161\u11ab q\u0307\u0323 \u0344 \u212b \u2126 \ufb01 \u0958 \u2adc \u0f43 \
\u1e9b\u0323 Z\u0351\u036b\u0343A\u0345\u0300
\u00a0\u2003\u3000\u200b\u200d\u202f\u2028\u2029\u0085\u1680\ufeff|\u00ad\u2060\u180e \
x\u0000y\u0001\u001f\u007f\u0080\u009f\u000b\u000c\u001c\u001d\u001e
<0x0A> <0x41> ▁ ▁▁ a▁b ▁<s> Ġ Ċ âĢĻ <unk> <pad> [INST] <<SYS>> ⁇ \ufffd \ufffe\uffff
USER: <image>\\nWhat are the things I should be cautious about when I visit here? ASSISTANT:
A chat between a curious human and an artificial intelligence assistant. ASSISTANT: A1</s>USER: Q2 ASSISTANT:"""
SENTENCES = [s.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").encode().decode()
             for s in SENTENCES.split("\n")]
SPACES = [" ", "  ", "   ", "    ", "        ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", " \t ",
          "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\x1c", "\x0b"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + [
    "...", "--", "->", "://", "''", "—", "…", "。", "！", "«", "”"]
MARKS = [chr(c) for c in (0x300, 0x301, 0x302, 0x307, 0x308, 0x323, 0x327, 0x328, 0x334, 0x345, 0x338, 0x5b0, 0x5bc,
                          0x64b, 0x651, 0x93c, 0x94d, 0x3099, 0x309a, 0xe38, 0xf71, 0xf72, 0x1dce, 0x20d0, 0x302a,
                          0x1d165, 0x1d16d)]
BROKEN = [b"\xff", b"\xc0\x80", b"\xe4\xb8", b"\xf0\x9f\x98", b"\x80", b"\xbf\xbf", b"\xed\xa0\x80",
          b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"\xc3", b"\xf8\x88\x80\x80\x80", b"\xe2\x28\xa1",
          b"\xf0\x28\x8c\xbc", b"\xfe\xfe\xff", b"\xc3\x28", b"\xf0\x90\x28"]
BLOCKS = [(0x20, 0x7e), (0x80, 0xff), (0x100, 0x24f), (0x250, 0x36f), (0x370, 0x3ff), (0x400, 0x52f), (0x530, 0x5ff),
          (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1000, 0x11ff), (0x1e00, 0x1fff), (0x2000, 0x206f),
          (0x2070, 0x218f), (0x2190, 0x27bf), (0x2c00, 0x2dff), (0x3000, 0x30ff), (0x3130, 0x318f), (0x3400, 0x9fff),
          (0xa000, 0xabff), (0xac00, 0xd7a3), (0xe000, 0xe0ff), (0xf900, 0xfaff), (0xfb00, 0xfdff), (0xfe00, 0xffff),
          (0x10000, 0x103ff), (0x1d000, 0x1d7ff), (0x1f000, 0x1faff), (0x20000, 0x2a6df), (0x2f800, 0x2fa1f),
          (0xe0000, 0xe01ef), (0x10fff0, 0x10ffff)]


def character(r):
    first, last = r.choice(BLOCKS)
    return chr(r.randint(first, last))


def words(r, n):
    """Returns a part of a sentence, sometimes in upper case or in another normalisation form."""
    s = r.choice(SENTENCES)
    first = r.randrange(len(s))
    s = s[first:first + n]
    change = r.random()
    if change < 0.05:
        s = s.upper()
    elif change < 0.1:
        s = unicodedata.normalize(r.choice(["NFD", "NFC"]), s)
    return s


def piece(r, specials):
    kind = r.random()
    if kind < 0.45:
        return words(r, r.randint(1, 40))
    if kind < 0.60:
        return r.choice(SPACES) * r.choice([1, 1, 1, 2, 3, 5])
    if kind < 0.68:
        return "".join(character(r) for _ in range(r.randint(1, 8)))
    if kind < 0.74:
        return r.choice(PUNCTUATION) * r.choice([1, 1, 2, 3])
    if kind < 0.80:
        return str(r.randrange(10 ** r.randint(1, 12)))
    if kind < 0.86:
        return character(r) + "".join(r.choice(MARKS) for _ in range(r.randint(1, 4)))
    if kind < 0.96 and specials:
        return r.choice(["", "", " ", "\n"]) + r.choice(specials) + r.choice(["", "", " ", "\n", "x"])
    return r.choice(["a", "=", "-", " ", "\n", "\t", "é", "漢", "😀", "▁"]) * r.randint(2, 40)


def texts(count, seed, specials):
    """Returns `count` different texts. About one in twenty contains bytes that are not UTF-8."""
    r = random.Random(seed)
    found = dict.fromkeys([b"", b" ", b"  ", b"\n", b"a", b" a",
                           *(s.encode() for s in SENTENCES), *(s.encode() for s in specials)])
    while len(found) < count:
        text = "".join(piece(r, specials) for _ in range(r.choice([1, 1, 2, 2, 3, 4, 6, 8])))
        data = text.encode("utf-8", "surrogatepass") if all(not 0xd800 <= ord(c) < 0xe000 for c in text) else b"x"
        if r.random() < 0.05:
            at = r.randint(0, len(data))
            data = data[:at] + b"".join(r.choice(BROKEN) for _ in range(r.randint(1, 3))) + data[at:]
        elif r.random() < 0.03:
            data = data[r.randint(0, 3):len(data) - r.randint(0, 3)]
        if len(data) < 600:
            found.setdefault(data)
    return list(found)[:count]
