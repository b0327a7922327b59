#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/plans_llava_next.txt: how LLaVA-NeXT cuts images of many sizes and merges their image tokens.

    python tests/oracle/next_plans.py CHECKOUT     needs torch, transformers 4.57, Pillow, numpy; CHECKOUT is a folder
                                                   that holds llava/mm_utils.py and llava/model/llava_arch.py of
                                                   LLaVA-VL/LLaVA-NeXT, df179663ae8b83207df100a1f7af24caec633ff9

The program's own functions run. Its builders of models are stand-ins, since only functions of sizes and of tensors are
used. The image tokens of all squares are numbers, a hash of their row, and so is the newline, whose row comes after
them: the merged numbers show the order of the rows, and of pooled blocks the largest.

    block SETTING first squares tokens crc    64 sizes of image_plans.py's `sizes`, from the first-th; sums, and the crc
                                              of each size's squares, tokens and numbers as little-endian 32-bit
                                              integers (of a map that is shrunk: of squares and tokens alone)
    pixels SETTING kind seed W H crc …        an image of image_files.py; the crc of each square, without the whole
                                              image if the merge leaves it out

A crc is zlib.crc32. A SETTING is a name of SETTINGS. The first line names the versions.
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
from image_plans import BLOCK, OUT, PUBLISHED, SIZES, sizes

# name: image_aspect_ratio, mm_patch_merge_type, canvases as the file states them, side of the tower, side of the grid
SETTINGS = {
    "unpad": ("anyres", "spatial_unpad", PUBLISHED, 336, 24),
    "max": ("anyres_max_4", "spatial_unpad", "(1x1),...,(3x4)", 384, 27),
    "pooled": ("anyres", "spatial_maxpool2x2", PUBLISHED, 336, 24),
    "pooled_odd": ("anyres", "spatial_unpad_maxpool2x2_nobase", "(1x1),...,(2x3)", 384, 27),
    "highres": ("highres", "flat", "224,672", 224, 16),
    "highres_unpad": ("highres", "spatial_unpad", "224, 672,448", 336, 24),
    "highres_pooled": ("highres", "spatial_maxpool2x2_nobase", "448", 224, 16),
    "crop_split": ("crop_split", "flat", 672, 336, 24),
    "crop_split_odd": ("crop_split", "flat", 63, 21, 3),
}
PIXELS = [("highres", "scene", 1, 640, 480), ("highres", "noise", 2, 50, 300), ("highres_unpad", "noise", 3, 301, 300),
          ("highres_unpad", "scene", 4, 337, 900), ("highres_pooled", "gradient", 5, 7, 448),
          ("highres_pooled", "noise", 6, 448, 448), ("crop_split", "noise", 7, 700, 500),
          ("crop_split", "scene", 8, 401, 1201), ("crop_split", "noise", 9, 20, 20),
          ("crop_split_odd", "noise", 10, 100, 63), ("crop_split_odd", "noise", 11, 102, 63),
          ("crop_split_odd", "noise", 12, 63, 106), ("crop_split_odd", "noise", 13, 64, 63),
          ("crop_split_odd", "noise", 14, 1, 80), ("unpad", "noise", 15, 500, 333)]


def load(checkout):
    """Returns the modules mm_utils and llava_arch. What builds models is replaced by empty modules."""
    Image.ANTIALIAS = Image.LANCZOS  # its name before Pillow 10
    package = types.ModuleType("llava")
    package.__path__ = [str(Path(checkout) / "llava")]
    model = types.ModuleType("llava.model")
    model.__path__ = [str(Path(checkout) / "llava" / "model")]
    sys.modules.update({"llava": package, "llava.model": model})
    constants = types.ModuleType("llava.constants")
    constants.IGNORE_INDEX, constants.IMAGE_TOKEN_INDEX = -100, -200
    for name in ("IMAGE_PATCH", "IM_START", "IM_END", "IMAGE"):
        setattr(constants, f"DEFAULT_{name}_TOKEN", name)
    sys.modules["llava.constants"] = constants
    for name, made in (("model.multimodal_encoder.builder", "build_vision_tower"), ("utils", "rank0_print"),
                       ("model.multimodal_resampler.builder", "build_vision_resampler"),
                       ("model.multimodal_projector.builder", "build_vision_projector")):
        module = types.ModuleType(f"llava.{name}")
        setattr(module, made, print)
        module.rank_print = print
        sys.modules[f"llava.{name}"] = module
    for name in ("encoder", "resampler", "projector"):
        sys.modules[f"llava.model.multimodal_{name}"] = types.ModuleType(name)
    from llava import mm_utils
    from llava.model import llava_arch
    return mm_utils, llava_arch


