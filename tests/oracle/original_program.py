# SPDX-License-Identifier: Apache-2.0
"""Records the answers of LLaVA's own program: tests/data/goldens/original_program.json.

    python tests/oracle/original_program.py    needs llava-torch 1.2.2.post1, transformers 4.37.2, tokenizers 0.15.1,
                                               sentencepiece 0.1.99, Pillow 10.4.0 and torch, for Python 3.11

llava.eval.run_llava loads each folder and answers the questions. This script also records its inputs to the model. The
folders are the original ones of tests/data/goldens, some with other files, or with a language model with one answer:

folders    name: the folder's name, which the program interprets; of: the golden that is copied;
           files: the files that differ; says: the tokens of the only answer; spare_rows: rows of the tables of
           tokens behind the tokenizer's, which repeat the first ones
questions  folder, picture (an image of its golden.safetensors), query, mode (null: by the name), and the results:
           prompt, input_ids, tokens, text

The program requests CUDA and fp16. Here it runs on the CPU, and its torch.float16 is float32.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import types

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

import llava.eval.run_llava as program

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "data" / "goldens"
NEW_TOKENS = 24
MODES = ("vicuna_v1", "llava_v1", "llava_v0", "llava_llama_2", "llama_2", "mpt", "plain", "v0", "v1_mmtag", "v0_mmtag",
         "mistral_instruct", "chatml_direct")
QUERIES = ("What is in the picture?", "Describe the picture.\nBe brief.", "  Two  spaces, dots... and ünï©ode 🦙 ")
MISTRAL = {"model_type": "llava_mistral", "sliding_window": None}
FIRST_BYTE = 3  # id of the first of the 256 byte tokens


class CpuTorch(types.ModuleType):
    """torch as the program's modules see it, with float32 as float16."""

    def __getattr__(self, name):
        return torch.float32 if name == "float16" else getattr(torch, name)


def hold_on_cpu():
    seen = CpuTorch("torch")
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "llava" and getattr(module, "torch", None) is torch:
            module.torch = seen
    torch.Tensor.cuda = lambda tensor, *_, **__: tensor


def config(of, **changes):
    values = json.loads((GOLDENS / of / "config.json").read_text()) | changes
    return {"config.json": json.dumps({k: v for k, v in values.items() if v is not None})}


def generation_config(**settings):
    return {"generation_config.json": json.dumps({"bos_token_id": 1, "eos_token_id": 2} | settings)}


def in_bytes(*values):
    return [FIRST_BYTE + b for b in values]


