#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes rows of floats and their quantised bytes by gguf: tests/data/quant/blocks.safetensors.

    python tests/oracle/block_vectors.py         needs gguf, numpy, safetensors

    x (rows, 64) f32                             usual values, outliers, ties, zeros, the smallest and the largest
    q8_0 (rows, 68) u8, q4_0 (rows, 36) u8       x in GGUF's types of these names
    q8_0.x, q4_0.x (rows, 64) f32                x dequantised by gguf
"""
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "quant" / "blocks.safetensors"


def rows():
    random = np.random.default_rng(7)
    made = [random.normal(0, scale, (8, 64)) for scale in (1, 0.02, 1e-5, 300)]
    outliers = random.normal(0, 1, (8, 64))
    outliers[:, 5] *= 30
    ties = np.tile(np.arange(-16, 16) * 0.5, (2, 2))
    ties[:, 0] = 127 * np.sign(random.normal(0, 1, 2))
    special = np.zeros((6, 64))
    special[1, 3] = -1
    special[2, 40] = 1
    special[3] = 1e-30
    special[4] = 65504 * 8 * np.sign(random.normal(0, 1, 64))
    special[5, ::2] = np.float32(1e-45)
    return np.concatenate([*made, outliers, ties, special]).astype(np.float32)


def main():
    x = rows()
    tensors = {"x": x}
    for name in ("q8_0", "q4_0"):
        kind = gguf.GGMLQuantizationType[name.upper()]
        tensors[name] = gguf.quantize(x, kind)
        tensors[f"{name}.x"] = gguf.dequantize(tensors[name], kind)
    OUT.parent.mkdir(exist_ok=True)
    save_file(tensors, OUT, {"made by": f"gguf {version('gguf')}, numpy {np.__version__}"})


if __name__ == "__main__":
    main()
