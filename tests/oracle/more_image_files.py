#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/formats.pack and formats.txt: BMP, GIF, TIFF and WebP files, and JPEG and PNG files with EXIF
data; what Pillow reads of them.

    python tests/oracle/more_image_files.py      needs Pillow 13, numpy

    NAME offset bytes W H crc W H crc     `Image.open(f).convert("RGB")`, and that after ImageOps.exif_transpose(im)
    NAME offset bytes error               Pillow refuses the file, or Image.convert does

The crc is zlib.crc32 of the bytes. Pillow's writer makes few kinds of BMP and TIFF, so most are written here. The first
line names the versions.
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps, features

OUT = Path(__file__).resolve().parent.parent / "data" / "image"
W, H = 13, 7


def values(seed, *shape, most=256, kind=np.uint8):
    return np.random.default_rng(seed).integers(0, most, shape).astype(kind)


def smooth(seed, channels=3):
    image = Image.fromarray(values(seed, 4, 5, channels))
    return image.resize((24, 18), Image.BICUBIC)


def saved(image, kind, **options):
    to = io.BytesIO()
    image.save(to, kind, **options)
    return to.getvalue()


# --- BMP -------------------------------------------------------------------------------------------------------------
def bmp(bits, pixels, width=W, height=H, palette=b"", compression=0, masks=b"", header=40, colours=0, offset=None):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0)
        if header > 40:
            info += masks.ljust(header - 40, b"\0")
            masks = b""
    at = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at if offset is None else offset) + info + masks \
        + palette + pixels


def rows(bits, seed, width=W, height=H):
    return values(seed, height, (width * bits + 31) // 32 * 4).tobytes()


def bmps():
    def colours(n, entry=4):
        return values(n, n, entry).tobytes()

    yield "24", bmp(24, rows(24, 1))
    yield "24-from-top", bmp(24, rows(24, 2), height=-H)
    yield "24-no-padding", bmp(24, rows(24, 3)[:-1])
    yield "24-short", bmp(24, rows(24, 3)[:-2])
    yield "24-os2", bmp(24, rows(24, 4), header=12)
    yield "32", bmp(32, rows(32, 5))
    yield "16", bmp(16, rows(16, 6))
    for name, bits, masks in (("16-565", 16, (0xf800, 0x7e0, 0x1f)), ("16-555", 16, (0x7c00, 0x3e0, 0x1f)),
                              ("16-444", 16, (0xf00, 0xf0, 0xf)), ("24", 24, (0xff0000, 0xff00, 0xff)),
                              ("32-xbgr", 32, (0xff000000, 0xff0000, 0xff00)), ("32-zero", 32, (0, 0, 0)),
                              ("32-bgrx", 32, (0xff0000, 0xff00, 0xff)), ("32-ten", 32, (0x3ff00000, 0xffc00, 0x3ff))):
        yield f"{name}-fields", bmp(bits, rows(bits, 7), compression=3, masks=struct.pack("<3I", *masks))
    for header, alpha in ((52, 0), (56, 0xff000000), (108, 0xff000000), (124, 0)):
        order = (0xff, 0xff00, 0xff0000) if header == 56 else (0xff0000, 0xff00, 0xff)
        yield f"32-fields-{header}", bmp(32, rows(32, 8), compression=3, masks=struct.pack("<4I", *order, alpha),
                                         header=header)
    for bits in (1, 4, 8):
        yield f"{bits}", bmp(bits, rows(bits, 9), palette=colours(1 << bits))
        yield f"{bits}-few", bmp(bits, rows(bits, 10), palette=colours(2), colours=2)
        yield f"{bits}-os2", bmp(bits, rows(bits, 11), palette=colours(1 << bits, 3), header=12)
        yield f"{bits}-forgotten", bmp(bits, rows(bits, 12), palette=colours(1 << bits), offset=54)
        yield f"{bits}-no-offset", bmp(bits, rows(bits, 13), palette=colours(1 << bits), offset=0)
    for bits, greys in ((8, range(256)), (1, (0, 255))):
        yield f"{bits}-grey", bmp(bits, rows(bits, 14), palette=bytes(v for i in greys for v in (i, i, i, 0)))
    yield "8-300-colours", bmp(8, rows(8, 16), palette=colours(300), colours=300)
    full = b"".join(bytes([W, i]) + b"\0\0" for i in range(H - 1))
    mixed = bytes([5, 1, 0, 3, 7, 8, 9, 0, 0, 2, 2, 1, 40, 3, 0, 0, 0, 4, 1, 2, 3, 4, 3, 99, 0, 0]) \
        + bytes([0, 0, 13, 6, 0, 0, 0, 5, 5, 4, 3, 2, 1, 0, 4, 44, 0, 0])
    for name, runs in (("full", full + bytes([W, 9, 0, 1])), ("mixed", mixed + bytes([W, 2, 0, 0, 0, 1])),
                       ("short", full + b"\0\1"), ("cut", full + bytes([0, 13, 1])), ("no-end", full + bytes([W, 9]))):
        for bits in (4, 8):
            yield f"{bits}-runs-{name}", bmp(bits, runs, palette=colours(1 << bits),
                                                   compression=2 if bits == 4 else 1)
    yield "2-bits", bmp(2, rows(2, 17), palette=colours(4))
    yield "header-20", bmp(24, rows(24, 18))[:14] + struct.pack("<I", 20) + bytes(60)
    yield "jpeg-inside", bmp(24, rows(24, 19), compression=4)


# --- TIFF ------------------------------------------------------------------------------------------------------------
def packed(samples, bits, order):
    """(…, n) samples as rows of bytes."""
    if bits >= 8:
        return samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    width = samples.shape[-1]
    as_bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits:]
    return np.packbits(as_bits.reshape(*samples.shape[:-1], width * bits), axis=-1).tobytes()


