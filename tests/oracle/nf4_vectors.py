#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes matrices and their NF4 form by bitsandbytes: tests/data/quant/nf4.safetensors.

    python tests/oracle/nf4_vectors.py         needs bitsandbytes >= 0.50, torch, safetensors; runs on the CPU

For each matrix NAME (several shapes; f32, f16 and bf16; outliers, zeros, rows that end inside a block):

    NAME                         the matrix
    NAME.codes u8                4-bit codes, the first of two in the high half
    NAME.scale_codes u8, NAME.outer f32, NAME.mean f32, map f32       the doubly quantised scales
    NAME.values f32              the matrix dequantised, if it is small

bitsandbytes' CPU program quantises the scales through a table of 65536 entries, and not to the nearest code as its CUDA
program does. Its path for f64 takes the nearest code, so the scales are passed to it as f64.
"""
from importlib.metadata import version
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "quant" / "nf4.safetensors"
MAP = bnb.create_dynamic_map()


def matrices():
    torch.manual_seed(3)
    outliers = torch.randn(4, 128)
    outliers[:, 5] *= 40
    outliers[1, 64:] = 0
    outliers[2, :64] *= 1e-30
    outliers[3, 64:] *= 3e-41  # denormal
    return {
        "wide": torch.randn(3, 192),
        "inside": torch.randn(7, 75) * torch.rand(7, 1),
        "small": torch.randn(1, 40).half(),
        "many": (torch.randn(260, 64) * torch.rand(260, 1) * 0.05).half(),
        "brain": torch.randn(5, 96).bfloat16(),
        "outliers": outliers,
        "zeros": torch.zeros(2, 64),
        "equal": torch.full((2, 96), -0.25),
        "ends": torch.tensor([[-1, 1.0] * 32] * 3),
    }


def main():
    tensors = {}
    for name, x in matrices().items():
        codes, state = bnb.quantize_4bit(x, blocksize=64, quant_type="nf4")
        mean = state.absmax.mean()
        scale_codes, outer = torch.ops.bitsandbytes.quantize_blockwise.default((state.absmax - mean).double(), MAP, 256)
        double = bnb.QuantState(absmax=scale_codes, shape=x.shape, dtype=torch.float32, blocksize=64, code=state.code,
                                quant_type="nf4", offset=mean,
                                state2=bnb.QuantState(absmax=outer, code=MAP, blocksize=256, dtype=torch.float32))
        values = bnb.dequantize_4bit(codes, double)
        tensors |= {name: x, f"{name}.codes": codes.reshape(-1), f"{name}.scale_codes": scale_codes,
                    f"{name}.outer": outer, f"{name}.mean": mean.reshape(1)}
        if x.numel() < 1000:
            tensors[f"{name}.values"] = values
        tensors["map"] = MAP
    OUT.parent.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT,
              {"made by": f"bitsandbytes {version('bitsandbytes')}, torch {torch.__version__}"})


if __name__ == "__main__":
    main()
