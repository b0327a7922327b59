# SPDX-License-Identifier: Apache-2.0
"""Writes a folder with a projector alone, and what LLaVA's own program answers with it: tests/data/torch/projector.

    python tests/oracle/projector_over_base.py    needs the packages of original_program.py

The folder is like those of LLaVA's first stage of training: config.json and mm_projector.bin. Its base is the golden
original_folder, which also has its tower. mm_projector.bin has the projector in f32 and a table of embeddings in bf16.
The program rounds both to f16 (--model-base); on the CPU its float16 is float32, so it is given a copy of the file that
is rounded already.

answer.json          picture (an image of original_folder's golden.safetensors), query, prompt, input_ids, tokens, text
answer.safetensors   image_tokens (1, P, D) f32
"""
import json
import os
import pathlib
import shutil
import tempfile

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from original_program import GOLDENS, Asked, hold_on_cpu

OUT = GOLDENS.parent / "torch" / "projector"
BASE = GOLDENS / "original_folder"
PICTURE, QUERY = "wide", "What is in the picture?"


def projector():
    torch.manual_seed(5)
    base = load_file(BASE / "model.safetensors")
    state = {name: torch.randn(t.shape) * 0.2 for name, t in base.items() if ".mm_projector." in name}
    table = base["model.embed_tokens.weight"].float()
    return state | {"model.embed_tokens.weight": (table + 0.1 * torch.randn(table.shape)).bfloat16()}


@torch.inference_mode()
def main():
    OUT.mkdir(parents=True, exist_ok=True)
    config = json.loads((BASE / "config.json").read_text()) | {"model_type": "llava_llama", "tune_mm_mlp_adapter": True}
    (OUT / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = projector()
    torch.save(state, OUT / "mm_projector.bin")
    hold_on_cpu()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "llava-v1.5-projector"
        shutil.copytree(OUT, folder)
        shutil.copytree(BASE / "tower", folder / "tower")
        torch.save({name: t.half().float() for name, t in state.items()}, folder / "mm_projector.bin")
        pixels = load_file(BASE / "golden.safetensors")[f"picture.{PICTURE}"]
        Image.fromarray(pixels.numpy()).save(folder / "picture.png")
        reference = Asked(folder, str(BASE))
        answer = {"picture": PICTURE, "query": QUERY} | reference.ask(folder / "picture.png", QUERY, None)
        tokens = reference.parts[1].encode_images(reference.images)
        os.chdir("/")
    (OUT / "answer.json").write_text(json.dumps(answer) + "\n")
    save_file({"image_tokens": tokens.float().contiguous()}, OUT / "answer.safetensors")
    print(answer, tokens.shape)


if __name__ == "__main__":
    main()
