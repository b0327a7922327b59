# SPDX-License-Identifier: Apache-2.0
"""Images from formulas, and PNG and JPEG files of every kind, for pillow_vectors.py.

The formulas use integers, and tests/image/images.hpp repeats them. This module writes most PNG files and the JPEG files
with unusual sampling itself, with fixed seeds; Pillow writes the others. A file whose name begins with broken- must be
rejected.
"""
import io
import random
import struct
import zlib

import numpy as np
from PIL import Image


# --- images from formulas ---------------------------------------------------------------------------------------------

def noise(x, y, c, seed):
    u = np.uint32
    h = ((x.astype(u) * u(0x9E3779B1)) ^ (y.astype(u) * u(0x85EBCA77)) ^ (c.astype(u) * u(0xC2B2AE3D))
         ^ u(seed * 0x27D4EB2F & 0xFFFFFFFF))
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        h = (h ^ (h >> u(shift))) * u(factor)
    return ((h ^ (h >> u(15))) >> u(24)).astype(np.int64)


def blurred(x, y, c, seed, cell):
    """Returns noise on a grid of `cell` pixels, interpolated bilinearly between its points."""
    i, j, fx, fy = x // cell, y // cell, x % cell, y % cell
    top = noise(i, j, c, seed) * (cell - fx) + noise(i + 1, j, c, seed) * fx
    bottom = noise(i, j + 1, c, seed) * (cell - fx) + noise(i + 1, j + 1, c, seed) * fx
    return (top * (cell - fy) + bottom * fy) // (cell * cell)


