#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/: images, and the results of Pillow and transformers for them.

    python tests/oracle/pillow_vectors.py        needs pillow, numpy, transformers, torch

The images are those of image_files.py.

    images.pack     the encoded images, concatenated
    decode.txt      name offset bytes width height crc, then the crc of the square that each setting gives:
                    pad 336, crop 224 (CLIP), stretch 384 (SigLIP); or: name offset bytes error
    cuts.txt        truncated files: name kept-bytes width height crc, or name kept-bytes error
    resize.txt      kind seed width height filter to-width to-height crc; Pillow 12 resizes in another order, and
                    with it only resize_12.txt is written
    squares.txt     kind seed width height setting shape resize crop crc
    normalise.f32   (2, 3, 256) little-endian floats: all bytes as normalised for CLIP and for SigLIP

A crc is zlib.crc32 of the RGB bytes (H, W, 3). The first line of each text file names the versions that made it.
"""
import io
import random
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
import transformers
from PIL import Image, features
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from image_files import broken_files, draw, jpeg_files, png_files

OUT = Path(__file__).resolve().parent.parent / "data" / "image"
VERSIONS = (f"# tests/oracle/pillow_vectors.py: Pillow {PIL.__version__} "
            f"(libjpeg-turbo {features.version('libjpeg_turbo')}, zlib {features.version('zlib')}), "
            f"transformers {transformers.__version__}, numpy {np.__version__}\n")
warnings.simplefilter("ignore")


def decoded(data):
    try:
        return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None


# --- squares ----------------------------------------------------------------------------------------------------------

CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
BYTES = dict(do_rescale=False, do_normalize=False)


def expand2square(pixels, mean):
    """Pads to a square as haotian-liu/LLaVA does."""
    h, w, _ = pixels.shape
    if w == h:
        return pixels
    side = max(w, h)
    canvas = Image.new("RGB", (side, side), tuple(int(m * 255) for m in mean))
    canvas.paste(Image.fromarray(pixels), ((side - w) // 2, (side - h) // 2))
    return np.array(canvas)


def square(pixels, setting, shape, resize, crop):
    mean, std = CLIP if setting == "clip" else HALF
    numbers = dict(image_mean=mean, image_std=std, **BYTES)
    if shape == "stretch":
        processor = SiglipImageProcessorPil(size={"height": resize, "width": resize}, **numbers)
    else:
        kind = LlavaImageProcessorPil if shape == "pad" else CLIPImageProcessorPil
        processor = kind(size={"shortest_edge": resize}, crop_size={"height": crop, "width": crop}, **numbers,
                         **({"do_pad": True} if shape == "pad" else {}))
    run = lambda p, x: np.asarray(
        p(Image.fromarray(x), return_tensors="np", input_data_format="channels_last")["pixel_values"]
    )[0].transpose(1, 2, 0)
    out = run(processor, pixels)
    assert out.dtype == np.uint8 and out.shape[0] == out.shape[1], (out.dtype, out.shape)
    if shape == "pad":  # LLaVA's own procedure gives the same
        clip = CLIPImageProcessorPil(size={"shortest_edge": resize}, crop_size={"height": crop, "width": crop},
                                     **numbers)
        assert (run(clip, expand2square(pixels, mean)) == out).all()
    return np.ascontiguousarray(out)


def crc(pixels):
    return f"{zlib.crc32(np.ascontiguousarray(pixels).tobytes()):08x}"


def normalise_table(mean, std):
    """Returns transformers' values of all bytes. Asserts that the formula of transformers 4.37 gives the same."""
    processor = CLIPImageProcessorPil(do_resize=False, do_center_crop=False, image_mean=mean, image_std=std)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    now = np.asarray(processor(ramp, return_tensors="np", input_data_format="channels_last")["pixel_values"])[0][:, 0]
    assert now.dtype == np.float32 and now.shape == (3, 256)
    scaled = (np.arange(256, dtype=np.uint8).astype(np.float64) * (1 / 255)).astype(np.float32)
    then = np.stack([(scaled - np.float32(m)) / np.float32(s) for m, s in zip(mean, std)])
    assert (now == then).all()
    return now


