# SPDX-License-Identifier: Apache-2.0
"""Writes the tokenizers of tokenizer_vectors.py, one folder each: small ones, trained here, and real ones."""
import io
import json
import pathlib

from tokenizer_strings import SENTENCES

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN3_5 = QWEN2.replace("]?\\p{L}+", "]?[\\p{L}\\p{M}]+").replace("[^\\s\\p{L}\\p{N}]", "[^\\s\\p{L}\\p{M}\\p{N}]")


# --- small tokenizers -------------------------------------------------------------------------------------------------
def corpus():
    import string
    lines = SENTENCES * 3 + [" ".join(w[::-1] for w in s.split()) for s in SENTENCES]
    return lines + [("the a of and to in is you that it he was for on are as with his they at be this have from or one "
                     "had by word but"),
                    "what what's image picture describe show see color people standing", string.printable] * 4


def train_sentencepiece(folder, size, **options):
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(s.replace("\x00", "") for s in corpus()), model_writer=model, model_type="bpe",
        vocab_size=size, num_threads=1, minloglevel=2,
        **{"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True,
           "character_coverage": 0.98, "allow_whitespace_only_pieces": True, "split_digits": True, **options})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())


def mark_unused(folder, every):
    """Marks some pieces as unused. SentencePiece splits them again."""
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
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": special, **flags}


