# SPDX-License-Identifier: Apache-2.0
"""Writes what bench/serving.py measures with: a LLaVA-1.5 of the true widths and 8 layers, with random weights, as the
two GGUF files that both programs read, and JPEG files.

    serving_model.py --llava build/release/llava --out FOLDER [--layers 8] [--pictures 100]

Keys, tokenizer and chat template are those of the bundled model, as `llava convert --to gguf` writes them. Linear
layers of the language model are in Q4_0, its head in Q8_0, the table of embeddings, tower and projector in F16. The
head knows only pieces of text that are ASCII letters, so that every token of an answer is text, which a server sends at
once. Needs PyPI `gguf`, `numpy` and `pillow`.
"""
import argparse
import pathlib
import shutil
import subprocess
import tempfile

import gguf
import numpy
from PIL import Image, ImageDraw, ImageFilter

TINY = pathlib.Path(__file__).parent.parent / "examples" / "tiny"
HIDDEN, FFN, HEADS, VOCABULARY = 4096, 11008, 32, 32064
TOWER, TOWER_FFN, TOWER_HEADS, TOWER_LAYERS, SIDE, PATCH = 1024, 4096, 16, 23, 336, 14
KIND = gguf.GGMLQuantizationType
BLOCK = {KIND.Q4_0: 16, KIND.Q8_0: 32}  # bytes of integers for 32 weights, behind an f16 scale


class Weights:
    """Random weights of standard deviation 0.02. One large block is repeated from another offset for each tensor."""

    def __init__(self):
        random = numpy.random.default_rng(1)
        blocks = 300_007
        self.parts = {KIND.F16: random.normal(0, 0.02, 4_000_037).astype(numpy.float16)}
        for kind, size in BLOCK.items():
            scale = 0.02 / (4.6 if kind == KIND.Q4_0 else 73.0)  # by the deviation of the integers
            part = numpy.empty((blocks, 2 + size), numpy.uint8)
            part[:, :2] = numpy.full(blocks, scale, numpy.float16).view(numpy.uint8).reshape(blocks, 2)
            part[:, 2:] = random.integers(0, 256, (blocks, size), numpy.uint8)
            self.parts[kind] = part
        self.offset = 0

    def take(self, kind, *shape):
        part = self.parts[kind]
        count = int(numpy.prod(shape)) // (32 if kind in BLOCK else 1)
        out = numpy.resize(numpy.roll(part, -self.offset, axis=0), (count, *part.shape[1:]))
        self.offset = (self.offset + count) % len(part)
        return out.reshape(shape) if kind == KIND.F16 else out.reshape(*shape[:-1], -1)


def add(out, name, weights, kind, *shape):
    out.add_tensor(name, weights.take(kind, *shape), raw_dtype=None if kind == KIND.F16 else kind)


def copy_keys(out, source, changed):
    """The keys of another file, some with new values."""
    for key, field in source.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        out.add_key_value(key, changed.get(key, field.contents()), field.types[0],
                          field.types[-1] if len(field.types) > 1 else None)


def finish(out):
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_text(source, path, layers):
    tokens = source.fields["tokenizer.ggml.tokens"].contents()
    types = source.fields["tokenizer.ggml.token_type"].contents()
    scores = source.fields["tokenizer.ggml.scores"].contents()
    missing = VOCABULARY - len(tokens)
    plain = [kind == gguf.TokenType.NORMAL and text.lstrip("▁").isascii() and text.lstrip("▁").isalpha()
             for text, kind in zip(tokens, types)]
    out = gguf.GGUFWriter(path, "llama")
    copy_keys(out, source, {
        "general.name": "llava-serving", "general.file_type": int(gguf.LlamaFileType.MOSTLY_Q4_0),
        "llama.vocab_size": VOCABULARY, "llama.context_length": 4096, "llama.embedding_length": HIDDEN,
        "llama.block_count": layers, "llama.feed_forward_length": FFN, "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS, "llama.attention.key_length": HIDDEN // HEADS,
        "llama.attention.value_length": HIDDEN // HEADS, "llama.rope.dimension_count": HIDDEN // HEADS,
        "tokenizer.ggml.tokens": tokens + [f"[PAD{i}]" for i in range(missing)],
        "tokenizer.ggml.token_type": types + [int(gguf.TokenType.UNUSED)] * missing,
        "tokenizer.ggml.scores": scores + [-10000.0] * missing})
    weights, ones = Weights(), numpy.ones(HIDDEN, numpy.float32)
    add(out, "token_embd.weight", weights, KIND.F16, VOCABULARY, HIDDEN)
    head = weights.take(KIND.Q8_0, VOCABULARY, HIDDEN).copy()
    head[[i for i in range(VOCABULARY) if i >= len(plain) or not plain[i]]] = 0
    out.add_tensor("output.weight", head, raw_dtype=KIND.Q8_0)
    out.add_tensor("output_norm.weight", ones)
    for i in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(out, f"blk.{i}.{name}.weight", weights, KIND.Q4_0, HIDDEN, HIDDEN)
        for name, rows, columns in (("gate", FFN, HIDDEN), ("up", FFN, HIDDEN), ("down", HIDDEN, FFN)):
            add(out, f"blk.{i}.ffn_{name}.weight", weights, KIND.Q4_0, rows, columns)
        for name in ("attn_norm", "ffn_norm"):
            out.add_tensor(f"blk.{i}.{name}.weight", ones)
    finish(out)