def tiff(samples, bits, colours, order="<", extra=(), sample_format=1, apart=False, tile=None, strip=None,
         deflate=False, palette=None, orientation=None, fill=1, cut=0, subsampling=None):
    """samples: (H, W, n)."""
    height, width, n = samples.shape
    parts = []
    for plane in np.moveaxis(samples, -1, 0)[..., None] if apart else [samples]:
        blocks = [plane[y:y + (strip or height)] for y in range(0, height, strip or height)]
        if tile:
            padded = np.zeros((-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[-1]), samples.dtype)
            padded[:height, :width] = plane
            blocks = [padded[y:y + tile, x:x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
        for block in blocks:
            data = packed(block.reshape(block.shape[0], -1), bits, order)
            if fill == 2:
                data = bytes(int(f"{b:08b}"[::-1], 2) for b in data)
            parts.append(zlib.compress(data) if deflate else data)
    types = {1: "B", 3: "H", 4: "I"}
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * n), 259: (3, [8 if deflate else 1]),
               262: (3, [colours]), 266: (3, [fill]), 277: (3, [n]), 284: (3, [2 if apart else 1]),
               339: (3, [sample_format] * n)}
    if extra:
        entries[338] = (3, list(extra))
    if palette is not None:
        entries[320] = (3, [int(v) for v in palette.T.reshape(-1)])
    if orientation:
        entries[274] = (3, [orientation])
    if subsampling:
        entries[530] = (3, list(subsampling))
    entries |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [strip or height])}
    places, counts = (324, 325) if tile else (273, 279)
    entries[places], entries[counts] = (4, [0] * len(parts)), (4, [len(p) for p in parts])
    at = 8 + 2 + 12 * len(entries) + 4
    for kind, list_ in entries.values():
        size = len(list_) * struct.calcsize(types[kind])
        at += size + size % 2 if size > 4 else 0
    starts = [at + sum(len(p) for p in parts[:i]) for i in range(len(parts))]
    entries[places] = (4, starts)
    at = 8 + 2 + 12 * len(entries) + 4
    head, behind = b"", b""
    for tag in sorted(entries):
        kind, list_ = entries[tag]
        data = struct.pack(order + types[kind] * len(list_), *list_)
        head += struct.pack(order + "HHI", tag, kind, len(list_))
        if len(data) <= 4:
            head += data.ljust(4, b"\0")
        else:
            head += struct.pack(order + "I", at + len(behind))
            behind += data + b"\0" * (len(data) % 2)
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(entries))
    file = start + head + bytes(4) + behind + b"".join(parts)
    return file[:len(file) - cut]