def draw(kind, seed, width, height):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    if kind == "noise":
        v = noise(x, y, c, seed)
    elif kind == "gradient":
        v = (x * (seed + c) * 3 + y * (7 - c)) // 4
        v = np.where(v & 256, 255 - v & 255, v & 255)
    elif kind == "blocks":
        v = np.where((x // seed + y // seed + c) % 2 == 0, 255, 0)
    elif kind == "scene":
        v = (2 * blurred(x, y, c, seed, 64) + blurred(x, y, c, seed + 1, 16) + blurred(x, y, c, seed + 2, 4)) // 4
    return v.astype(np.uint8)


# --- PNG, all kinds ---------------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png_rows(values, depth, rng):
    """Returns the filtered scan lines of values (H, W, channels). Each line has a random filter."""
    h, w, n = values.shape
    if h == 0 or w == 0:
        return b""
    out, above = b"", None
    step = max(1, depth * n // 8)
    for y in range(h):
        if depth == 16:
            line = values[y].astype(">u2").tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in values[y].reshape(-1))
            bits += "0" * (-len(bits) % 8)
            line = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        above = above or bytes(len(line))
        kind = rng.randrange(5)
        coded = bytearray()
        for i, value in enumerate(line):
            a = line[i - step] if i >= step else 0
            b = above[i]
            d = above[i - step] if i >= step else 0
            p = a + b - d
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - d), 2, d))[2]
            coded.append(value - (0, a, b, (a + b) // 2, paeth)[kind] & 255)
        out += bytes([kind]) + bytes(coded)
        above = line
    return out


def png(values, colour, depth, interlaced=False, extra=b"", seed=0, idat=1 << 30):
    rng = random.Random(seed)
    h, w, _ = values.shape
    if interlaced:
        passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        rows = b"".join(png_rows(values[y::dy, x::dx], depth, rng) for x, y, dx, dy in passes)
    else:
        rows = png_rows(values, depth, rng)
    data = zlib.compress(rows, 9)
    parts = b"".join(chunk(b"IDAT", data[i:i + idat]) for i in range(0, len(data), idat))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + parts + chunk(b"IEND", b"")


def palette(n, seed):
    rng = random.Random(seed)
    return chunk(b"PLTE", bytes(rng.randrange(256) for _ in range(3 * n)))


def png_files():
    rng = np.random.default_rng(1)
    kinds = ([(0, d) for d in (1, 2, 4, 8, 16)] + [(2, 8), (2, 16)] + [(3, d) for d in (1, 2, 4, 8)]
             + [(4, 8), (4, 16), (6, 8), (6, 16)])
    for colour, depth in kinds:
        for w, h in ((1, 1), (1, 9), (11, 1), (5, 6), (33, 17)):
            for interlaced in (False, True):
                values = rng.integers(0, 1 << depth, (h, w, CHANNELS[colour]))
                extra = palette(min(1 << depth, 256), w + h) if colour == 3 else b""
                yield (f"png-{colour}-{depth}-{w}x{h}{'-adam7' if interlaced else ''}",
                       png(values, colour, depth, interlaced, extra, w * h))
    # 16-bit grey values near the ends of the range, where clipping shows
    values = np.array([0, 1, 127, 128, 254, 255, 256, 257, 0x0180, 0x7FFF, 0x8000, 0xFEFF, 0xFFFF]).reshape(1, -1, 1)
    yield "png-grey16-ends", png(values, 0, 16)
    yield "png-grey16-dark", png(rng.integers(0, 300, (20, 20, 1)), 0, 16)
    # transparency in a chunk, which changes no pixel
    grey, rgb = rng.integers(0, 256, (7, 9, 1)), rng.integers(0, 256, (7, 9, 3))
    yield "png-trns-grey", png(grey, 0, 8, extra=chunk(b"tRNS", struct.pack(">H", int(grey[0, 0, 0]))))
    yield "png-trns-grey1", png(grey % 2, 0, 1, extra=chunk(b"tRNS", b"\0\1"))
    yield "png-trns-grey16", png(grey, 0, 16, extra=chunk(b"tRNS", struct.pack(">H", int(grey[0, 0, 0]))))
    yield "png-trns-rgb", png(rgb, 2, 8, extra=chunk(b"tRNS", struct.pack(">3H", *map(int, rgb[0, 0]))))
    yield "png-trns-palette", png(grey, 3, 8, extra=palette(256, 3) + chunk(b"tRNS", bytes(range(200))))
    yield "png-trns-palette-adam7", png(grey % 16, 3, 4, True, palette(16, 4) + chunk(b"tRNS", b"\0\x80"))
    # a palette that is too short: the missing colours are black
    yield "png-palette-short", png(grey, 3, 8, extra=palette(100, 5))
    yield "png-palette-short-2", png(grey % 4, 3, 2, extra=palette(3, 6))
    # chunks that must be ignored
    gamma = chunk(b"gAMA", struct.pack(">I", 220000))
    yield "png-gamma", png(rgb, 2, 8, extra=gamma + chunk(b"sRGB", b"\0"))
    yield "png-gamma-grey4", png(grey % 16, 0, 4, extra=gamma)
    yield "png-sbit", png(rgb, 2, 8, extra=chunk(b"sBIT", b"\5\6\5"))
    yield "png-background", png(rng.integers(0, 256, (7, 9, 4)), 6, 8,
                                extra=chunk(b"bKGD", struct.pack(">3H", 9, 200, 30)))
    yield "png-profile", png(rgb, 2, 8, extra=chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile" * 20)))
    yield "png-text", png(rgb, 2, 8, extra=chunk(b"tEXt", b"Comment\0hello")
                          + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 5000)))
    yield "png-many-idat", png(rng.integers(0, 256, (20, 20, 3)), 2, 8, idat=7)
    yield "png-turned", png(rgb, 2, 8, extra=chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"))
    # files that Pillow writes
    scene = Image.fromarray(draw("scene", 3, 60, 45))
    for mode, convert in (("1", "1"), ("L", "L"), ("LA", "LA"), ("P", "P"), ("RGBA", "RGBA"), ("RGB", "RGB")):
        yield f"png-pillow-{mode}", saved(scene.convert(convert), "PNG")
    for colours in (2, 4, 13, 100):
        yield f"png-pillow-P{colours}", saved(scene.quantize(colours), "PNG")


# --- JPEG -------------------------------------------------------------------------------------------------------------

def saved(picture, form, **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def jpeg(width, height, samplings, adobe=None, jfif=False, restart=0, seed=0, ids=None, precision=8):
    """Returns a baseline JPEG of random coefficients. samplings has (horizontal, vertical) for each component."""
    rng = random.Random(seed)
    marker = lambda code, data: struct.pack(">BBH", 0xFF, code, len(data) + 2) + data
    n = len(samplings)
    ids = ids or range(1, n + 1)
    out = b"\xff\xd8"
    if jfif:
        out += marker(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if adobe is not None:
        out += marker(0xEE, b"Adobe\0d\0\0\0\0" + bytes([adobe]))
    out += marker(0xDB, b"\0" + bytes([16] + [10] * 63))
    out += marker(0xC0, struct.pack(">BHHB", precision, height, width, n)
                  + b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, samplings)))
    ac = [run << 4 | size for run in range(16) for size in range(1, 11)] + [0x00, 0xF0]
    out += marker(0xC4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    out += marker(0xC4, b"\x10" + bytes([0] * 7 + [len(ac)] + [0] * 8) + bytes(ac))
    if restart:
        out += marker(0xDD, struct.pack(">H", restart))
    out += marker(0xDA, bytes([n]) + b"".join(bytes([i, 0]) for i in ids) + b"\0\x3f\0")

    bits = []
    last = [0] * n

    def put(value, size):
        bits.extend((value >> i) & 1 for i in reversed(range(size)))

    def number(v):
        size = abs(v).bit_length()
        return size, v if v >= 0 else v + (1 << size) - 1

    def flush():
        data = bytearray()
        while len(bits) % 8:
            bits.append(1)
        for i in range(0, len(bits), 8):
            data.append(int("".join(map(str, bits[i:i + 8])), 2))
            if data[-1] == 0xFF:
                data.append(0)
        bits.clear()
        return bytes(data)

    hmax, vmax = (max(s[i] for s in samplings) for i in (0, 1))
    if n == 1:
        samplings, hmax, vmax = [(1, 1)], 1, 1
    mcus = -(-width // (8 * hmax)) * -(-height // (8 * vmax))
    for m in range(mcus):
        if restart and m and m % restart == 0:
            out += flush() + bytes([0xFF, 0xD0 + (m // restart - 1) % 8])
            last = [0] * n
        for i, (h, v) in enumerate(samplings):
            for _ in range(h * v):
                dc = rng.randrange(-45, 46)
                size, value = number(dc - last[i])
                last[i] = dc
                put(size, 4), put(value, size)
                for _ in range(rng.randrange(4)):
                    run = rng.randrange(6)
                    size, value = number(rng.choice((-1, 1)) * rng.randrange(1, 16))
                    put(ac.index(run << 4 | size), 8), put(value, size)
                put(ac.index(0), 8)
    return out + flush() + b"\xff\xd9"


def jpeg_files():
    scenes = {size: Image.fromarray(draw("scene", i, *size)) for i, size in enumerate(
        ((1, 1), (1, 19), (23, 1), (8, 8), (17, 33), (64, 48), (100, 75)))}
    for (w, h), scene in scenes.items():
        for sampling in (0, 1, 2):
            yield f"jpeg-{w}x{h}-s{sampling}", saved(scene, "JPEG", quality=85, subsampling=sampling)
        yield f"jpeg-{w}x{h}-grey", saved(scene.convert("L"), "JPEG")
        yield f"jpeg-{w}x{h}-progressive", saved(scene, "JPEG", quality=90, progressive=True)
        yield f"jpeg-{w}x{h}-cmyk", saved(scene.convert("CMYK"), "JPEG", quality=80)
    scene = scenes[64, 48]
    hard = Image.fromarray(draw("noise", 5, 50, 41))
    for q in (1, 10, 30, 50, 75, 95, 100):
        yield f"jpeg-q{q}", saved(scene, "JPEG", quality=q)
        yield f"jpeg-noise-q{q}", saved(hard, "JPEG", quality=q, subsampling=0 if q % 2 else 2)
    yield "jpeg-optimised", saved(scene, "JPEG", optimize=True)
    yield "jpeg-progressive-grey", saved(scene.convert("L"), "JPEG", progressive=True)
    yield "jpeg-progressive-cmyk", saved(scene.convert("CMYK"), "JPEG", progressive=True)
    yield "jpeg-progressive-noise", saved(hard, "JPEG", quality=100, progressive=True, subsampling=0)
    yield "jpeg-restart", saved(scene, "JPEG", restart_marker_blocks=3)
    yield "jpeg-rgb", saved(scene, "JPEG", keep_rgb=True)
    exif = Image.Exif()
    for orientation in (3, 6, 8):
        exif[0x0112] = orientation
        yield f"jpeg-exif-{orientation}", saved(scene, "JPEG", exif=exif)
    yield "jpeg-profile", saved(scene, "JPEG", icc_profile=b"no profile" * 30)
    yield "jpeg-comment", saved(scene, "JPEG", comment=b"hello")
    yield "jpeg-trailing", saved(scene, "JPEG") + b"and more"
    # Component samplings that common programs do not write.
    one = (1, 1)
    layouts = {"444": [one] * 3, "422": [(2, 1), one, one], "440": [(1, 2), one, one], "420": [(2, 2), one, one],
               "411": [(4, 1), one, one], "410": [(4, 2), one, one], "441": [(1, 4), one, one],
               "chroma": [one, (2, 1), (2, 1)], "mixed": [(2, 2), (2, 1), (1, 2)], "tall": [(2, 2), (1, 2), (1, 2)],
               "grey22": [(2, 2)], "cmyk": [one] * 4, "cmyk420": [(2, 2), one, one, (2, 2)]}
    for i, (name, samplings) in enumerate(layouts.items()):
        for w, h in ((37, 29), (64, 40), (3, 70)):
            yield f"jpeg-coefficients-{name}-{w}x{h}", jpeg(w, h, samplings, seed=i, jfif=len(samplings) == 3)
    yield "jpeg-bare", jpeg(30, 30, [one] * 3, seed=20)
    yield "jpeg-ids-rgb", jpeg(30, 30, [one] * 3, seed=21, ids=b"RGB")
    yield "jpeg-ids-odd", jpeg(30, 30, [one] * 3, seed=22, ids=(5, 9, 200))
    yield "jpeg-adobe-rgb", jpeg(30, 30, [one] * 3, seed=23, adobe=0)
    yield "jpeg-adobe-ycc", jpeg(30, 30, [(2, 2), one, one], seed=24, adobe=1)
    yield "jpeg-adobe-cmyk", jpeg(30, 30, [one] * 4, seed=25, adobe=0)
    yield "jpeg-adobe-ycck", jpeg(30, 30, [one] * 4, seed=26, adobe=2)
    yield "jpeg-adobe-ycck420", jpeg(31, 29, [(2, 2), one, one, (2, 2)], seed=27, adobe=2)
    yield "jpeg-coefficients-restart", jpeg(60, 60, [(2, 2), one, one], seed=28, restart=2, jfif=True)


def broken_files():
    values = np.zeros((4, 4, 3), int)
    good = png(values, 2, 8)
    yield "broken-png-missing-palette-data", png(values[..., :1], 3, 8).replace(b"IDAT", b"IDAX")
    yield "broken-png-zero-width", png(values[:, :0], 2, 8)
    yield "broken-png-zero-height", png(values[:0], 2, 8)
    yield "broken-png-depth", png(values, 2, 8).replace(b"\0\0\0\4\x08\2", b"\0\0\0\4\x07\2")
    yield "broken-png-header-crc", good[:29] + bytes([good[29] ^ 1]) + good[30:]
    yield "broken-png-short-data", good.replace(good[good.index(b"IDAT") - 4:-12],
                                                chunk(b"IDAT", zlib.compress(b"\0" * 20)))
    yield "broken-png-not-zlib", good.replace(good[good.index(b"IDAT") - 4:-12], chunk(b"IDAT", b"no zlib stream"))
    yield "broken-jpeg-two-components", jpeg(8, 8, [(1, 1)] * 2)
    yield "broken-jpeg-12-bits", jpeg(8, 8, [(1, 1)] * 3, precision=12)
    yield "broken-jpeg-zero-width", jpeg(0, 8, [(1, 1)] * 3)
    yield "broken-jpeg-start-only", b"\xff\xd8\xff"
    yield "broken-png-start-only", b"\x89PNG\r\n\x1a\n"
