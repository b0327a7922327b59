#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what gguf decodes blocks of random bytes to, for each of ggml's types: tests/data/quant/ggml_blocks.txt.

    python tests/oracle/ggml_blocks.py         needs gguf, numpy

A line is: name, number, elements and bytes of a block, CRC-32 of the values of 512 blocks as f32. NaN counts as
0x7fc00000. Byte i of the blocks is bits 24 … 31 of i · 2654435761 + (i >> 8) · 40503 mod 2^32, which the test computes
as well. So every bit of a block is used, and scales are subnormal, infinite and NaN too.
"""
from importlib.metadata import version
from pathlib import Path
import zlib

import gguf
import numpy as np

OUT = Path(__file__).resolve().parent.parent / "data" / "quant" / "ggml_blocks.txt"
NAMES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
BLOCKS = 512


def stream(n):
    i = np.arange(n, dtype=np.uint64)
    return ((i * np.uint64(2654435761) + (i >> np.uint64(8)) * np.uint64(40503)) >> np.uint64(24)).astype(np.uint8)


def main():
    lines = [f"# gguf {version('gguf')}, numpy {np.__version__}"]
    for name in NAMES:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = stream(BLOCKS * size).reshape(BLOCKS, size)
        if name in ("F32", "F16"):
            blocks = blocks.view(np.float32 if name == "F32" else np.float16)
        with np.errstate(all="ignore"):
            x = np.ascontiguousarray(gguf.dequantize(blocks, kind), np.float32)
        assert x.size == BLOCKS * elements
        bits = x.view(np.uint32).copy()
        bits[np.isnan(x)] = 0x7fc00000
        lines.append(f"{name} {int(kind)} {elements} {size} {zlib.crc32(bits.tobytes()):08x}")
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