def tiffs():
    white, black, rgb, palette, cmyk, ycc, lab = 0, 1, 2, 3, 5, 6, 8
    for order, name in (("<", "little"), (">", "big")):
        for bits in (1, 2, 4, 8):
            for colours in (white, black):
                grey = values(bits + colours, H, W, 1, most=1 << bits)
                yield f"grey-{bits}-{colours}-{name}", tiff(grey, bits, colours, order)
                yield f"grey-{bits}-{colours}-{name}-deflate", tiff(grey, bits, colours, order, deflate=True, strip=3)
            map_ = values(bits, 1 << bits, 3, most=65536, kind=np.uint16)
            yield f"palette-{bits}-{name}", tiff(values(20, H, W, 1, most=1 << bits), bits, palette, order,
                                                 palette=map_)
        deep = values(21, H, W, 1, most=600, kind=np.uint16)
        yield f"grey-16-{name}", tiff(deep, 16, black, order)
        yield f"grey-16-{name}-deflate", tiff(deep, 16, black, order, deflate=True)
        yield f"grey-16-white-{name}", tiff(deep, 16, white, order)
        signed = values(22, H, W, 1, most=900, kind=np.int16) - 300
        yield f"grey-16-signed-{name}", tiff(signed.astype(np.int16), 16, black, order, sample_format=2)
        yield f"grey-32-signed-{name}", tiff(signed.astype(np.int32), 32, black, order, sample_format=2)
        floats = (values(23, H, W, 1, most=9000).astype(np.float32) - 9) * 1.37
        floats[0, 0, 0], floats[0, 1, 0], floats[0, 2, 0] = np.nan, np.inf, -np.inf
        yield f"grey-float-{name}", tiff(floats, 32, black, order, sample_format=3)
        yield f"grey-float-white-{name}", tiff(floats, 32, white, order, sample_format=3)
        yield f"rgb-{name}", tiff(values(24, H, W, 3), 8, rgb, order, strip=2)
        yield f"rgb-{name}-apart", tiff(values(24, H, W, 3), 8, rgb, order, strip=2, apart=True)
        yield f"rgb-{name}-deflate", tiff(values(24, H, W, 3), 8, rgb, order, deflate=True, strip=4)
        yield f"rgb-{name}-deflate-apart", tiff(values(24, H, W, 3), 8, rgb, order, deflate=True, apart=True, strip=3)
        yield f"rgb-16-{name}", tiff(values(25, H, W, 3, most=65536, kind=np.uint16), 16, rgb, order)
        yield f"rgb-16-{name}-deflate", tiff(values(25, H, W, 3, most=65536, kind=np.uint16), 16, rgb, order,
                                             deflate=True)
        for extra in ((), (0,), (1,), (2,), (0, 0), (1, 0), (2, 0), (0, 0, 0), (999,)):
            n = 3 + max(len(extra), 1)
            words = "-".join(map(str, extra)) or "none"
            yield f"rgb-extra-{words}-{name}", tiff(values(26, H, W, n), 8, rgb, order, extra)
            if n == 4 and extra != (999,):
                deep4 = values(27, H, W, 4, most=65536, kind=np.uint16)
                yield f"rgb-16-extra-{words}-{name}", tiff(deep4, 16, rgb, order, extra)
        yield f"cmyk-{name}", tiff(values(28, H, W, 4), 8, cmyk, order)
        yield f"cmyk-apart-{name}", tiff(values(28, H, W, 4), 8, cmyk, order, apart=True)
        yield f"cmyk-extra-{name}", tiff(values(28, H, W, 5), 8, cmyk, order, (0,))
        yield f"cmyk-16-{name}", tiff(values(29, H, W, 4, most=65536, kind=np.uint16), 16, cmyk, order)
    for extra in (0, 1, 2):
        yield f"grey-extra-{extra}", tiff(values(30, H, W, 2), 8, black, extra=(extra,))
        yield f"palette-extra-{extra}", tiff(values(31, H, W, 2), 8, palette, extra=(extra,),
                                             palette=values(8, 256, 3, most=65536, kind=np.uint16))
    for bits in (1, 4, 8):
        yield f"fill-{bits}", tiff(values(32, H, W, 1, most=1 << bits), bits, black, fill=2)
    wide = values(33, 37, 45, 3)
    for apart, deflate in ((False, False), (False, True), (True, False), (True, True)):
        name = f"tiles{'-apart' * apart}{'-deflate' * deflate}"
        yield name, tiff(wide, 8, rgb, tile=16, apart=apart, deflate=deflate)
    yield "tiles-1", tiff(values(34, 37, 45, 1, most=2), 1, black, tile=16)
    yield "tiles-16", tiff(values(35, 37, 45, 1, most=600, kind=np.uint16), 16, black, tile=32)
    yield "tiles-palette", tiff(values(36, 37, 45, 1), 8, palette, tile=16,
                                palette=values(8, 256, 3, most=65536, kind=np.uint16))
    yield "lab", tiff(values(37, H, W, 3), 8, lab)
    yield "ycbcr", tiff(values(38, H, W, 3), 8, ycc)
    yield "ycbcr-deflate", tiff(values(38, H, W, 3), 8, ycc, deflate=True, subsampling=(1, 1))
    yield "ycbcr-one", tiff(values(39, H, W, 1), 8, ycc)
    yield "float-64", tiff(values(40, H, W, 1).astype(np.float64), 64, black, sample_format=3)
    yield "cut", tiff(values(41, H, W, 3), 8, rgb, cut=1)
    yield "cut-deflate", tiff(values(41, H, W, 3), 8, rgb, cut=9, deflate=True)
    for i in range(1, 9):
        yield f"turned-{i}", tiff(values(42, H, W, 3), 8, rgb, orientation=i)
        yield f"turned-{i}-deflate", tiff(values(42, H, W, 3), 8, rgb, orientation=i, deflate=True)
    soft, alpha = smooth(43), smooth(44, 4)
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "zstd", "lzma"):
        yield f"pillow-{compression}", saved(soft, "TIFF", compression=compression)
    yield "pillow-jpeg-grey", saved(soft.convert("L"), "TIFF", compression="jpeg")
    yield "pillow-jpeg-cmyk", saved(soft.convert("CMYK"), "TIFF", compression="jpeg")
    yield "pillow-jpeg-ycbcr", saved(soft.convert("YCbCr"), "TIFF", compression="jpeg")
    yield "pillow-lzw-predictor", saved(soft, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "pillow-rgba-lzw", saved(alpha, "TIFF", compression="tiff_lzw")
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"pillow-{compression}", saved(soft.convert("1"), "TIFF", compression=compression)
    yield "pillow-big", saved(soft, "TIFF", big_tiff=True)
    yield "pillow-two", saved(soft, "TIFF", save_all=True, append_images=[smooth(45)])


# --- EXIF ------------------------------------------------------------------------------------------------------------
def exif(orientation, order="<", kind=3, before=(), prefix=b"Exif\0\0"):
    entries = [*before, (0x112, kind, orientation)]
    body = b"".join(struct.pack(order + "HHI", tag, k, 1)
                    + struct.pack(order + {1: "B", 3: "H", 4: "I"}[k], value).ljust(4, b"\0")
                    for tag, k, value in entries)
    mark = b"II" if order == "<" else b"MM"
    return prefix + mark + struct.pack(order + "HIH", 42, 8, len(entries)) + body + bytes(4)


def exifs():
    soft = smooth(50)
    for i in range(10):
        for kind, name in (("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp")):
            yield f"{name}-{i}", saved(soft, kind, exif=exif(i, "<" if i % 2 else ">", 4 if i == 3 else 3,
                                                             [(0x10f, 3, 7)] if i > 4 else ()))
    for name in ("jpeg", "png", "webp"):
        yield f"{name}-none", saved(soft, name)
        yield f"{name}-empty", saved(soft, name, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    jpeg = saved(soft, "JPEG", exif=exif(6))
    yield "jpeg-behind-comment", jpeg[:2] + b"\xff\xfe\0\4ab" + jpeg[2:]
    yield "jpeg-filled", jpeg[:2] + b"\xff\xff" + jpeg[2:]


def read(data):
    with Image.open(io.BytesIO(data)) as im:
        plain = im.convert("RGB")
    with Image.open(io.BytesIO(data)) as im:
        turned = ImageOps.exif_transpose(im).convert("RGB")
    return [f"{x.width} {x.height} {zlib.crc32(x.tobytes()):08x}" for x in (plain, turned)]


def main():
    pack = b""
    lines = [f"# tests/oracle/more_image_files.py: Pillow {PIL.__version__}, libtiff {features.version('libtiff')}, "
             f"libwebp {features.version('webp')}, numpy {np.__version__}"]
    files = [*((f"bmp-{n}", d) for n, d in bmps()), *((f"tiff-{n}", d) for n, d in tiffs()),
             *((f"exif-{n}", d) for n, d in exifs()),
             ("bmp-pillow", saved(smooth(60), "BMP")), ("bmp-pillow-1", saved(smooth(61).convert("1"), "BMP")),
             ("gif-pillow", saved(smooth(62), "GIF")), ("webp-pillow", saved(smooth(63, 4), "WEBP", lossless=True)),
             ("gif-two", saved(smooth(64), "GIF", save_all=True, append_images=[smooth(65)])),
             ("webp-two", saved(smooth(66), "WEBP", save_all=True, append_images=[smooth(67)]))]
    for name, data in files:
        try:
            words = " ".join(read(data))
        except Exception as e:  # noqa: BLE001 (any failure of Pillow is a refusal)
            print(f"{name}: {e!r}")
            words = "error"
        lines.append(f"{name} {len(pack)} {len(data)} {words}")
        pack += data
    (OUT / "formats.pack").write_bytes(pack)
    (OUT / "formats.txt").write_text("\n".join(lines) + "\n")
    print(len(files), "files,", len(pack), "bytes")


if __name__ == "__main__":
    main()
