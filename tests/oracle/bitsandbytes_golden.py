#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/goldens/bitsandbytes_nf4: the model of text_llama, saved by transformers after bitsandbytes
quantised it to 4 bits, and transformers' results with these weights, in fp32 (goldens.py describes the files).
bitsandbytes rounds the weights to f16; in the cases called *_f32 they are not rounded.

    python tests/oracle/bitsandbytes_golden.py         needs bitsandbytes >= 0.50, accelerate, and what goldens.py needs
"""
import copy
import json
import shutil

import bitsandbytes as bnb
import torch
import transformers
from safetensors.torch import save_file

from golden_models import CASES, SPECS, TEMPLATE
from goldens import NEW_TOKENS, OUT, run_case


def dequantised(quantised, dtype):
    """Returns the model in fp32, with plain layers that have the weights of bitsandbytes' layers, rounded to dtype."""
    model = copy.deepcopy(quantised)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, bnb.nn.Linear4bit):
            plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            state = copy.deepcopy(layer.weight.quant_state)
            state.dtype = dtype
            plain.weight.data = bnb.functional.dequantize_4bit(layer.weight.data, state)
            plain.bias = layer.bias
            model.set_submodule(name, plain)
    return torch.nn.Module.float(model)  # transformers' own float() refuses a model that was quantised


@torch.no_grad()
def main():
    spec = next(s for s in SPECS if s.name == "text_llama")
    source, folder = OUT / spec.name, OUT / "bitsandbytes_nf4"
    shutil.rmtree(folder, ignore_errors=True)
    how = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(source, quantization_config=how, device_map="cpu",
                                                              dtype=torch.float16)
    model.save_pretrained(folder)
    for file in source.iterdir():
        if file.name in ("tokenizer.model", "tokenizer_config.json"):
            shutil.copy(file, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    expected, cases, worst = {}, [], float("inf")
    kinds = (("", torch.float16), ("_f32", torch.float32))
    for name, case, suffix, dtype in ((*c, *kind) for c in CASES.items() for kind in kinds):
        if not case["pictures"]:
            name += suffix
            stages, margin, length = run_case(dequantised(model, dtype), spec, tokenizer, {}, case)
            worst = min(worst, margin)
            expected |= {f"{name}.{k}": v.clone().contiguous() for k, v in stages.items()}
            cases.append({"name": name, "prompt": TEMPLATE.format(case["question"]), "pictures": [], "tokens": length})
    assert worst > 2e-4, worst
    save_file(expected, folder / "golden.safetensors")
    about = {"cases": cases, "new_tokens": NEW_TOKENS, "margin": worst,
             "versions": {"transformers": transformers.__version__, "torch": torch.__version__}}
    (folder / "golden.json").write_text(json.dumps(about, indent=1) + "\n")
    for made in folder.iterdir():
        made.chmod(0o644)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