def slow_folder(folder, model, legacy, size):
    """Writes a folder of the original layout, with added_tokens_decoder or, if legacy, the three older files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    if legacy:
        write_json(folder / "tokenizer_config.json", {
            "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False})
        write_json(folder / "special_tokens_map.json", {
            "bos_token": "<s>", "eos_token": {k: v for k, v in added("</s>").items() if k != "special"},
            "unk_token": "<unk>", "pad_token": "<unk>", "additional_special_tokens": ["<|im_start|>"]})
        write_json(folder / "added_tokens.json", {"<|im_start|>": size, "<|im_end|>": size + 1, "<image>": size + 2})
    else:
        decoder = {0: added("<unk>"), 1: added("<s>"), 2: added("</s>"),
                   size: added("<|im_start|>", False, rstrip=True), size + 1: added("<|im_end|>", False, lstrip=True),
                   size + 2: added("<image>"), size + 3: added("<pad>")}
        write_json(folder / "tokenizer_config.json", {
            "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "legacy": False,
            "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
            "additional_special_tokens": ["<image>"],
            "added_tokens_decoder": {str(k): v for k, v in decoder.items()}})


def llama_json(folder, source, metaspace):
    """Writes a tokenizer.json like LLaMA's from the pieces of a SentencePiece model."""
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
        t.decoder = decoders.Metaspace(prepend_scheme="first") if metaspace == "split" else decoders.Sequence(
            [*chain, decoders.Strip(" ", 1, 0)])
    else:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.decoder = decoders.Sequence([*chain, decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair=None, special_tokens=[("<s>", 1)])
    t.add_special_tokens([AddedToken(x, normalized=False) for x in ("<unk>", "<s>", "</s>", "<image>", "<pad>")])
    t.add_special_tokens([AddedToken("<left>", lstrip=True, normalized=False),
                          AddedToken("<both>", lstrip=True, rstrip=True, normalized=False)])
    t.add_tokens([AddedToken("[word]", single_word=True, normalized=False), AddedToken("été", normalized=True),
                  AddedToken("usr def", normalized=True)])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def byte_level_json(folder, pattern, size, ignore_merges=False, nfc=False,
                    special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"), bos=None, digits=False, prefix=False):
    from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                            trainers)
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if nfc:
        t.normalizer = normalizers.NFC()
    if pattern is None:
        level = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        t.pre_tokenizer = (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]) if digits
                           else level)
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens([AddedToken(s, normalized=False) for s in (*special, "<image>")])
    t.add_tokens([AddedToken("  ", normalized=True), AddedToken("été", normalized=True),
                  AddedToken("[word]", single_word=True)])
    if bos:
        t.post_processor = processors.Sequence([t.post_processor, processors.TemplateProcessing(
            single=f"{bos} $A", pair=None, special_tokens=[(bos, t.token_to_id(bos))])])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def corner_json(folder, size, pre_tokenizer, decoder, normalizer=None, by_characters=False):
    """Writes a tokenizer.json with parts that few have, and added tokens that take white space from each other."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    t.decoder = decoder
    alphabet = {"limit_alphabet": 60} if by_characters else {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=size, show_progress=False, max_token_length=12, **alphabet))
    t.add_special_tokens([AddedToken("<image>", normalized=False),
                          AddedToken("<left>", lstrip=True, normalized=False),
                          AddedToken("<both>", lstrip=True, rstrip=True, normalized=False)])
    t.add_tokens([AddedToken("  ", normalized=False), AddedToken("\n", normalized=False, rstrip=True),
                  AddedToken("[word]", single_word=True, rstrip=True, normalized=False),
                  AddedToken("<both>x", normalized=False), AddedToken("Été", normalized=True)])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def corners(out):
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    corner_json(out / "falcon", 600, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]), decoders.ByteLevel())
    corner_json(out / "qwen3_5", 700, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN3_5), "isolated"), level]), decoders.ByteLevel(), normalizers.NFC())
    corner_json(out / "no_words", 900, level, decoders.ByteLevel(), normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase()]))
    corner_json(out / "punctuation", 600, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True), level]), decoders.ByteLevel(),
        normalizers.Lowercase())
    # Characters that are no pieces have no token: no unknown one, and no bytes.
    corner_json(out / "characters", 300, None, decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()]),
                normalizers.Replace(" ", "▁"), by_characters=True)
    # Python's tokenizer: tokens that must stand alone, and tokens of white space beside others that take it.
    slow = out / "slow_corners"
    slow.mkdir(parents=True, exist_ok=True)
    (slow / "tokenizer.model").write_bytes((out / "spm" / "tokenizer.model").read_bytes())
    decoder = {0: added("<unk>"), 1: added("<s>"), 2: added("</s>"),
               1000: added("<both>", lstrip=True, rstrip=True), 1001: added("<left>", False, lstrip=True),
               1002: added("[word]", False, single_word=True), 1003: added("  ", False),
               1004: added("\n\n", False, rstrip=True), 1005: added("<image>", single_word=True, rstrip=True)}
    write_json(slow / "tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "legacy": True, "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "additional_special_tokens": ["<image>"],
        "added_tokens_decoder": {str(k): v for k, v in decoder.items()}})


def small(out):
    train_sentencepiece(out / "spm", 1000)
    train_sentencepiece(out / "spm_user", 1000, user_defined_symbols=["<image>", "usr▁def", "été", "▁▁"],
                        add_dummy_prefix=False)
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
    corners(out)


# --- real tokenizers --------------------------------------------------------------------------------------------------
def gguf_fields(path):
    from gguf import GGUFReader
    reader = GGUFReader(str(path))
    return lambda name: (reader.fields[f"tokenizer.ggml.{name}"].contents()
                         if f"tokenizer.ggml.{name}" in reader.fields else None)


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
    t = Tokenizer(models.BPE({s: i for i, s in enumerate(tokens)}, [tuple(m.split(" ")) for m in get("merges")],
                             ignore_merges=ignore_merges))
    t.normalizer = normalizers.NFC() if nfc else None
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    t.pre_tokenizer = level if pattern is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), level])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, normalized=False) for s, k in zip(tokens, kinds) if k == 3])
    t.add_tokens([AddedToken(s, normalized=True) for s, k in zip(tokens, kinds) if k == 4])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=None,
                                                         special_tokens=[(bos, t.token_to_id(bos))])
    folder.mkdir(parents=True, exist_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)


def big(out, source):
    found = {p.name: p for p in pathlib.Path(source).rglob("*") if p.is_file()}
    for name, file in {"mistral_v1": "tokenizer.model.v1",
                       "mistral_v2": "mistral_instruct_tokenizer_240216.model.v2",
                       "mistral_v3": "mistral_instruct_tokenizer_240323.model.v3"}.items():
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
    byte_level_of_gguf(out / "llama3", found["ggml-vocab-llama-bpe.gguf"], LLAMA3, ignore_merges=True,
                       bos="<|begin_of_text|>")
    byte_level_of_gguf(out / "qwen2", found["ggml-vocab-qwen2.gguf"], QWEN2, nfc=True)
    byte_level_of_gguf(out / "mpt", found["ggml-vocab-mpt.gguf"], None, nfc=True)