def folders():
    """Yields (folder, its questions). A question is (query, picture, mode)."""
    every = [(q, p, None) for q in QUERIES for p in ("wide", "square", "tall")]
    every += [(q, "wide", m) for m in MODES for q in QUERIES]
    usual = every[:9:3]
    one = usual[:1]

    def folder(about, name, of="original_folder", files=None, says=None, asked=one, **more):
        return {"about": about, "name": name, "of": of, "files": files or {}, "says": says or []} | more, asked

    base = "original_folder"
    yield folder("padded", "llava-v1.5-tiny", files=config(base, max_position_embeddings=2048), asked=every)
    yield folder("cropped, the tower inside", "llava-v1.5-inside", "original_inside",
                 asked=usual + [("hi", "tall", None)])
    yield folder("linear projector, mistral", "llava-mistral-linear", "original_linear", asked=usual)
    yield folder("no projector, two files", "llava-v1.5-identity", "original_identity", asked=usual)
    for name in ("llava-llama-2-x", "LLaVA-V1-x", "llava-v1.6-34b-x", "llava-x"):
        yield folder("the template by the name", name)
    yield folder("the template by the name of two", "llava-v1.5-run/checkpoint-5")
    yield folder("the template by the name", "llava-v1.6-mistral-x", files=config(base, **MISTRAL))
    yield folder("placeholders", "llava-v1.5-placeholder", asked=[("before <image-placeholder> after", "wide", None)])

    fast = {"version": "1.0", "added_tokens": [{"id": 399, "content": "quux", "single_word": False, "lstrip": False,
                                                "rstrip": False, "normalized": False, "special": False}], "model": {}}
    slow = {"tokenizer.json": json.dumps(fast),
            "tokenizer_config.json": json.dumps({"tokenizer_class": "LlamaTokenizer"})}
    yield folder("tokens that tokenizer.json adds to tokenizer.model", "llava-v1.5-two", files=slow, asked=[
        ("say quux  now", "wide", None)])
    yield folder("config.json with few keys", "llava-v1.5-few", files=config(
        base, num_key_value_heads=None, image_aspect_ratio=None, mm_vision_select_feature=None,
        tokenizer_padding_side=None, attention_bias=None, rope_parameters=None, head_dim=None, mlp_bias=None))
    yield folder("model_type llava_llama", "llava-v1.5-type", files=config(base, model_type="llava_llama"))
    yield folder("rope_scaling linear", "llava-v1.5-rope", files=config(
        base, rope_parameters=None, rope_scaling={"type": "linear", "factor": 2.0}))
    yield folder("a repetition penalty", "llava-v1.5-penalty", files=generation_config(repetition_penalty=1.3))
    yield folder("tokens that are never drawn", "llava-v1.5-suppress", files=generation_config(
        suppress_tokens=list(range(280, 400, 2))))
    yield folder("a second end of answers", "llava-v1.5-eos", says=[300, 310, 1, 320], files=generation_config(
        eos_token_id=[2, 1]))

    tiles = "original_anyres"
    yield folder("any resolution", "llava-v1.6-tiny", tiles, asked=[(q, p, None) for q in QUERIES[:2]
                                                                    for p in ("wide", "square", "tall")])
    lists = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
    yield folder("any resolution without newlines, canvases as a list", "llava-v1.6-spatial", tiles, files=config(
        tiles, mm_patch_merge_type="spatial", image_grid_pinpoints=lists), asked=usual)
    yield folder("any resolution, one square after another", "llava-v1.6-flat", tiles, files=config(
        tiles, mm_patch_merge_type=None, image_grid_pinpoints=lists[::-1]), asked=usual)

    says = {"plain words": [300, 310, 320], "<unk> and <s>": [300, 0, 310, 1],
            "an emoji in bytes": in_bytes(0xF0, 0x9F, 0x98, 0x80),
            "bytes that break off": [300, *in_bytes(0xF0, 0x9F, 0x98)],
            "bytes that are no UTF-8": [300, *in_bytes(0x41, 0xFF, 0x42)]}
    for space in "\x1c \x85 \xa0 \u1680 \u2003 \u2028 \u205f \u200b \ufeff".split(" "):
        says[f"U+{ord(space):04X} at the end"] = [300, *in_bytes(*space.encode())]
    for about, ids in says.items():
        yield folder(about, "llava-v1.5-says", says=ids)
    yield folder("a stop text does not end run_llava's answer", "llava-v0-says", says=[300, *in_bytes(*b"#\n"), 310])
    yield folder("mistral's tokenizer: bytes that are no UTF-8 among some that are", "llava-mistral-says",
                 files=config(base, **MISTRAL),
                 says=[300, *in_bytes(0x20, 0x41, 0xFF)], asked=[("hi", "wide", "vicuna_v1")])
    yield folder("an end of answers that is an ordinary word", "llava-v1.5-word", says=[300, 310, 330, 320],
                 files=generation_config(eos_token_id=[2, 330]))
    for about, value in {"missing": None, "true": True}.items():
        yield folder(f"mm_use_im_patch_token {about}, rows to spare", "llava-v1.5-patch", files=config(
            base, vocab_size=403, mm_use_im_patch_token=value), spare_rows=3, asked=[
                ("What is <im_patch> here?", "wide", None)])


