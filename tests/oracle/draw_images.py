# SPDX-License-Identifier: Apache-2.0
"""Draws the example images of the bundled model "tiny", in the style of its scenes.

    python tests/oracle/draw_images.py examples/tiny/images

Writes four PNG images and one JPEG. One of them is wide and one is tall.

Needs: Pillow.
"""

import argparse
from pathlib import Path

from scenes import Scene, Thing, draw

PICTURES = {
    "three-shapes.png": Scene(128, 128, (236, 242, 250), (
        Thing("red", "circle", 28, 36, 36, 36),
        Thing("blue", "triangle", 66, 92, 40, 40),
        Thing("green", "star", 102, 40, 38, 38))),
    "two-circles.png": Scene(112, 112, (250, 246, 234), (
        Thing("yellow", "circle", 30, 78, 38, 38),
        Thing("black", "rectangle", 58, 28, 36, 26),
        Thing("teal", "circle", 86, 74, 30, 30))),
    "wide.png": Scene(150, 104, (240, 250, 240), (
        Thing("brown", "rectangle", 26, 30, 38, 28),
        Thing("gray", "circle", 70, 70, 36, 36),
        Thing("red", "star", 108, 28, 36, 36),
        Thing("blue", "circle", 130, 78, 32, 32))),
    "tall.jpg": Scene(96, 136, (248, 238, 244), (
        Thing("blue", "star", 28, 34, 34, 34),
        Thing("yellow", "rectangle", 66, 104, 38, 28))),
    "one-circle-one-star.png": Scene(120, 120, (244, 244, 252), (
        Thing("green", "circle", 36, 80, 42, 42),
        Thing("brown", "star", 86, 44, 40, 40))),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in PICTURES.items():
        options = {"quality": 92, "subsampling": 0} if name.endswith(".jpg") else {"optimize": True}
        draw(scene).save(folder / name, **options)


if __name__ == "__main__":
    main()
