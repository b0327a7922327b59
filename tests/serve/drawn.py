# SPDX-License-Identifier: Apache-2.0
"""Pictures drawn with the standard library alone, as PNG files."""
import random
import struct
import zlib

COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 200), "green": (20, 160, 60), "yellow": (230, 200, 30),
           "purple": (140, 40, 160), "orange": (240, 130, 20), "gray": (128, 128, 128), "black": (10, 10, 10)}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data, depth=8, colour=2, compressed=None):
    """A PNG file. `data`: its rows, each behind a filter byte; `compressed`: these, if they are compressed already."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", compressed or zlib.compress(data, 1)) + chunk(b"IEND", b""))


def shapes(number):
    """Picture `number`: up to three rectangles and triangles on white. Each number has a picture of its own."""
    drawn = random.Random(number)
    width, height = drawn.randint(60, 110), drawn.randint(60, 110)
    rows = [bytearray(b"\xff" * 3 * width) for _ in range(height)]
    for _ in range(drawn.randint(1, 3)):
        colour = bytes(drawn.choice(list(COLOURS.values())))
        side = drawn.randint(12, 30)
        left, top, is_triangle = drawn.randint(0, width - side), drawn.randint(0, height - side), drawn.random() < 0.5
        for y in range(side):
            half = (y + 1) // 2 if is_triangle else side // 2
            first = left + side // 2 - half
            rows[top + y][3 * first:3 * (first + 2 * half)] = colour * (2 * half)
    rows[0][:3] = bytes((number & 255, number >> 8 & 255, number >> 16 & 255))  # no two are equal
    return png(width, height, b"".join(b"\0" + bytes(row) for row in rows))
