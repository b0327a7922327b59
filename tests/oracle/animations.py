#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/animations.pack and animations.txt: GIF and WebP animations, and their frames by Pillow.

    python tests/oracle/animations.py      needs Pillow 13, numpy

    file NAME offset bytes frames          the file's place in the pack
    frame NAME i W H crc milliseconds      `im.seek(i); im.convert("RGB")`; the crc is zlib.crc32 of its bytes

GIF files are written here block by block, because Pillow's writer makes few of the cases: disposals, transparency, own
colours, images beyond the screen, interlacing, missing trailers. Their LZW codes are uncompressed. The first line names
the versions.
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

OUT = Path(__file__).resolve().parent.parent / "data" / "image"
GLOBAL = [(10 * i % 256, 255 - 16 * i, (37 * i + 5) % 256) for i in range(16)]
LOCAL = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 99, 199)]


def random_pixels(seed, width, height, colours):
    return np.random.default_rng(seed).integers(0, colours, (height, width)).astype(np.uint8)


def blocks(data):
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def lzw(pixels, bits):
    """Codes of `bits` + 1 bits; the table is cleared before it needs wider ones."""
    clear, width, out, filled = 1 << bits, bits + 1, 0, 0

    def put(code):
        nonlocal out, filled
        out |= code << filled
        filled += width

    for i, pixel in enumerate(pixels):
        if i % (clear - 2) == 0:
            put(clear)
        put(int(pixel))
    put(clear + 1)
    return out.to_bytes((filled + 7) // 8, "little")


def table(colours):
    return b"".join(map(bytes, colours))


def screen(width, height, colours=GLOBAL, background=3):
    flags = 0x80 | (len(colours).bit_length() - 2) if colours else 0
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + table(colours)


def control(disposal=0, transparent=None, hundredths=7):
    flags = disposal << 2 | (transparent is not None)
    return b"!\xf9\x04" + struct.pack("<BHB", flags, hundredths, transparent or 0) + b"\0"


def picture(pixels, left=0, top=0, colours=None, interlace=False, bits=4):
    height, width = pixels.shape
    flags = (0x80 | (len(colours).bit_length() - 2) if colours else 0) | (0x40 if interlace else 0)
    order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, height, step)]
    rows = pixels[order] if interlace else pixels
    return (b"," + struct.pack("<HHHHB", left, top, width, height, flags) + table(colours or []) + bytes([bits])
            + blocks(lzw(rows.reshape(-1), bits)))


def gif(*parts, trailer=b";"):
    return b"".join(parts) + trailer