def write_chain_weights(folder, ids):
    """Writes layers that add nothing, and a head that maps the embedding of each token to the next token."""
    state = load_file(folder / "model.safetensors")
    words = transformers.LlamaTokenizer.from_pretrained(folder)
    for name, tensor in state.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")) or name == "lm_head.weight":
            tensor.zero_()
        if name == "model.norm.weight":
            tensor.fill_(1)
    chain = [words("ASSISTANT:").input_ids[-1], *ids, words.eos_token_id]
    if folder.name.startswith("llava-v0"):
        chain[0] = words("###Assistant:").input_ids[-1]
    assert len(set(chain)) == len(chain), chain
    for now, after in zip(chain, chain[1:]):
        state["lm_head.weight"][after] = state["model.embed_tokens.weight"][now]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def write_spare_rows(folder, count):
    state = load_file(folder / "model.safetensors")
    for name in ("lm_head.weight", "model.embed_tokens.weight"):
        state[name] = torch.cat([state[name], state[name][:count]])
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def make(folder, scratch):
    path = scratch / folder["name"]
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(GOLDENS / folder["of"], path)
    for name, text in folder["files"].items():
        (path / name).write_text(text)
    if folder["says"]:
        write_chain_weights(path, folder["says"])
    if "spare_rows" in folder:
        write_spare_rows(path, folder["spare_rows"])
    if not (path / "tower" / "model.safetensors").exists():  # the program reads it before the weights inside
        prefix, state = "model.vision_tower.vision_tower.", {}
        for file in path.glob("*.safetensors"):
            if not file.name.startswith("golden"):
                state |= {n.removeprefix(prefix): t for n, t in load_file(file).items() if n.startswith(prefix)}
        save_file(state, path / "tower" / "model.safetensors", metadata={"format": "pt"})
    return path


class Asked:
    """A folder that the program has loaded, over a base or by itself."""

    def __init__(self, path, base=None):
        os.chdir(path)  # the path of the tower is relative
        name = program.get_model_name_from_path(str(path))
        self.parts = load_pretrained_model(str(path), base, name, device="cpu")
        self.path, self.generate = path, self.parts[1].generate
        self.parts[1].generate = self.watch
        program.load_pretrained_model = lambda *_: self.parts
        program.tokenizer_image_token = self.tokenize

    def watch(self, input_ids, **settings):
        self.ids, self.images = input_ids, settings["images"]
        self.answer = self.generate(input_ids, **settings)
        return self.answer

    def tokenize(self, prompt, *rest, **more):
        self.prompt = prompt
        return tokenizer_image_token(prompt, *rest, **more)

    def ask(self, picture, query, mode):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            program.eval_model(argparse.Namespace(
                model_path=str(self.path), model_base=None, query=query, conv_mode=mode, image_file=str(picture),
                sep=",", temperature=0, top_p=None, num_beams=1, max_new_tokens=NEW_TOKENS))
        text = said.getvalue().removesuffix("\n")
        if text.startswith("[WARNING]"):
            text = text.split("\n", 1)[1]
        return {"prompt": self.prompt, "input_ids": self.ids[0].tolist(),
                # For embeddings, generate() returns a BOS before its tokens.
                "tokens": self.answer[0].tolist()[1:],
                "text": text}


load_pretrained_model = program.load_pretrained_model
tokenizer_image_token = program.tokenizer_image_token


@torch.inference_mode()
def main():
    transformers.logging.set_verbosity_error()
    hold_on_cpu()
    made, questions = [], []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for number, (folder, asked) in enumerate(folders()):
            pictures = load_file(GOLDENS / folder["of"] / "golden.safetensors")
            reference = Asked(make(folder, scratch))
            for query, picture, mode in asked:
                Image.fromarray(pictures[f"picture.{picture}"].numpy()).save(scratch / "picture.png")
                questions.append({"folder": number, "picture": picture, "query": query, "mode": mode} |
                                 reference.ask(scratch / "picture.png", query, mode))
            made.append(folder)
            print(f"{folder['about']}: {questions[-1]['tokens'][:6]} {questions[-1]['text']!r}", flush=True)
        os.chdir("/")
    parts = {"folders": made, "questions": questions}
    lines = [f' "{name}": [\n  ' + ",\n  ".join(json.dumps(e, ensure_ascii=True) for e in entries) + "\n ]"
             for name, entries in parts.items()]
    (GOLDENS / "original_program.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
