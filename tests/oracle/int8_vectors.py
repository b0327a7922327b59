#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes rows in LLM.int8's form and products by bitsandbytes: tests/data/quant/int8.safetensors.

    python tests/oracle/int8_vectors.py         needs bitsandbytes >= 0.50, torch, safetensors; runs on the CPU

    w (N, K) f16, w.codes i8, w.scales f32      a weight, quantised row by row
    x (T, K) f32                                activations: a row without outliers, one with one, one with several
    y (T, N) f32                                x · wᵀ by bitsandbytes' parts of an 8-bit product, threshold 6, for
                                                each row of x alone

bitsandbytes' CPU program divides sums by 127² with a constant that is 1.8e-5 too large (6.200124e-05; its CUDA
program has 6.200012e-05), so the division is done here.
"""
from importlib.metadata import version
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "quant" / "int8.safetensors"


def main():
    torch.manual_seed(11)
    w = (torch.randn(20, 150) * torch.rand(20, 1)).half()
    w[3] = 0
    w[4, 7] = 50
    x = torch.randn(3, 150)
    x[1, 40] = -7.5
    x[2, [0, 64, 65, 149]] = torch.tensor([6.0, 30.0, -6.25, 100.0])
    codes, scales, _ = bnb.int8_vectorwise_quant(w.float().half())
    y = []
    for row in x:
        row = row[None].clone()
        row_codes, row_scales, outliers = torch.ops.bitsandbytes.int8_vectorwise_quant.default(row, 6.0)
        sums = torch.ops.bitsandbytes.int8_linear_matmul.default(row_codes, codes)
        weights = torch.ops.bitsandbytes.int8_vectorwise_dequant.default(codes[:, outliers].contiguous(), scales)
        y.append(sums.double() * row_scales * scales / 127**2 + row[:, outliers].double() @ weights.T.double())
    save_file({"w": w, "w.codes": codes, "w.scales": scales, "x": x, "y": torch.cat(y).float()}, OUT,
              {"made by": f"bitsandbytes {version('bitsandbytes')}, torch {torch.__version__}"})


if __name__ == "__main__":
    main()
