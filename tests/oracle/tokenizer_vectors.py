# SPDX-License-Identifier: Apache-2.0
"""Vectors for tests/text/tokenizer_vectors.cpp: what the reference's tokenizers make of texts that are hard on them.

    pip install sentencepiece protobuf tokenizers; pip install --target OLD transformers==4.37.2 sentencepiece protobuf 'numpy<2'
    python3 tests/oracle/tokenizer_vectors.py --transformers4 OLD

trains the small tokenizers of tests/data/text and writes their vectors. With real ones, too big to be kept here:

    pip download --no-deps mistral-common                                 (unpacked to BIG)
    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python  (ggml-vocab-*.gguf, unpacked to BIG); pip install gguf
    python3 tests/oracle/tokenizer_vectors.py --transformers4 OLD --big BIG --out VECTORS --texts 20000
    LLAVA_TOKENIZER_VECTORS=VECTORS llava_tests "[#tokenizer_vectors]"

A set of vectors is texts.bin (u32 count; u16 length and bytes of each) and, for each tokenizer, a folder with its files and
vectors.bin, all little-endian:
    u32 how (0 sentencepiece, 1 transformers 4 in Python, 2 tokenizers)
    u32 n, n × u64          digest of the ids of each text, and of those ids decoded with and without special tokens
    u32 n, n × u64          how 2: digest of the ids when special tokens are text
    u32 n, n × (u16, i32…)  the ids of the first texts, to see what is wrong
    u32 n, n × (u16, i32…, u64)  random ids, digest of them decoded with and without special tokens
The digest is FNV-1a of 64 bits, over ids as i32 and texts as their bytes with a 0xff behind.
"""
import argparse
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys

from tokenizer_strings import SENTENCES, texts

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "text"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
SPECIALS = ["<s>", "</s>", "<unk>", "<image>", "<pad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>user\n", "[word]", "<left>", "<both>", "usr def", "été", "</s></s>",
            "<image><image>"]


def digest(*parts):
    h = 0xcbf29ce484222325
    for part in parts:
        data = struct.pack(f"<{len(part)}i", *part) if isinstance(part, list) else part.encode() + b"\xff"
        for byte in data:
            h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def by_byte(data):
    """SentencePiece's way with bytes that are not UTF-8: U+FFFD for each."""
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
        near = r.random() < 0.5  # byte pieces and special tokens stand at the front of most vocabularies
        i = [r.randrange(min(o.size, 300) if near and r.random() < 0.8 else o.size) for _ in range(r.randint(1, 12))]
        out += [packed(i), struct.pack("<Q", digest(*both(i)))]
    (folder / "vectors.bin").write_bytes(b"".join(out))
    print(f"{folder.name:24} {len(data)} texts, {sum(map(len, ids))} ids", flush=True)


# --- small tokenizers ---------------------------------------------------------------------------------------------------
def corpus():
    import string
    lines = SENTENCES * 3 + [" ".join(w[::-1] for w in s.split()) for s in SENTENCES]
    return lines + ["the a of and to in is you that it he was for on are as with his they at be this have from or one had by word but",
                    "what what's image picture describe show see color people standing", string.printable] * 4


def train_sentencepiece(folder, size, **options):
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(s.replace("\x00", "") for s in corpus()), model_writer=model, model_type="bpe", vocab_size=size, num_threads=1, minloglevel=2,
        **{"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True, "character_coverage": 0.98,
           "allow_whitespace_only_pieces": True, "split_digits": True, **options})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())