def gifs():
    def whole(seed, colours=16, width=12, height=9):
        return random_pixels(seed, width, height, colours)

    yield "one", gif(screen(12, 9), picture(whole(1)))
    yield "no-trailer", gif(screen(12, 9), picture(whole(1)), picture(whole(2, width=5, height=4), 3, 2), trailer=b"")
    yield "interlaced", gif(screen(12, 19), picture(whole(3, height=19), interlace=True),
                            picture(whole(4, width=7, height=13), 2, 3, interlace=True))
    for disposal in range(4):
        for transparent in (None, 5):
            frames = [control(disposal, transparent), picture(whole(5))]
            for i, (left, top) in enumerate(((2, 1), (5, 4), (0, 0), (7, 5))):
                frames += [control(disposal, transparent), picture(whole(6 + i, width=5, height=4), left, top)]
            yield f"disposal-{disposal}-{'holes' if transparent else 'full'}", gif(screen(12, 9), *frames)
    mixed = [control(2, 4), picture(whole(11)), control(0, None), picture(whole(12, width=6, height=5), 1, 1),
             control(3, 2, 0), picture(whole(13, width=4, height=4), 6, 3), control(1),
             picture(whole(14, 4, 5, 5), 2, 2, LOCAL, bits=2), control(2),
             picture(whole(15, 4, 5, 5), 4, 4, LOCAL, bits=2), control(3, 1),
             picture(whole(16, 4, 6, 6), 0, 3, LOCAL, bits=2), picture(whole(17, width=3, height=3), 9, 6)]
    yield "mixed", gif(screen(12, 9), *mixed)
    yield "comments", gif(screen(12, 9), b"!\xfe\x03abc\0", control(1, 3), b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0",
                          picture(whole(18)), b"!\xfe\x02de\0", control(1, 2), control(2), picture(whole(19)),
                          picture(whole(20, width=4, height=4), 4, 4))
    yield "first-smaller", gif(screen(12, 9), control(2, 6), picture(whole(21, width=5, height=4), 4, 3),
                               control(3), picture(whole(22, width=5, height=4), 1, 1), picture(whole(23)))
    yield "first-smaller-full", gif(screen(12, 9), picture(whole(21, width=5, height=4), 4, 3),
                                    picture(whole(22, width=5, height=4), 1, 1))
    yield "beyond", gif(screen(12, 9), picture(whole(24)), control(2, 7), picture(whole(25, width=8, height=6), 7, 6),
                        control(3), picture(whole(26, width=8, height=6), 9, 1), picture(whole(27, width=3, height=3)))
    yield "beyond-first", gif(screen(6, 5), control(3, 1), picture(whole(28)),
                              picture(whole(29, width=3, height=3), 1, 1))
    yield "local-only", gif(screen(12, 9, []), control(2), picture(whole(30, 4), colours=LOCAL, bits=2),
                            control(2, 1), picture(whole(31, 4, 5, 5), 2, 2, LOCAL, bits=2),
                            picture(whole(32, 4, 5, 5), 4, 3, LOCAL, bits=2))
    yield "few-colours", gif(screen(12, 9, GLOBAL[:4], 9), control(2), picture(whole(33)),
                             control(2, 11), picture(whole(34, width=6, height=5), 3, 3), control(2),
                             picture(whole(35, width=6, height=5), 1, 2), picture(whole(36, width=2, height=2)))
    grey = [(i, i, i) for i in range(16)]
    yield "grey", gif(screen(12, 9, grey), control(2), picture(whole(37)),
                      picture(whole(38, width=6, height=5), 3, 3), control(3),
                      picture(whole(39, width=6, height=5), 1, 1), picture(whole(40, width=6, height=5), 5, 2))


def webps():
    def save(frames, **options):
        to = io.BytesIO()
        frames[0].save(to, "WEBP", save_all=len(frames) > 1, append_images=frames[1:], **options)
        return to.getvalue()

    def rgb(seed, alpha=False):
        values = np.random.default_rng(seed).integers(0, 256, (4, 5, 4 if alpha else 3)).astype(np.uint8)
        if alpha:
            values[..., 3] = values[..., 3] // 64 * 85
        return Image.fromarray(values).resize((40, 30), Image.BICUBIC)

    yield "webp-still", save([rgb(50)], quality=80)
    yield "webp-still-alpha", save([rgb(51, True)], lossless=True)
    yield "webp-lossless", save([rgb(i) for i in range(52, 56)], lossless=True, duration=[40, 80, 10, 500])
    yield "webp-lossy", save([rgb(i) for i in range(56, 59)], quality=60, duration=100)
    yield "webp-alpha", save([rgb(i, True) for i in range(59, 63)], lossless=True, duration=30)
    yield "webp-alpha-lossy", save([rgb(i, True) for i in range(63, 66)], quality=70, alpha_quality=50, duration=0)


def main():
    pack = b""
    lines = [f"# tests/oracle/animations.py: Pillow {PIL.__version__}, libwebp {features.version('webp')}, "
             f"numpy {np.__version__}"]
    for name, data in [*gifs(), *webps()]:
        with Image.open(io.BytesIO(data)) as im:
            frames = []
            try:
                while True:
                    im.seek(len(frames))
                    frame = im.convert("RGB")
                    frames.append((frame.width, frame.height, zlib.crc32(frame.tobytes()), im.info.get("duration", 0)))
            except EOFError:
                pass
        lines.append(f"file {name} {len(pack)} {len(data)} {len(frames)}")
        pack += data
        for i, (width, height, crc, duration) in enumerate(frames):
            lines.append(f"frame {name} {i} {width} {height} {crc:08x} {int(duration)}")
    (OUT / "animations.pack").write_bytes(pack)
    (OUT / "animations.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