def numbers_of_rows(count):
    """A hash of each row: two rows have different numbers, and the largest of a few may be any of them."""
    return torch.from_numpy((np.arange(count, dtype=np.int64) * 40503 % 65521).astype(np.float32))


class Size(Image.Image):
    """An image without pixels, since a strip would have billions of them."""

    def __init__(self, width, height):
        super().__init__()
        self._size = (width, height)

    def resize(self, size, *_):
        return Size(*size)

    def crop(self, box):
        left, top, right, bottom = (int(round(side)) for side in box)  # as Image.crop does
        return Size(right - left, bottom - top)


class Program:
    def __init__(self, checkout):
        self.utils, self.arch = load(checkout)
        self.model = type("Model", (self.arch.LlavaMetaForCausalLM,), {
            "get_model": lambda s: s.inner, "encode_images": lambda s, images: images[..., 0],
            "device": torch.device("cpu")})()

    def squares_of(self, setting, width, height):
        """The number of squares, from the program's own cutting where it depends on the size."""
        aspect, _, canvases, side, _ = SETTINGS[setting]
        if aspect.startswith("anyres"):
            across, down = self.utils.get_anyres_image_grid_shape((width, height), canvases, side)
            return 1 + across * down
        if aspect == "highres":
            return 1 + (max(int(n) for n in canvases.split(",")) // side) ** 2
        middle = self.utils.resize_and_center_crop(Size(width, height), canvases)
        return len(self.utils.extract_patches(middle, side, 0))

    def merged(self, setting, width, height):
        """Returns the number of squares and the merged numbers. A prompt of a token and an image is spliced."""
        aspect, merge, canvases, side, grid = SETTINGS[setting]
        squares = self.squares_of(setting, width, height)
        numbers = numbers_of_rows(squares * grid * grid + 1)
        tower = types.SimpleNamespace(num_patches_per_side=grid, image_size=side)
        self.model.inner = types.SimpleNamespace(image_newline=numbers[-1:], get_vision_tower=lambda: tower,
                                                 embed_tokens=lambda ids: torch.zeros(len(ids), 1))
        self.model.model = self.model.inner
        self.model.config = types.SimpleNamespace(mm_patch_merge_type=merge, image_aspect_ratio=aspect,
                                                  image_grid_pinpoints=canvases)
        features = numbers[:-1].reshape(squares, grid * grid, 1, 1)
        spliced = self.model.prepare_inputs_labels_for_multimodal(
            torch.tensor([[1, -200]]), None, None, None, None, [features], image_sizes=[(width, height)])[4]
        return squares, spliced[0, 1:, 0]

    def squares(self, setting, pixels):
        aspect, _, canvases, side, _ = SETTINGS[setting]
        raw = types.SimpleNamespace(  # CLIP's processor without the numbers: squares of its own size are unchanged
            crop_size={"height": side}, size={"shortest_edge": side}, image_mean=[0.48145466, 0.4578275, 0.40821073],
            preprocess=lambda image, return_tensors: {"pixel_values": [torch.tensor(np.array(image))]})
        config = types.SimpleNamespace(image_aspect_ratio=aspect, image_grid_pinpoints=canvases,
                                       image_crop_resolution=canvases, image_split_resolution=side)
        return self.utils.process_images([Image.fromarray(pixels)], raw, config)[0].numpy()


def main(checkout):
    program = Program(checkout)
    lines = [f"# tests/oracle/next_plans.py: LLaVA-NeXT df179663, transformers {transformers.__version__}, "
             f"Pillow {PIL.__version__}, torch {torch.__version__}"]
    for setting, (aspect, *_) in SETTINGS.items():
        size = sizes()
        for first in range(0, SIZES, BLOCK):
            crc = all_squares = all_tokens = 0
            for width, height in itertools.islice(size, BLOCK):
                if "max" in aspect and min(width, height) * 100 < max(width, height):  # it fails on some strips
                    width = height
                squares, merged = program.merged(setting, width, height)
                whole = np.concatenate([[squares, len(merged)], [] if "max" in aspect else merged.numpy()])
                crc = zlib.crc32(whole.astype("<i4").tobytes(), crc)
                all_squares, all_tokens = all_squares + squares, all_tokens + len(merged)
            lines.append(f"block {setting} {first} {all_squares} {all_tokens} {crc:08x}")
    for setting, kind, seed, width, height in PIXELS:
        squares = program.squares(setting, draw(kind, seed, width, height))
        assert len(squares) == program.squares_of(setting, width, height)
        if "nobase" in SETTINGS[setting][1]:
            squares = squares[1:]
        crcs = " ".join(f"{zlib.crc32(np.ascontiguousarray(s).astype(np.uint8).tobytes()):08x}" for s in squares)
        lines.append(f"pixels {setting} {kind} {seed} {width} {height} {crcs}")
    (OUT / "plans_llava_next.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