def mark_unused(folder, every):
    """Makes some pieces unused: SentencePiece takes them apart again."""
    from sentencepiece import sentencepiece_model_pb2
    m = sentencepiece_model_pb2.ModelProto()
    m.ParseFromString((folder / "tokenizer.model").read_bytes())
    for i, p in enumerate(m.pieces):
        if p.type == p.NORMAL and len(p.piece) > 1 and i % every == 0:
            p.type = p.UNUSED
    (folder / "tokenizer.model").write_bytes(m.SerializeToString())


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def added(content, special=True, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": special, **flags}


def slow_folder(folder, model, legacy, size):
    """A folder of the original layout: an added_tokens_decoder, or with legacy the older three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    if legacy:
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False})
        write_json(folder / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": {k: v for k, v in added("</s>").items() if k != "special"}, "unk_token": "<unk>", "pad_token": "<unk>",
                                                        "additional_special_tokens": ["<|im_start|>"]})
        write_json(folder / "added_tokens.json", {"<|im_start|>": size, "<|im_end|>": size + 1, "<image>": size + 2})
    else:
        decoder = {0: added("<unk>"), 1: added("<s>"), 2: added("</s>"), size: added("<|im_start|>", False, rstrip=True), size + 1: added("<|im_end|>", False, lstrip=True),
                   size + 2: added("<image>"), size + 3: added("<pad>")}
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "legacy": False, "bos_token": "<s>", "eos_token": "</s>",
                                                      "unk_token": "<unk>", "pad_token": "<pad>", "additional_special_tokens": ["<image>"],
                                                      "added_tokens_decoder": {str(k): v for k, v in decoder.items()}})


def llama_json(folder, source, metaspace):
    """A tokenizer.json as of LLaMA, from the pieces of a SentencePiece model."""
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    p = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    vocab = {p.id_to_piece(i): i for i in range(len(p))}
    made = {t: i for t, i in vocab.items() if not (p.is_control(i) or p.is_unknown(i) or p.is_byte(i))}
    merges = []
    for text in sorted(made, key=lambda t: made[t]):
        pairs = [(text[:k], text[k:]) for k in range(1, len(text)) if text[:k] in made and text[k:] in made]
        merges += sorted(pairs, key=lambda q: (made[q[0]], made[q[1]]))
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    chain = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=metaspace == "split")
        t.decoder = decoders.Metaspace(prepend_scheme="first") if metaspace == "split" else decoders.Sequence([*chain, decoders.Strip(" ", 1, 0)])
    else:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.decoder = decoders.Sequence([*chain, decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair=None, special_tokens=[("<s>", 1)])
    t.add_special_tokens([AddedToken(x, normalized=False) for x in ("<unk>", "<s>", "</s>", "<image>", "<pad>")])
    t.add_special_tokens([AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<both>", lstrip=True, rstrip=True, normalized=False)])
    t.add_tokens([AddedToken("[word]", single_word=True, normalized=False), AddedToken("été", normalized=True), AddedToken("usr def", normalized=True)])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def byte_level_json(folder, pattern, size, ignore_merges=False, nfc=False, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"), bos=None, digits=False, prefix=False):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if nfc:
        t.normalizer = normalizers.NFC()
    if pattern is None:
        level = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]) if digits else level
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens([AddedToken(s, normalized=False) for s in (*special, "<image>")])
    t.add_tokens([AddedToken("  ", normalized=True), AddedToken("été", normalized=True), AddedToken("[word]", single_word=True)])
    if bos:
        t.post_processor = processors.Sequence([t.post_processor, processors.TemplateProcessing(single=f"{bos} $A", pair=None, special_tokens=[(bos, t.token_to_id(bos))])])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def small(out):
    train_sentencepiece(out / "spm", 1000)
    train_sentencepiece(out / "spm_user", 1000, user_defined_symbols=["<image>", "usr▁def", "été", "▁▁"], add_dummy_prefix=False)
    train_sentencepiece(out / "spm_collapse", 700, byte_fallback=False, remove_extra_whitespaces=True)
    mark_unused(out / "spm_user", 3)
    model = (out / "spm" / "tokenizer.model").read_bytes()
    slow_folder(out / "slow_legacy", model, True, 1000)
    slow_folder(out / "slow", model, False, 1000)
    llama_json(out / "llama", out / "spm", False)
    llama_json(out / "llama_metaspace", out / "spm", "whole")
    llama_json(out / "llama_metaspace_split", out / "spm", "split")
    byte_level_json(out / "gpt2", None, 700)
    byte_level_json(out / "gpt2_prefix", None, 600, prefix=True)
    byte_level_json(out / "gpt2_digits", None, 600, digits=True)
    byte_level_json(out / "llama3", LLAMA3, 800, ignore_merges=True, bos="<|endoftext|>")
    byte_level_json(out / "qwen2", QWEN2, 750, nfc=True)


# --- real tokenizers -----------------------------------------------------------------------------------------------------
def gguf_fields(path):
    from gguf import GGUFReader
    reader = GGUFReader(str(path))
    return lambda name: reader.fields[f"tokenizer.ggml.{name}"].contents() if f"tokenizer.ggml.{name}" in reader.fields else None


def sentencepiece_of_gguf(folder, path):
    from sentencepiece import sentencepiece_model_pb2
    get = gguf_fields(path)
    m = sentencepiece_model_pb2.ModelProto()
    for text, score, kind in zip(get("tokens"), get("scores"), get("token_type")):
        m.pieces.add(piece=text, score=score, type=kind)
    m.trainer_spec.model_type, m.trainer_spec.byte_fallback = 2, True
    m.normalizer_spec.name, m.normalizer_spec.remove_extra_whitespaces = "identity", False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(m.SerializeToString())


def byte_level_of_gguf(folder, path, pattern, ignore_merges=False, nfc=False, bos=None):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    get = gguf_fields(path)
    tokens, kinds = get("tokens"), get("token_type")
    t = Tokenizer(models.BPE({s: i for i, s in enumerate(tokens)}, [tuple(m.split(" ")) for m in get("merges")], ignore_merges=ignore_merges))
    t.normalizer = normalizers.NFC() if nfc else None
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    t.pre_tokenizer = level if pattern is None else pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), level])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, normalized=False) for s, k in zip(tokens, kinds) if k == 3])
    t.add_tokens([AddedToken(s, normalized=True) for s, k in zip(tokens, kinds) if k == 4])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=None, special_tokens=[(bos, t.token_to_id(bos))])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def big(out, source):
    found = {p.name: p for p in pathlib.Path(source).rglob("*") if p.is_file()}
    for name, file in {"mistral_v1": "tokenizer.model.v1", "mistral_v2": "mistral_instruct_tokenizer_240216.model.v2", "mistral_v3": "mistral_instruct_tokenizer_240323.model.v3"}.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "tokenizer.model").write_bytes(found[file].read_bytes())
    sentencepiece_of_gguf(out / "llama_spm", found["ggml-vocab-llama-spm.gguf"])
    model = (out / "llama_spm" / "tokenizer.model").read_bytes()
    slow_folder(out / "llama_slow_legacy", model, True, 32000)
    slow_folder(out / "llama_slow", model, False, 32000)
    llama_json(out / "llama_json", out / "llama_spm", False)
    llama_json(out / "llama_metaspace", out / "llama_spm", "whole")
    llama_json(out / "llama_metaspace_split", out / "llama_spm", "split")
    byte_level_of_gguf(out / "gpt2", found["ggml-vocab-gpt-2.gguf"], None)
    byte_level_of_gguf(out / "llama3", found["ggml-vocab-llama-bpe.gguf"], LLAMA3, ignore_merges=True, bos="<|begin_of_text|>")
    byte_level_of_gguf(out / "qwen2", found["ggml-vocab-qwen2.gguf"], QWEN2, nfc=True)
    byte_level_of_gguf(out / "mpt", found["ggml-vocab-mpt.gguf"], None, nfc=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--transformers4", required=True, help="where transformers 4.37.2 is installed, by pip --target")
    a.add_argument("--big", help="folder with the files of mistral-common and llama-cpp-python")
    a.add_argument("--out", type=pathlib.Path, default=DATA)
    a.add_argument("--texts", type=int, default=2500)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--slow", help=argparse.SUPPRESS)
    a.add_argument("--again", action="store_true", help="keep the tokenizers, make the vectors anew")
    o = a.parse_args()
    full, sequences = (60, 300) if not o.big else (200, 5000)
    data = texts(o.texts, o.seed, SPECIALS)
    if o.slow:
        return write_vectors(pathlib.Path(o.slow), slow_oracle, data, full, sequences)
    o.out.mkdir(parents=True, exist_ok=True)
    (o.out / "texts.bin").write_bytes(struct.pack("<I", len(data)) + b"".join(struct.pack("<H", len(d)) + d for d in data))
    if not o.again:
        big(o.out, o.big) if o.big else small(o.out)
    for folder in sorted(p for p in o.out.iterdir() if p.is_dir()):
        if (folder / "tokenizer.json").exists():
            write_vectors(folder, fast_oracle, data, full, sequences)
        elif (folder / "tokenizer_config.json").exists():
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--slow", str(folder)], check=True, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": o.transformers4})
        elif (folder / "tokenizer.model").exists():
            write_vectors(folder, sentencepiece_oracle, data, full, sequences)


main()
