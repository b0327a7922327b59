#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes weights as bitsandbytes' layers save them: tests/data/bitsandbytes/{model,values}.safetensors.

    python tests/oracle/bitsandbytes_save.py         needs bitsandbytes >= 0.50, torch, safetensors; runs on the CPU

model.safetensors is the state of layers of bitsandbytes: `nf4` (doubly quantised, transformers' load_in_4bit), `plain`
(nf4 with f32 scales), `fp4`, `wide` (nf4 in blocks of 128), `int8` (LLM.int8) and a `norm` that is not quantised.
values.safetensors has the weights of the same names as bitsandbytes computes them: 4-bit weights
are rounded to f16, their type before.
"""
from importlib.metadata import version
from pathlib import Path

import bitsandbytes as bnb
import bitsandbytes.functional as functional
import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "bitsandbytes"


def main():
    torch.manual_seed(5)
    layers, values = torch.nn.ModuleDict(), {}
    for name, kind, double, shape in (("nf4", "nf4", True, (40, 96)), ("plain", "nf4", False, (7, 75)),
                                      ("fp4", "fp4", True, (16, 64)), ("wide", "nf4", True, (6, 80))):
        x = (torch.randn(shape) * torch.rand(shape[0], 1)).half()
        layer = bnb.nn.Linear4bit(shape[1], shape[0], bias=name == "nf4", compress_statistics=double, quant_type=kind)
        layer.weight = bnb.nn.Params4bit(x, requires_grad=False, compress_statistics=double, quant_type=kind,
                                         blocksize=128 if name == "wide" else 64)
        layers[name] = layer.to("cpu")
        values[f"{name}.weight"] = functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    x = torch.randn(24, 50).half()
    layers["int8"] = bnb.nn.Linear8bitLt(50, 24, bias=False, has_fp16_weights=False)
    layers["int8"].weight = bnb.nn.Int8Params(x, requires_grad=False, has_fp16_weights=False)
    weight = layers["int8"].to("cpu").weight
    values["int8.weight"] = functional.int8_vectorwise_dequant(weight.data, weight.SCB)
    layers["norm"] = torch.nn.LayerNorm(8, bias=False)
    made_by = {"made by": f"bitsandbytes {version('bitsandbytes')}, torch {torch.__version__}"}
    save_file({k: v.contiguous() for k, v in layers.state_dict().items()}, OUT / "model.safetensors", made_by)
    save_file({k: v.contiguous() for k, v in values.items()}, OUT / "values.safetensors", made_by)


if __name__ == "__main__":
    main()
