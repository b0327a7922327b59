# SPDX-License-Identifier: Apache-2.0
"""Synthetic scenes for the bundled model "tiny": images, and conversations about them.

A scene is a plain, light background with two to four flat shapes. This module draws scenes (Pillow only) and defines
the held-out pairs of things: a fixed tenth of all pairs {(colour, shape), (colour, shape)} never occurs in a training
image, and every image of the committed test set shows at least one such pair. scene_questions.py makes the questions.

    python tests/oracle/scenes.py examples/tiny/scenes      # writes the committed test set

Writes questions.jsonl and the PNG images. One line is one conversation:

    {"question_id": 7, "images": ["000007.png"],
     "turns": [{"text": "how many stars are there?", "answer": "two", "category": "count"}, ...]}

Needs: Pillow.
"""

import argparse
import hashlib
import itertools
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

# The eight colours of easy-VQA, under its names.
COLOURS = {
    "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0),
    "black": (0, 0, 0), "gray": (128, 128, 128), "teal": (0, 128, 128), "brown": (165, 42, 42),
}
SHAPES = ("circle", "rectangle", "triangle", "star")
KINDS = tuple(itertools.product(COLOURS, SHAPES))


@dataclass(frozen=True)
class Thing:
    """One shape in an image: its kind, and the centre and the size of its box in pixels."""

    colour: str
    shape: str
    x: float
    y: float
    width: float
    height: float

    @property
    def kind(self):
        return self.colour, self.shape


@dataclass(frozen=True)
class Scene:
    width: int
    height: int
    background: tuple
    things: tuple  # from left to right

    @property
    def side(self):
        return max(self.width, self.height)


def is_held_out(first, second):
    """Returns true for the fixed tenth of all unordered pairs of kinds that training never shows."""
    name = "+".join(sorted(f"{colour} {shape}" for colour, shape in (first, second)))
    return hashlib.sha256(name.encode()).digest()[0] < 26


def has_held_out_pair(kinds):
    return any(is_held_out(a, b) for a, b in itertools.combinations(kinds, 2))


def choose_kinds(rng, count, held_out):
    """Returns distinct kinds with repeated colours and shapes, so that there is something to count."""
    while True:
        colours = rng.sample(list(COLOURS), rng.choice((2, 3, 4, 5)))
        shapes = rng.sample(SHAPES, rng.choice((2, 3, 4)))
        pool = list(itertools.product(colours, shapes))
        if len(pool) < count:
            continue
        kinds = rng.sample(pool, count)
        if has_held_out_pair(kinds) == held_out:
            return kinds


def place(rng, kinds, width, height):
    """Returns things that do not touch and whose centres differ clearly in x, or None."""
    things = []
    side, short = max(width, height), min(width, height)
    for colour, shape in kinds:
        for _ in range(30):
            w = h = rng.uniform(0.22, 0.38) * short
            if shape == "rectangle" and rng.random() < 0.7:
                w, h = rng.sample((w, w * rng.uniform(0.55, 0.9)), 2)
            x = rng.uniform(w / 2 + 1, width - w / 2 - 1)
            y = rng.uniform(h / 2 + 1, height - h / 2 - 1)
            if all(abs(x - t.x) >= 0.1 * side
                   and (abs(x - t.x) > (w + t.width) / 2 + 2 or abs(y - t.y) > (h + t.height) / 2 + 2)
                   for t in things):
                things.append(Thing(colour, shape, x, y, w, h))
                break
        else:
            return None
    return things


def make_scene(rng, held_out=False, most_things=4):
    """Returns a random scene. With held_out it shows at least one held-out pair, without it none."""
    count = rng.randint(2, most_things)
    while True:
        kinds = choose_kinds(rng, count, held_out)
        short = rng.randint(80, 128)
        long = min(160, round(short * rng.choice((1, 1, rng.uniform(1.05, 1.5)))))
        width, height = rng.sample((short, long), 2)
        background = tuple(rng.randint(228, 255) for _ in range(3))
        things = place(rng, kinds, width, height)
        if things:
            return Scene(width, height, background, tuple(sorted(things, key=lambda t: t.x)))


def outline(thing):
    """Returns the corners of a triangle or of a five-pointed star."""
    left, top = thing.x - thing.width / 2, thing.y - thing.height / 2
    if thing.shape == "triangle":
        return [(left, top + thing.height), (left + thing.width, top + thing.height), (thing.x, top)]
    corners = []
    for i in range(10):
        radius = thing.width / 2 * (1 if i % 2 == 0 else 0.42)
        angle = math.pi * i / 5
        corners.append((thing.x + radius * math.sin(angle), thing.y - radius * math.cos(angle)))
    return corners


def draw(scene):
    picture = Image.new("RGB", (scene.width, scene.height), scene.background)
    pen = ImageDraw.Draw(picture)
    for thing in scene.things:
        colour = COLOURS[thing.colour]
        box = (thing.x - thing.width / 2, thing.y - thing.height / 2,
               thing.x + thing.width / 2, thing.y + thing.height / 2)
        if thing.shape == "circle":
            pen.ellipse(box, fill=colour)
        elif thing.shape == "rectangle":
            pen.rectangle(box, fill=colour)
        else:
            pen.polygon(outline(thing), fill=colour)
    return picture


def held_out_set(pictures, pairs, seed):
    """Returns the held-out scenes, and conversations about them as (image numbers, turns)."""
    from scene_questions import one_picture_turns, two_picture_turns

    rng = random.Random(seed)
    scenes = [make_scene(rng, held_out=True) for _ in range(pictures)]
    conversations = [([i], one_picture_turns(rng, scene, rng.randint(5, 8)))
                     for i, scene in enumerate(scenes)]
    small = [i for i, scene in enumerate(scenes) if len(scene.things) <= 3]
    for _ in range(pairs):
        first, second = rng.sample(small, 2)
        conversations.append(([first, second],
                              two_picture_turns(rng, scenes[first], scenes[second], rng.randint(4, 6))))
    return scenes, conversations


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=280)
    parser.add_argument("--pairs", type=int, default=60, help="number of conversations about two images")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    scenes, conversations = held_out_set(options.images, options.pairs, options.seed)
    for i, scene in enumerate(scenes):
        draw(scene).save(options.folder / f"{i:06}.png", optimize=True)
    with open(options.folder / "questions.jsonl", "w", encoding="utf-8") as out:
        for number, (images, turns) in enumerate(conversations):
            out.write(json.dumps({"question_id": number, "images": [f"{i:06}.png" for i in images],
                                  "turns": [turn._asdict() for turn in turns]}) + "\n")
    print(f"{len(scenes)} images, {len(conversations)} conversations, "
          f"{sum(len(turns) for _, turns in conversations)} turns")


if __name__ == "__main__":
    main()
