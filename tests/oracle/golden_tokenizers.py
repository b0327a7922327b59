# SPDX-License-Identifier: Apache-2.0
"""Writes and reads the tokenizers of the small random models of golden_models.py."""
import json

import sentencepiece
import tokenizers

import tiny_tokenizer

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
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


def write_llama3(folder, size):
    """Trains, writes and returns a small tokenizer like Llama 3's, which adds a BOS."""
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(tiny_tokenizer.ENGLISH.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made.add_special_tokens([AddedToken(t, normalized=False) for t in (
        "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")])
    made.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", made.token_to_id("<|begin_of_text|>"))])
    made.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
        "eos_token": "<|end_of_text|>"}) + "\n")
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
    if spec.words == "llama3":
        spec.image_id = write_llama3(folder, 290).get_vocab_size()
        return spec.image_id
    if spec.text_type == "qwen2":
        made = write_byte_level(folder, 290 if spec.text_numbers(0)["hidden_size"] < 20 else 420)
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
    """The same with a fast tokenizer, which may add a BOS to every part."""

    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.bos = self.tokenizer.token_to_id("<|begin_of_text|>")

    def encode(self, text):
        parts = [self.tokenizer.encode(part).ids for part in text.split("<image>")]
        added = 1 if parts[0] and parts[0][0] == self.bos else 0
        ids = parts[0][:added]
        for number, part in enumerate(parts):
            ids += ([-200] if number else []) + part[added:]
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