def write_vision(source, path):
    out = gguf.GGUFWriter(path, "clip")
    copy_keys(out, source, {
        "clip.vision.image_size": SIDE, "clip.vision.patch_size": PATCH, "clip.vision.embedding_length": TOWER,
        "clip.vision.feed_forward_length": TOWER_FFN, "clip.vision.attention.head_count": TOWER_HEADS,
        "clip.vision.block_count": TOWER_LAYERS, "clip.vision.projection_dim": HIDDEN,
        "clip.vision.feature_layer": [TOWER_LAYERS]})
    weights, ones = Weights(), numpy.ones(TOWER, numpy.float32)

    def vector(name, size):
        out.add_tensor(name, weights.take(KIND.F16, size).astype(numpy.float32))

    def linear(name, rows, columns):
        add(out, f"{name}.weight", weights, KIND.F16, rows, columns)
        vector(f"{name}.bias", rows)

    def norm(name):
        out.add_tensor(f"{name}.weight", ones)
        vector(f"{name}.bias", TOWER)

    linear("mm.0", HIDDEN, TOWER)
    linear("mm.2", HIDDEN, HIDDEN)
    vector("v.class_embd", TOWER)
    add(out, "v.patch_embd.weight", weights, KIND.F16, TOWER, 3, PATCH, PATCH)
    add(out, "v.position_embd.weight", weights, KIND.F16, (SIDE // PATCH) ** 2 + 1, TOWER)
    norm("v.pre_ln")
    for i in range(TOWER_LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            linear(f"v.blk.{i}.{name}", TOWER, TOWER)
        linear(f"v.blk.{i}.ffn_up", TOWER_FFN, TOWER)
        linear(f"v.blk.{i}.ffn_down", TOWER, TOWER_FFN)
        norm(f"v.blk.{i}.ln1")
        norm(f"v.blk.{i}.ln2")
    finish(out)


def photograph(random):
    """A picture of 640 × 480 with smooth light, objects with edges, and grain, as large as a photograph's file."""
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), numpy.uint8))
    light = coarse.resize((640, 480), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(light)
    for _ in range(12):
        x, y, w, h = (int(v) for v in random.integers((0, 0, 30, 30), (600, 440, 240, 240)))
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        (draw.ellipse if random.random() < 0.5 else draw.rectangle)((x, y, x + w, y + h), fill=colour)
    soft = numpy.asarray(light.filter(ImageFilter.GaussianBlur(1))).astype(numpy.float32)
    return Image.fromarray(numpy.clip(soft + random.normal(0, 6, soft.shape), 0, 255).astype(numpy.uint8))


def write_pictures(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = folder / f"{i:04}.jpg"
        if not path.exists():
            photograph(numpy.random.default_rng(i)).save(path.with_suffix(".unfinished"), "JPEG", quality=85)
            path.with_suffix(".unfinished").rename(path)


def write(llava, out, layers, pictures):
    """Writes what is missing in the folder `out` and returns the model's file; its mmproj.gguf lies beside it."""
    made = out / f"llava-{layers}-layers"
    if not (made / "model.gguf").exists():
        print(f"writing random weights to {made}", flush=True)
        made.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            small, new = pathlib.Path(scratch) / "tiny", made / "unfinished"
            subprocess.run([llava, "convert", TINY, "--to", "gguf", "-o", small], check=True,
                           stdout=subprocess.DEVNULL)
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            write_vision(gguf.GGUFReader(small / "mmproj.gguf"), new / "mmproj.gguf")
            write_text(gguf.GGUFReader(small / "model.gguf"), new / "model.gguf", layers)
        for name in ("mmproj.gguf", "model.gguf"):
            (new / name).rename(made / name)
        new.rmdir()
    write_pictures(out / "pictures", pictures)
    return made / "model.gguf"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--llava", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=100)
    args = parser.parse_args()
    print(write(args.llava, args.out, args.layers, args.pictures))


if __name__ == "__main__":
    main()
