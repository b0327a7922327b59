#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/plans_<program>.txt: how a program cuts images of many sizes and orders their image tokens.

    python tests/oracle/image_plans.py original        needs llava-torch 1.2.2.post1 and what original_program.py needs
    python tests/oracle/image_plans.py transformers    needs transformers 4.57 (the slow classes), torch, pillow, numpy
    python tests/oracle/image_plans.py onevision       the same; LlavaOnevision shrinks large maps (anyres_max_N)

The program itself merges the image tokens: each is a number, its row among the rows of all squares, and the newline is
the row after them. So the result is the order of the rows.

    size W H squares tokens                                       the table of LLaVA-1.6's own canvases
    block SETTING first squares tokens crc                        64 sizes of the recurrence in `sizes`, from the
                                                                  first-th; sums, and the crc of each size's squares,
                                                                  tokens and rows as little-endian 32-bit integers
    pixels SETTING kind seed W H crc …                            an image of image_files.py; the crc of each square
    shrunk SETTING W H squares tokens value …                     the merged row numbers themselves, as interpolated

A crc is zlib.crc32. A SETTING is a name of SETTINGS: canvases as the file states them, side of the tower, side of the
grid of image tokens, merge. onevision has a number of squares, to which a map is shrunk, in place of a merge; its crc
is that of squares and tokens alone. The first line names the versions.
"""
import itertools
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image

from image_files import draw

OUT = Path(__file__).resolve().parent.parent / "data" / "image"
PUBLISHED = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
SETTINGS = {
    "published": (PUBLISHED, 336, 24, "spatial_unpad"),
    "spatial": (PUBLISHED, 336, 24, "spatial"),
    "small": ([[a // 6, b // 6] for a, b in PUBLISHED], 56, 4, "spatial_unpad"),
    "ranges": ([[384 * a, 384 * b] for a in range(1, 5) for b in range(1, 4)], 384, 27, "spatial_unpad"),
}
SHRUNK = {
    "published_max_9": ([[384 * a, 384 * b] for a in range(1, 7) for b in range(1, 7)], 384, 27, "anyres_max_9"),
    "small_max_2": ([[56 * a, 56 * b] for a in range(1, 7) for b in range(1, 7)], 56, 4, "anyres_max_2"),
}
SHRUNK_SIZES = [(300, 200), (61, 40), (336, 336), (90, 330), (330, 91), (250, 333), (56, 56), (112, 112), (1000, 411)]
TABLE = [(336, 336), (200, 200), (337, 336), (640, 480), (480, 640), (427, 640), (1024, 899), (1000, 1000), (672, 672),
         (1920, 1080), (1080, 1920), (500, 100), (100, 500), (333, 500), (3000, 600), (1344, 336), (1, 1), (1, 16384),
         (16384, 1),
         # sizes whose unpadded side the two programs round differently
         (47, 1128), (55, 176), (88, 99), (235, 1128), (376, 799), (110, 176), (198, 176)]
PIXELS = [("published", "scene", 1, 640, 480), ("published", "noise", 2, 100, 500),
          ("published", "noise", 3, 1300, 301), ("published", "gradient", 4, 337, 336),
          ("published", "scene", 5, 1, 700), ("small", "noise", 6, 61, 40),
          ("small", "noise", 7, 37, 37), ("small", "noise", 8, 33, 90), ("small", "noise", 9, 112, 112),
          ("small", "scene", 10, 57, 1000), ("small", "scene", 11, 999, 20), ("small", "noise", 12, 5, 4),
          ("ranges", "scene", 13, 900, 400), ("ranges", "noise", 14, 70, 2000)]
VERSIONS = (f"# tests/oracle/image_plans.py {{}}: transformers {transformers.__version__}, Pillow {PIL.__version__}, "
            f"torch {torch.__version__}")
SIZES = 1600
BLOCK = 64


def sizes():
    """Yields sizes: tiny, small and large ones, and strips."""
    state = 1

    def next_below(limit):
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return 1 + (state >> 8) % limit

    for i in itertools.count():
        across, down = ((64, 64), (700, 700), (3000, 3000), (9000, 64), (64, 9000))[i % 5]
        yield next_below(across), next_below(down)


def row_numbers(squares, grid):
    return torch.arange(squares * grid * grid).float().reshape(squares, grid * grid, 1)


class Original:
    """haotian-liu/LLaVA: mm_utils.process_anyres_image and LlavaMetaForCausalLM."""

    merges = ("spatial", "spatial_unpad")

    def __init__(self):
        from llava import mm_utils
        from llava.model import llava_arch
        self.utils = mm_utils
        self.model = type("Model", (llava_arch.LlavaMetaForCausalLM,), {
            "get_model": lambda s: s.inner, "encode_images": lambda s, images: images[..., 0],
            "device": torch.device("cpu")})()

    def merged(self, canvases, side, grid, merge, width, height):
        across, down = self.utils.get_anyres_image_grid_shape((width, height), canvases, side)
        numbers = row_numbers(1 + across * down, grid)
        tower = types.SimpleNamespace(num_patches_per_side=grid, config=types.SimpleNamespace(image_size=side))
        newline = torch.tensor([float(numbers.numel())])
        self.model.inner = types.SimpleNamespace(
            image_newline=newline, get_vision_tower=lambda: tower,
            embed_tokens=lambda ids: torch.zeros(len(ids), 1))
        self.model.model = self.model.inner
        self.model.config = types.SimpleNamespace(mm_patch_merge_type=merge, image_aspect_ratio="anyres",
                                                  image_grid_pinpoints=canvases)
        # A token in front: the program takes a prompt of one token for a step of decoding.
        merged = self.model.prepare_inputs_labels_for_multimodal(
            torch.tensor([[1, -200]]), None, None, None, None, [numbers[..., None]],
            image_sizes=[(width, height)])[4]
        return len(numbers), merged[0, 1:, 0]

    def squares(self, canvases, side, pixels):
        raw = types.SimpleNamespace(
            crop_size={"height": side}, size={"shortest_edge": side},
            preprocess=lambda image, return_tensors: {"pixel_values": [torch.tensor(np.array(image))]})
        return self.utils.process_anyres_image(Image.fromarray(pixels), raw, canvases).numpy()


class Transformers:
    """LlavaNextImageProcessor and LlavaNextModel."""

    merges = ("spatial_unpad",)

    def __init__(self):
        from transformers.models.llava_next import image_processing_llava_next, modeling_llava_next
        self.model, self.processor = modeling_llava_next, image_processing_llava_next.LlavaNextImageProcessor

    def merged(self, canvases, side, grid, merge, width, height):
        assert merge == "spatial_unpad"
        config = types.SimpleNamespace(image_grid_pinpoints=canvases, vision_config=types.SimpleNamespace(
            image_size=side, patch_size=side // grid))
        squares = self.model.image_size_to_num_patches([height, width], canvases, side)
        numbers = row_numbers(squares, grid)
        merged, lengths = self.model.LlavaNextModel.pack_image_features(
            types.SimpleNamespace(config=config), [numbers], torch.tensor([[height, width]]), "default",
            torch.tensor([float(numbers.numel())]))
        processor = types.SimpleNamespace(patch_size=side // grid, num_additional_image_tokens=0,
                                          image_processor=types.SimpleNamespace(image_grid_pinpoints=canvases))
        kind = transformers.LlavaNextProcessor
        processor._get_unpadded_features = types.MethodType(kind._get_unpadded_features, processor)
        assert lengths.tolist() == [kind._get_number_of_features(processor, height, width, side, side)]
        return squares, merged[0][:, 0]

    def squares(self, canvases, side, pixels):
        return self.processor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=canvases,
            do_rescale=False, do_normalize=False)(Image.fromarray(pixels))["pixel_values"][0].transpose(0, 2, 3, 1)


class Onevision:
    """LlavaOnevisionModel."""

    def __init__(self):
        from transformers.models.llava_onevision import modeling_llava_onevision
        self.module = modeling_llava_onevision

    def merged(self, canvases, side, grid, ratio, width, height):
        config = types.SimpleNamespace(image_grid_pinpoints=canvases, vision_config=types.SimpleNamespace(
            image_size=side, patch_size=side // grid))
        squares = self.module.image_size_to_num_patches([height, width], canvases, side)
        numbers = row_numbers(squares, grid)
        merged, _ = self.module.LlavaOnevisionModel.pack_image_features(
            types.SimpleNamespace(config=config), [numbers], torch.tensor([[height, width]]),
            torch.tensor([float(numbers.numel())]), ratio)
        return squares, merged[0][:, 0]


def onevision(lines):
    program = Onevision()
    for setting, values in SHRUNK.items():
        size = sizes()
        for first in range(0, SIZES // 4, BLOCK):
            crc = all_squares = all_tokens = 0
            for width, height in itertools.islice(size, BLOCK):
                if min(width, height) * 100 < max(width, height):  # the program fails on some strips
                    width = height
                squares, rows = program.merged(*values, width, height)
                crc = zlib.crc32(np.array([squares, len(rows)], "<i4").tobytes(), crc)
                all_squares, all_tokens = all_squares + squares, all_tokens + len(rows)
            lines.append(f"block {setting} {first} {all_squares} {all_tokens} {crc:08x}")
    for width, height in SHRUNK_SIZES:
        squares, rows = program.merged(*SHRUNK["small_max_2"], width, height)
        numbers = " ".join(f"{v:.3f}" for v in rows.tolist())
        lines.append(f"shrunk small_max_2 {width} {height} {squares} {len(rows)} {numbers}")


def main(name):
    if name == "onevision":
        lines = [VERSIONS.format(name)]
        onevision(lines)
        return (OUT / f"plans_{name}.txt").write_text("\n".join(lines) + "\n")
    program = {"original": Original, "transformers": Transformers}[name]()
    lines = [VERSIONS.format(name)]
    for width, height in TABLE:
        squares, rows = program.merged(*SETTINGS["published"], width, height)
        lines.append(f"size {width} {height} {squares} {len(rows)}")
    for setting, (canvases, side, grid, merge) in SETTINGS.items():
        if merge not in program.merges:
            continue
        size = sizes()
        for first in range(0, SIZES, BLOCK):
            crc = all_squares = all_tokens = 0
            for width, height in itertools.islice(size, BLOCK):
                squares, rows = program.merged(canvases, side, grid, merge, width, height)
                whole = np.concatenate([[squares, len(rows)], rows.numpy()]).astype("<i4")
                crc = zlib.crc32(whole.tobytes(), crc)
                all_squares, all_tokens = all_squares + squares, all_tokens + len(rows)
            lines.append(f"block {setting} {first} {all_squares} {all_tokens} {crc:08x}")
    for setting, kind, seed, width, height in PIXELS:
        canvases, side, _, _ = SETTINGS[setting]
        squares = program.squares(canvases, side, draw(kind, seed, width, height))
        crcs = " ".join(f"{zlib.crc32(np.ascontiguousarray(s).astype(np.uint8).tobytes()):08x}" for s in squares)
        lines.append(f"pixels {setting} {kind} {seed} {width} {height} {crcs}")
    (OUT / f"plans_{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