def write_files():
    pack, lines, cuts = b"", [], []
    for name, data in [*png_files(), *jpeg_files(), *broken_files()]:
        place = f"{name} {len(pack)} {len(data)}"
        pack += data
        pixels = decoded(data)
        if pixels is None:
            assert name.startswith("broken-"), name
            lines.append(f"{place} error")
            continue
        assert not name.startswith("broken-"), name
        h, w, _ = pixels.shape
        squares = (square(pixels, "clip", "pad", 336, 336), square(pixels, "clip", "crop", 224, 224),
                   square(pixels, "half", "stretch", 384, 384))
        lines.append(f"{place} {w} {h} {crc(pixels)} {' '.join(map(crc, squares))}")
        if name in ("png-2-8-33x17", "png-3-8-5x6-adam7", "png-many-idat", "jpeg-17x33-s2", "jpeg-17x33-progressive",
                    "jpeg-17x33-cmyk"):
            for kept in sorted({*range(len(data) - 40, len(data)), *range(8, len(data), len(data) // 23)}):
                whole = decoded(data[:kept])
                cuts.append(f"{name} {kept} " + ("error" if whole is None else f"{w} {h} {crc(whole)}"))
    (OUT / "images.pack").write_bytes(pack)
    (OUT / "decode.txt").write_text(VERSIONS + "\n".join(lines) + "\n")
    (OUT / "cuts.txt").write_text(VERSIONS + "\n".join(cuts) + "\n")


def write_resizes(file):
    lines = []
    rng = random.Random(7)
    sizes = [(1, 1), (1, 50), (50, 1), (2, 3), (7, 5), (100, 75), (75, 100), (336, 336), (640, 480), (427, 640),
             (1024, 899), (2000, 30), (30, 2000)]
    sizes += [(rng.randrange(1, 400), rng.randrange(1, 400)) for _ in range(30)]
    for i, (w, h) in enumerate(sizes):
        kind = ("noise", "scene", "blocks", "gradient")[i % 4]
        pixels = draw(kind, i + 1, w, h)
        targets = [(336, 336), (224, 224), (w, 97), (101, h), (rng.randrange(1, 500), rng.randrange(1, 500)), (1, 1)]
        for j, (tw, th) in enumerate(targets):
            for name, number in (("bicubic", 3), ("lanczos", 1), ("bilinear", 2)):
                if name == "bicubic" or j == 4:
                    lines.append(f"{kind} {i + 1} {w} {h} {name} {tw} {th} "
                                 f"{crc(Image.fromarray(pixels).resize((tw, th), number))}")
    (OUT / file).write_text(VERSIONS + "\n".join(lines) + "\n")


def write_squares():
    lines = []
    settings = [("clip", "pad", 336, 336), ("clip", "crop", 336, 336), ("clip", "pad", 224, 224),
                ("clip", "crop", 224, 224), ("half", "stretch", 384, 384), ("half", "pad", 384, 384),
                ("clip", "crop", 256, 224), ("clip", "crop", 100, 131), ("clip", "pad", 101, 130)]
    sizes = [(1, 1), (1, 2), (3, 1), (336, 336), (335, 336), (337, 336), (224, 300), (640, 480), (480, 640), (427, 640),
             (1024, 899), (1920, 1080), (1000, 10), (9, 800), (500, 499), (99, 1000), (400, 1300), (1300, 400)]
    for i, (w, h) in enumerate(sizes):
        kind = ("noise", "scene", "blocks", "gradient")[(i + 1) % 4]
        pixels = draw(kind, i + 1, w, h)
        for setting in settings:
            lines.append(f"{kind} {i + 1} {w} {h} {' '.join(map(str, setting))} {crc(square(pixels, *setting))}")
    pixels = draw("scene", 5, 3000, 2000)
    for setting in settings[:5]:
        lines.append(f"scene 5 3000 2000 {' '.join(map(str, setting))} {crc(square(pixels, *setting))}")
    (OUT / "squares.txt").write_text(VERSIONS + "\n".join(lines) + "\n")

    tables = np.stack([normalise_table(*CLIP), normalise_table(*HALF)])
    (OUT / "normalise.f32").write_bytes(tables.astype("<f4").tobytes())


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    if int(PIL.__version__.split(".")[0]) < 13:
        return write_resizes("resize_12.txt")
    write_files()
    write_resizes("resize.txt")
    write_squares()


if __name__ == "__main__":
    main()
