# SPDX-License-Identifier: Apache-2.0
"""The shapes that bench/gpu.sh measures, random weights of them, and what their stages cost.

    shapes.py FOLDER [--quick]    writes FOLDER/model (LLaVA-1.5-7B) and FOLDER/tiles (its tower with one layer of text,
                                  a model that cuts a picture into squares), in bf16

It needs no package. --quick writes shapes for a test, which take no time on the emulator.
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from full_size import LLAMA, VISION, write_folder  # noqa: E402

QUICK_TEXT = {**LLAMA, "vocab_size": 832, "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32}
QUICK_VISION = {**VISION, "hidden_size": 64, "image_size": 56, "intermediate_size": 128, "num_attention_heads": 2,
                "num_hidden_layers": 3}
# Bytes of a weight of the layers, of the head, and of an element of the KV cache (quant/format.hpp).
FORMATS = {"bf16": (2, 2, 2), "q8_0": (34 / 32, 2, 2), "q4_0": (18 / 32, 34 / 32, 2)}


class Shape:
    """Counts the work of the stages, as bench/pipeline/amounts.hpp does."""

    def __init__(self, text=LLAMA, vision=VISION):
        self.text, self.vision = text, vision
        width, wide = text["hidden_size"], text["intermediate_size"]
        queries, keys = (text[f"num_{k}_heads"] * text["head_dim"] for k in ("attention", "key_value"))
        self.layers = text["num_hidden_layers"] * (width * (2 * queries + 2 * keys) + 3 * width * wide)
        self.head = width * text["vocab_size"]

    def encode_flops(self, squares):
        v = self.vision
        hidden, layers = v["hidden_size"], v["num_hidden_layers"] - 1  # LLaVA does not run the last
        features = (v["image_size"] // v["patch_size"]) ** 2
        tower = layers * (4 * hidden ** 2 + 2 * hidden * v["intermediate_size"]) + 3 * v["patch_size"] ** 2 * hidden
        projector = hidden * self.text["hidden_size"] + self.text["hidden_size"] ** 2
        rows = features + 1
        return squares * (2 * rows * tower + 4 * rows ** 2 * hidden * layers + 2 * features * projector)

    def prefill_flops(self, tokens):
        t = self.text
        seen = tokens * (tokens + 1) / 2
        attention = 4 * seen * t["num_attention_heads"] * t["head_dim"] * t["num_hidden_layers"]
        return 2 * tokens * self.layers + 2 * self.head + attention

    def decode_bytes(self, weights, depth, sequences=1):
        """Bytes that a step of one token for each sequence must read."""
        t = self.text
        layer, head, element = FORMATS[weights]
        of_token = 2 * t["num_key_value_heads"] * t["head_dim"] * t["num_hidden_layers"] * element
        return self.layers * layer + self.head * head + sequences * (depth + 1) * of_token


def self_test():
    shape = Shape()
    expected = [(shape.encode_flops(1), 390e9), (shape.prefill_flops(640), 8.40e12), (shape.layers, 6.476e9),
                (shape.decode_bytes("bf16", 700), 13.58e9), (shape.decode_bytes("q4_0", 700), 4.15e9),
                (shape.decode_bytes("q8_0", 700, 16) - shape.decode_bytes("q8_0", 700), 15 * 701 * 524288)]
    for found, near in expected:
        if abs(found / near - 1) > 5e-3:
            sys.exit(f"shapes.py: expected about {near:.4g}, found {found:.4g}")


def main():
    quick = "--quick" in sys.argv
    folders = [a for a in sys.argv[1:] if not a.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__)
    text, vision = (QUICK_TEXT, QUICK_VISION) if quick else (LLAMA, VISION)
    start = time.monotonic()
    write_folder(pathlib.Path(folders[0]) / "model", "llava", text, vision, "BF16")
    write_folder(pathlib.Path(folders[0]) / "tiles", "llava_next", {**text, "num_hidden_layers": 1}, vision, "BF16")
    print(f"random weights written in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
