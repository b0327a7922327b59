#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs transformers' image processors with unusual settings: tests/data/image/processors.txt.

    python3 tests/oracle/image_processors.py        needs transformers 4.57 (the slow classes), torch, pillow, numpy

Each line is a preprocessor_config.json, a tab, and one crc for each of PICTURES: zlib.crc32 of pixel_values as
little-endian floats (3, 42, 42), from AutoImageProcessor in a folder of model_type llava. Or it is the JSON, a tab, the
word error and a part of the expected message, because transformers raises, because the result does not fit a tower of
42 pixels, or (REFUSED) because the C++ program does not support the setting.
"""
import json
import os
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
warnings.simplefilter("ignore")
import transformers  # noqa: E402
from transformers import AutoImageProcessor  # noqa: E402

from image_files import draw  # noqa: E402

OUT = Path(__file__).resolve().parent.parent / "data" / "image" / "processors.txt"
SIDE = 42
PICTURES = [("noise", 1, 61, 40), ("scene", 2, 40, 61), ("noise", 3, 50, 50), ("gradient", 4, 20, 17),
            ("noise", 5, 30, 140), ("scene", 6, 300, 31)]
EDGE, BOTH, LARGER = {"shortest_edge": 42}, {"height": 42, "width": 42}, {"height": 50, "width": 50}
CLIP = {"image_processor_type": "CLIPImageProcessor", "size": EDGE, "crop_size": BOTH}
LLAVA = CLIP | {"image_processor_type": "LlavaImageProcessor", "do_pad": True}
SIGLIP = {"image_processor_type": "SiglipImageProcessor", "size": BOTH}
VIT = {"image_processor_type": "ViTImageProcessor", "size": BOTH}
NAMELESS = {"size": EDGE, "crop_size": 42}

SETTINGS = [
    CLIP, CLIP | {"do_pad": True}, CLIP | {"image_processor_type": "CLIPImageProcessorFast"},
    NAMELESS, NAMELESS | {"do_pad": True},
    NAMELESS | {"feature_extractor_type": "CLIPFeatureExtractor", "size": 42, "do_pad": True},
    CLIP | {"size": LARGER}, CLIP | {"size": BOTH}, CLIP | {"size": [50, 50]},
    CLIP | {"crop_size": [42, 42]}, CLIP | {"size": {"shortest_edge": 30}},
    CLIP | {"size": BOTH, "do_center_crop": False}, CLIP | {"size": BOTH, "do_center_crop": None},
    CLIP | {"do_resize": False}, CLIP | {"do_rescale": False}, CLIP | {"do_normalize": False},
    CLIP | {"do_normalize": False, "do_rescale": False},
    CLIP | {"rescale_factor": 0.01}, CLIP | {"image_mean": 0.4, "image_std": 0.3},
    CLIP | {"image_mean": None, "image_std": None},
    CLIP | {"resample": 2}, CLIP | {"resample": 1}, CLIP | {"do_convert_rgb": False, "unknown_key": 7},
    LLAVA, LLAVA | {"do_pad": False}, LLAVA | {"do_pad": None}, LLAVA | {"do_center_crop": False},
    LLAVA | {"do_resize": False}, LLAVA | {"do_normalize": False, "image_mean": [0.7, 0.1, 0.3]},
    LLAVA | {"image_mean": [0.7, 0.1, 0.4980392156862745]}, LLAVA | {"size": LARGER},
    LLAVA | {"image_processor_type": "LlavaImageProcessorFast", "size": {"shortest_edge": 50}},
    SIGLIP, SIGLIP | {"do_center_crop": True, "crop_size": 30}, SIGLIP | {"do_pad": True}, SIGLIP | {"resample": 2},
    SIGLIP | {"image_mean": [0.1, 0.2, 0.3]},
    SIGLIP | {"image_processor_type": "SiglipImageProcessorFast"},
    VIT, VIT | {"size": 42}, VIT | {"resample": 3}, VIT | {"do_center_crop": True, "crop_size": 30},
    {"feature_extractor_type": "ViTFeatureExtractor", "size": 42},
    VIT | {"image_processor_type": "BlipImageProcessor"}, CLIP | {"image_processor_type": "BitImageProcessor"},
    CLIP | {"image_processor_type": "BitImageProcessor", "size": LARGER},
    CLIP | {"image_processor_type": "DeiTImageProcessor", "size": LARGER},
    CLIP | {"image_processor_type": "DeiTImageProcessor", "size": 50}, {"image_processor": SIGLIP, "size": EDGE},
]
WRONG = [
    (CLIP | {"size": {"longest_edge": 42}}, '"size" is an object of longest_edge, expected {"shortest_edge": …}, '
                                            '{"height": …, "width": …}, or a number for CLIPImageProcessor'),
    (CLIP | {"size": {"max_height": 42, "max_width": 42}}, '"size" is an object of max_height, max_width'),
    (CLIP | {"size": {"height": 42}}, '"size" is an object of height,'),
    (CLIP | {"size": {}}, '"size" is empty,'),
    (CLIP | {"crop_size": EDGE},
     '"crop_size" is an object of shortest_edge, expected {"height": …, "width": …}, '
     'or a number for CLIPImageProcessor'),
    (CLIP | {"crop_size": {"height": 40, "width": 42}},
     '"crop_size" is 42 x 40 for CLIPImageProcessor, expected a square'),
    (CLIP | {"size": {"shortest_edge": 42.0}}, '"size.shortest_edge" must be a 32-bit integer'),
    (CLIP | {"do_center_crop": False},
     '"do_center_crop" is false for CLIPImageProcessor, with a size of the shorter side, expected true, or'),
    (SIGLIP | {"do_resize": False}, '"do_resize" is false for SiglipImageProcessor, without a crop, expected true'),
    (LLAVA | {"do_resize": False, "do_center_crop": False},
     '"do_resize" is false for LlavaImageProcessor, without a crop'),
    (SIGLIP | {"size": EDGE},
     '"size" is an object of shortest_edge, expected {"height": …, "width": …} for SiglipImageProcessor'),
    (SIGLIP | {"size": 42}, '"size" must be {"height": …, "width": …} for SiglipImageProcessor'),
    (VIT | {"size": EDGE},
     '"size" is an object of shortest_edge, expected {"height": …, "width": …}, or a number for ViTImageProcessor'),
    (CLIP | {"size": BOTH, "crop_size": None}, "prepares images of 224 pixels, expected the tower's 42"),
    ({"image_processor_type": "SiglipImageProcessor"}, "prepares images of 224 pixels, expected the tower's 42"),
    (CLIP | {"image_processor_type": "LlavaNextImageProcessor"},
     "LlavaNextImageProcessor, which cuts an image into tiles (any resolution)"),
    (CLIP | {"image_processor_type": "NoSuchImageProcessor"},
     "NoSuchImageProcessor, expected CLIPImageProcessor, LlavaImageProcessor, SiglipImageProcessor, ViT"),
]
REFUSED = [
    (SIGLIP | {"resample": 0},
     '"resample" is 0 for SiglipImageProcessor, expected 1 (lanczos), 2 (bilinear) or 3 (bicubic)'),
    (CLIP | {"size": {"height": 50, "width": 60}}, '"size" is 60 x 50 for CLIPImageProcessor, expected a square'),
    # transformers 5.x reads the last two differently.
    (CLIP | {"size": {"shortest_edge": 42, "longest_edge": 42}}, '"size" is an object of shortest_edge, longest_edge,'),
    (CLIP | {"use_square_size": True}, '"use_square_size" is true for CLIPImageProcessor, expected false'),
]


def values(folder, setting):
    """Returns the pixel values of all images, or None if transformers raises or a tower of SIDE pixels would."""
    (folder / "preprocessor_config.json").write_text(json.dumps(setting))
    made = []
    for picture in PICTURES:
        try:
            processor = AutoImageProcessor.from_pretrained(folder, use_fast=False)
            pixels = np.asarray(processor(Image.fromarray(draw(*picture)), return_tensors="np")["pixel_values"])
        except (ValueError, KeyError, TypeError):
            return None
        if pixels.shape != (1, 3, SIDE, SIDE):
            return None
        made.append(pixels[0].astype("<f4"))
    return made


def main():
    lines = [f"# tests/oracle/image_processors.py: transformers {transformers.__version__}, "
             f"Pillow {PIL.__version__}, numpy {np.__version__}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": {"model_type": "llama"},
                                                        "vision_config": {"model_type": "clip_vision_model"}}))
        for setting in SETTINGS:
            made = values(folder, setting)
            assert made is not None, setting
            lines.append(json.dumps(setting) + "\t" + " ".join(
                f"{zlib.crc32(np.ascontiguousarray(p).tobytes()):08x}" for p in made))
        for setting, sentence in WRONG:
            assert values(folder, setting) is None, setting
            lines.append(f"{json.dumps(setting)}\terror {sentence}")
        for setting, sentence in REFUSED:
            assert values(folder, setting) is not None, setting
            lines.append(f"{json.dumps(setting)}\terror {sentence}")
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
