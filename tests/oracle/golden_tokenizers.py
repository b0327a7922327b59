# SPDX-License-Identifier: Apache-2.0
"""Writes and reads the tokenizers of the small random models of golden_models.py."""
import json

import sentencepiece
import tokenizers

import tiny_tokenizer

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
         r"\s+(?!\S)|\s+")


def write_byte_level(folder, size):
    """Trains, writes and returns a small tokenizer like Qwen2's."""
    from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
    made = tokenizers.Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder, made.post_processor = decoders.ByteLevel(), processors.ByteLevel(trim_offsets=False)
    made.train_from_iterator(tiny_tokenizer.ENGLISH.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made.add_special_tokens([AddedToken(t, normalized=False)
                             for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>")])
    made.save(str(folder / "tokenizer.json"), pretty=False)
    return made


def write_neox(folder, size):
    """Trains, writes and returns a small tokenizer like GPT-NeoX's, which MPT uses."""
    from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers
    made = tokenizers.Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    made.decoder, made.post_processor = decoders.ByteLevel(), processors.ByteLevel(trim_offsets=True)
    made.train_from_iterator(tiny_tokenizer.ENGLISH.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>", "<|padding|>"]))
    made.add_special_tokens([AddedToken(t, normalized=False) for t in ("<|im_start|>", "<|im_end|>")])
    made.save(str(folder / "tokenizer.json"), pretty=False)
    return made


def write_tokenizer(spec, folder):
    """Writes the tokenizer's files. Returns the number of ids."""
    if spec.text_type == "mpt":
        spec.image_id = write_neox(folder, 290).get_vocab_size()  # no id: the original cuts the text at <image>
        return spec.image_id
    if spec.text_type == "qwen2":
        made = write_byte_level(folder, 420)
        spec.image_id = made.token_to_id("<image>")
        return made.get_vocab_size()
    tiny_tokenizer.PIECES = 400
    made = tiny_tokenizer.train([], folder)
    spec.image_id = made.convert_tokens_to_ids("<image>")
    if spec.layout in ("original", "gguf"):  # the slow tokenizer, which has no <image>
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True, "add_eos_token": False}) + "\n")
        return 400
    return len(made)


class Original:
    """tokenizer_image_token of haotian-liu/LLaVA: encodes the parts between <image>s, and only the first has a BOS."""

    def __init__(self, folder):
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))

    def encode(self, text):
        ids = [self.pieces.bos_id()]
        for number, part in enumerate(text.split("<image>")):
            ids += ([-200] if number else []) + self.pieces.encode(part)
        return ids


class OriginalFast:
    """The same with a tokenizer that adds no BOS."""

    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(self, text):
        ids = []
        for number, part in enumerate(text.split("<image>")):
            ids += ([-200] if number else []) + self.tokenizer.encode(part).ids
        return ids


class Fast:
    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(self, text):
        return self.tokenizer.encode(text).ids


def tokenizer_for(spec, folder):
    if spec.layout not in ("original", "gguf"):
        return Fast(folder)
    return Original(folder) if (folder / "tokenizer.model").exists() else OriginalFast(folder)
