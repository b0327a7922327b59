# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of the bundled model "tiny": a small LLaMA tokenizer.

It is SentencePiece BPE like LLaMA's (byte fallback, dummy prefix, identity normalisation, <unk> 0, <s> 1, </s> 2),
trained on the questions and answers of the corpus, the prompt's system sentence and a little ordinary English. <image>
and <pad> are added at the end as in llava-1.5. tokenizer.json has llava-1.5's form: the dummy prefix precedes every
part of a text between special tokens.

Needs: sentencepiece, tokenizers, transformers. Used by train_tiny.py and golden_models.py.
"""

import io
import json
from pathlib import Path

import sentencepiece
from tokenizers import normalizers
from transformers import AutoTokenizer, LlamaTokenizer

SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives "
          "helpful, detailed, and polite answers to the user's questions.")
FILES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json")
PIECES = 766  # with <image> and <pad>: 768 rows of embeddings

ENGLISH = """The quick brown fox jumps over the lazy dog.
Pack my box with five dozen liquor jugs.
How are you today? I am fine, thank you, and you?
This is a small picture with a few simple shapes in it.
Can you tell me what you see here, please?
It was a bright cold day in April, and the clocks were striking thirteen.
One, two, three, four, five, six, seven, eight, nine, ten.
0 1 2 3 4 5 6 7 8 9 10 20 50 100
Where is the cat? The cat is sitting on the mat next to the door.
Which of these would you like to have: tea, coffee, or water?
White, orange, purple and pink are colours as well; a square and a line are shapes.
"Yes," she said, "there is nothing to the left of the house (but look below it)!"
We do not know why they came, nor when they will go away again.
Big and small, long and short, old and new, good and bad.
"""


def prompt_of(turns, images=1):
    """Returns the vicuna_v1 prompt of turns, which are (question, answer). The last answer may be None."""
    text = f"{SYSTEM} "
    for number, (question, answer) in enumerate(turns):
        pictures = "<image>\n" * images if number == 0 else ""
        text += f"USER: {pictures}{question} ASSISTANT:"
        if answer is not None:
            text += f" {answer}</s>"
    return text


def train(texts, folder):
    """Trains on texts (one per line of the corpus) and writes the tokenizer's files to folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = [*texts, *([SYSTEM, "USER: ASSISTANT:"] * (len(texts) // 40)), *(ENGLISH.splitlines() * 3)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", vocab_size=PIECES,
        byte_fallback=True, add_dummy_prefix=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, character_coverage=1.0,
        allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2)
    (folder / "tokenizer.model").write_bytes(model.getvalue())

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokenizer = LlamaTokenizer(vocab={pieces.id_to_piece(i): i for i in range(len(pieces))},
                               merges=merges_of(pieces), legacy=True, add_bos_token=True)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.padding_side = "left"
    tokenizer.model_max_length = 2048
    tokenizer.save_pretrained(folder)
    write_llava_form(tokenizer, folder)
    return tokenizer


def merges_of(pieces):
    """Returns the merges in order of rank: every pair of pieces that forms a piece."""
    ids = {pieces.id_to_piece(i): i for i in range(len(pieces))
           if not (pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i))}
    merges = []
    for piece in sorted(ids, key=lambda piece: -pieces.get_score(ids[piece])):
        pairs = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        merges += sorted((pair for pair in pairs if pair[0] in ids and pair[1] in ids),
                         key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    return merges


def write_llava_form(tokenizer, folder):
    """Writes the dummy prefix as llava-1.5's files have it: a normalizer and, for transformers, "legacy"."""
    backend = type(tokenizer.backend_tokenizer).from_file(str(folder / "tokenizer.json"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.pre_tokenizer = None
    backend.save(str(folder / "tokenizer.json"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.update(legacy=True, add_bos_token=True, add_eos_token=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def plain_encode(pieces, text, special):
    """Returns the ids of SentencePiece for each part of the text between special tokens."""
    ids, start = [pieces.bos_id()], 0
    while start < len(text):
        found = [(text.find(token, start), token) for token in special if text.find(token, start) >= 0]
        end, token = min(found) if found else (len(text), None)
        if end > start:
            ids += pieces.encode(text[start:end])
        if token:
            ids.append(special[token])
        start = end + len(token or "")
    return ids


def check(folder, texts):
    """Checks that transformers, tokenizers and SentencePiece give equal ids of texts with the saved files."""
    folder = Path(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    backend = type(tokenizer.backend_tokenizer).from_file(str(folder / "tokenizer.json"))
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    special = {token: tokenizer.convert_tokens_to_ids(token) for token in ("</s>", "<image>", "<pad>")}
    for text in texts:
        expected = plain_encode(pieces, text, special)
        for name, ids in (("transformers", tokenizer(text).input_ids), ("tokenizers", backend.encode(text).ids)):
            if ids != expected:
                raise ValueError(f"{name} and SentencePiece disagree on {text!r}: {ids} {expected}")
    return tokenizer
