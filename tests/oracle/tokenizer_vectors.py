# SPDX-License-Identifier: Apache-2.0
"""Vectors for tests/text/tokenizer_vectors.cpp: the ids that the reference's tokenizers give for difficult texts.

    pip install sentencepiece protobuf tokenizers
    pip install --target OLD transformers==4.37.2 sentencepiece protobuf 'numpy<2'
    python3 tests/oracle/tokenizer_vectors.py --transformers4 OLD

trains the small tokenizers of tests/data/text and writes their vectors. With real ones, which are too large to keep:

    pip download --no-deps mistral-common                                 (unpacked to BIG)
    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python  (ggml-vocab-*.gguf, unpacked to BIG)
    pip install gguf
    python3 tests/oracle/tokenizer_vectors.py --transformers4 OLD --big BIG --out VECTORS --texts 20000
    LLAVA_TOKENIZER_VECTORS=VECTORS llava_tests "[#tokenizer_vectors]"

A set of vectors is texts.bin (u32 count; u16 length and bytes of each) and, for each tokenizer, a folder with its files
and vectors.bin, all little-endian:
    u32 how (0 sentencepiece, 1 transformers 4 in Python, 2 tokenizers)
    u32 n, n × u64          digest of the ids of each text, and of those ids decoded with and without special tokens
    u32 n, n × u64          how 2: digest of the ids when special tokens are text
    u32 n, n × (u16, i32…)  the ids of the first texts, for diagnosis
    u32 n, n × (u16, i32…, u64)  random ids, digest of them decoded with and without special tokens
The digest is 64-bit FNV-1a over ids as i32 and texts as their bytes followed by 0xff.
"""
import argparse
import os
import pathlib
import random
import struct
import subprocess
import sys

from tokenizer_folders import big, small
from tokenizer_strings import texts

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "text"
SPECIALS = ["<s>", "</s>", "<unk>", "<image>", "<pad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
            "<|im_start|>user\n", "[word]", "<left>", "<both>", "usr def", "été", "</s></s>", "<image><image>"]


def digest(*parts):
    h = 0xcbf29ce484222325
    for part in parts:
        data = struct.pack(f"<{len(part)}i", *part) if isinstance(part, list) else part.encode() + b"\xff"
        for byte in data:
            h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def by_byte(data):
    """Decodes like SentencePiece: each byte that is not UTF-8 becomes U+FFFD."""
    text = ""
    while data:
        try:
            return text + data.decode()
        except UnicodeDecodeError as e:
            text += data[:e.start].decode() + "\ufffd"
            data = data[e.start + 1:]
    return text


class sentencepiece_oracle:
    how = 0

    def __init__(self, folder):
        import sentencepiece
        self.p = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        self.size = self.p.get_piece_size()

    def encode(self, data):
        return self.p.encode(data) if data else []

    def decode(self, ids, skip):
        return self.p.decode(ids)


class slow_oracle:
    """Runs under transformers 4."""
    how = 1

    def __init__(self, folder):
        from transformers import LlamaTokenizer
        self.t = LlamaTokenizer.from_pretrained(str(folder))
        self.size = len(self.t)

    def encode(self, data):
        return self.t(by_byte(data)).input_ids

    def decode(self, ids, skip):
        return self.t.decode(ids, skip_special_tokens=skip)


class fast_oracle:
    how = 2

    def __init__(self, folder):
        from tokenizers import Tokenizer
        self.t = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.plain.encode_special_tokens = True
        self.size = self.t.get_vocab_size()

    def encode(self, data):
        return self.t.encode(data.decode(errors="replace")).ids

    def encode_plain(self, data):
        return self.plain.encode(data.decode(errors="replace")).ids

    def decode(self, ids, skip):
        return self.t.decode(ids, skip_special_tokens=skip)


def write_vectors(folder, oracle, data, full, sequences):
    o = oracle(folder)
    ids = [o.encode(d) for d in data]
    both = lambda i: (o.decode(i, True), o.decode(i, False))
    out = [struct.pack("<II", o.how, len(data)), *(struct.pack("<Q", digest(i, *both(i))) for i in ids)]
    plain = data if hasattr(o, "encode_plain") else []
    out += [struct.pack("<I", len(plain)), *(struct.pack("<Q", digest(o.encode_plain(d))) for d in plain)]
    packed = lambda i: struct.pack(f"<H{len(i)}i", len(i), *i)
    out += [struct.pack("<I", full), *(packed(i) for i in ids[:full])]
    r = random.Random(7)
    out.append(struct.pack("<I", sequences))
    for _ in range(sequences):
        near = r.random() < 0.5  # byte pieces and special tokens come first in most vocabularies
        i = [r.randrange(min(o.size, 300) if near and r.random() < 0.8 else o.size) for _ in range(r.randint(1, 12))]
        out += [packed(i), struct.pack("<Q", digest(*both(i)))]
    (folder / "vectors.bin").write_bytes(b"".join(out))
    print(f"{folder.name:24} {len(data)} texts, {sum(map(len, ids))} ids", flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--transformers4", required=True, help="folder of transformers 4.37.2, installed by pip --target")
    a.add_argument("--big", help="folder with the files of mistral-common and llama-cpp-python")
    a.add_argument("--out", type=pathlib.Path, default=DATA)
    a.add_argument("--texts", type=int, default=2500)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--slow", help=argparse.SUPPRESS)
    a.add_argument("--again", action="store_true", help="keep the tokenizers and write only the vectors")
    o = a.parse_args()
    full, sequences = (60, 300) if not o.big else (200, 5000)
    data = texts(o.texts, o.seed, SPECIALS)
    if o.slow:
        return write_vectors(pathlib.Path(o.slow), slow_oracle, data, full, sequences)
    o.out.mkdir(parents=True, exist_ok=True)
    (o.out / "texts.bin").write_bytes(struct.pack("<I", len(data))
                                      + b"".join(struct.pack("<H", len(d)) + d for d in data))
    if not o.again:
        big(o.out, o.big) if o.big else small(o.out)
    for folder in sorted(p for p in o.out.iterdir() if p.is_dir()):
        if (folder / "tokenizer.json").exists():
            write_vectors(folder, fast_oracle, data, full, sequences)
        elif (folder / "tokenizer_config.json").exists():
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--slow", str(folder)], check=True,
                           stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": o.transformers4})
        elif (folder / "tokenizer.model").exists():
            write_vectors(folder, sentencepiece_oracle, data, full, sequences)


main()
