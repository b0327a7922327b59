# SPDX-License-Identifier: Apache-2.0
"""Training and validation data of the bundled model "tiny".

Images pass through the model's image processor once and are kept as uint8. Conversations are generated anew for every
batch, with many turns each, which share the cost of the system prompt and the image. easy-VQA comes from the installed
package; its last training images are kept for validation. Imported by train_tiny.py.

Needs: torch, transformers, Pillow, easy-vqa.
"""

import random
from collections import defaultdict, namedtuple

import easy_vqa
import numpy
import torch
from PIL import Image
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from scene_questions import (ONE_PICTURE, Turn, ask_and_the_other, ask_colour, ask_comparison, ask_relation, converse,
                             two_picture_turns)
from scenes import KINDS, SHAPES, draw, held_out_set, make_scene
from tiny_tokenizer import SYSTEM

SIDE, PATCH = 84, 12
GRID = SIDE // PATCH
PATCHES = GRID * GRID
IGNORED = -100
EASY_VALIDATION_PICTURES = 150
# easy-VQA is learnt early: from this step on, most samples are scenes, with more of their harder questions.
LATE_STEP = 3500
EARLY_SHARES, LATE_SHARES = (0.3, 0.5), (0.1, 0.6)  # easy-VQA, one scene; the other samples have two scenes
LATE_QUESTIONS = (*ONE_PICTURE, ask_colour, ask_relation, ask_relation, ask_and_the_other, ask_comparison)

Conversation = namedtuple("Conversation", "pictures turns")  # indices of images; Turn tuples


def image_processor():
    """Returns LLaVA-1.5's preprocessing: padding to a square with the mean colour, then CLIP's."""
    return LlavaImageProcessorPil(do_pad=True, size={"shortest_edge": SIDE},
                                  crop_size={"height": SIDE, "width": SIDE})


def to_bytes(processor, picture):
    """Returns the image as the processor resizes it. Training normalises it later."""
    pixels = processor(picture.convert("RGB"), do_rescale=False, do_normalize=False).pixel_values[0]
    return numpy.asarray(pixels).astype(numpy.uint8)


def centre_labels(scene):
    """Returns three labels per patch, for the thing with its centre there: kind, rank from the left, rank from the top.

    Kinds start at 1; 0 is no thing. Patches without a thing have no ranks.
    """
    labels = [[0, IGNORED, IGNORED] for _ in range(PATCHES)]
    left, top = (scene.side - scene.width) // 2, (scene.side - scene.height) // 2
    downwards = sorted(scene.things, key=lambda thing: thing.y)
    for rank, thing in enumerate(scene.things):
        column = min(GRID - 1, int((thing.x + left) / scene.side * GRID))
        row = min(GRID - 1, int((thing.y + top) / scene.side * GRID))
        labels[row * GRID + column] = [1 + KINDS.index(thing.kind), rank, downwards.index(thing)]
    return labels


def spots(scene):
    """Returns the centre of every kind of thing, as a share of the padded image."""
    left, top = (scene.side - scene.width) // 2, (scene.side - scene.height) // 2
    return {t.kind: ((t.x + left) / scene.side, (t.y + top) / scene.side) for t in scene.things}


def easy_category(answer):
    return "yes_no" if answer in ("yes", "no") else "shape" if answer in SHAPES else "colour"


def easy_questions(split):
    """Returns easy-VQA's questions {image: [Turn]} and paths {image: path}. split is train or test."""
    texts, answers, numbers = getattr(easy_vqa, f"get_{split}_questions")()
    turns = defaultdict(list)
    for text, answer, number in zip(texts, answers, numbers):
        turns[number].append(Turn(text, answer, easy_category(answer)))
    return dict(turns), getattr(easy_vqa, f"get_{split}_image_paths")()


class Corpus:
    """All images as one uint8 tensor, the labels of their patches, and the questions about them."""

    def __init__(self, scenes, seed=0):
        processor, rng = image_processor(), random.Random(seed)
        self.scenes = [make_scene(rng) for _ in range(scenes)]
        self.small = [i for i, scene in enumerate(self.scenes) if len(scene.things) <= 3]
        validation_scenes, self.scene_validation = held_out_set(100, 30, seed=2)
        self.easy_turns, paths = easy_questions("train")
        self.easy_numbers = sorted(self.easy_turns)
        pictures = [to_bytes(processor, draw(scene)) for scene in (*self.scenes, *validation_scenes)]
        pictures += [to_bytes(processor, Image.open(paths[i])) for i in self.easy_numbers]
        self.pixels = torch.from_numpy(numpy.stack(pictures))
        labels = [centre_labels(scene) for scene in (*self.scenes, *validation_scenes)]
        labels += [[[IGNORED] * 3] * PATCHES] * len(self.easy_numbers)
        self.labels = torch.tensor(labels)
        self.first_validation, self.first_easy = scenes, scenes + len(validation_scenes)

    def validation(self):
        """Returns conversations that training never uses: (about held-out scenes, of one easy-VQA question each)."""
        scenes = [Conversation([self.first_validation + i for i in images], turns)
                  for images, turns in self.scene_validation]
        easy = [Conversation([self.first_easy + i], [turn])
                for i in range(len(self.easy_numbers) - EASY_VALIDATION_PICTURES, len(self.easy_numbers))
                for turn in self.easy_turns[self.easy_numbers[i]][::2]]
        return scenes, easy

    def sample(self, rng, step):
        """Returns a conversation to train on. Encoder.encode() limits its turns to the length of the sequence."""
        late = step >= LATE_STEP
        easy, single = LATE_SHARES if late else EARLY_SHARES
        choice = rng.random()
        if choice < easy:
            i = rng.randrange(len(self.easy_numbers) - EASY_VALIDATION_PICTURES)
            turns = self.easy_turns[self.easy_numbers[i]]
            return Conversation([self.first_easy + i], rng.sample(turns, len(turns)))
        if choice < easy + single:
            i = rng.randrange(len(self.scenes))
            return Conversation([i], converse(rng, LATE_QUESTIONS if late else ONE_PICTURE, self.scenes[i], 9))
        i, j = rng.sample(self.small, 2)
        return Conversation([i, j], two_picture_turns(rng, self.scenes[i], self.scenes[j], 6))

    def mentions(self, encoder, conversations, ids):
        """Returns the flat indices in ids where a thing's name ("red star") ends, and its position: x, y, image."""
        places, targets = [], []
        for row, conversation in enumerate(conversations):
            if conversation.pictures[0] >= len(self.scenes):
                continue
            where = {}
            for number, picture in enumerate(conversation.pictures):
                for kind, spot in spots(self.scenes[picture]).items():
                    where[kind] = None if kind in where else (*spot, number)
            tokens = ids[row].tolist()
            for i, name in enumerate(zip(tokens, tokens[1:]), 1):
                spot = where.get(encoder.kinds.get(name))
                if spot:
                    places.append(row * len(tokens) + i)
                    targets.append(spot)
        return torch.tensor(places, dtype=torch.long), torch.tensor(targets, dtype=torch.float).view(-1, 3)

    def augmented(self, rng, index):
        """Returns an image's pixels. Those of easy-VQA, whose questions ignore positions, are moved and mirrored."""
        pixels = self.pixels[index]
        if index >= self.first_easy:
            if rng.random() < 0.5:
                pixels = pixels.flip(-1)
            reach, (dx, dy) = 4, (rng.randint(0, 8), rng.randint(0, 8))
            padded = torch.nn.functional.pad(pixels[None].float(), (reach,) * 4, mode="replicate")[0]
            pixels = padded[:, dy:dy + SIDE, dx:dx + SIDE].to(torch.uint8)
        return pixels


class Encoder:
    """Turns conversations into token ids and labels, and caches the ids of each text."""

    def __init__(self, tokenizer):
        self.tokenizer, self.known = tokenizer, {}
        self.image, self.eos, self.pad = (tokenizer.convert_tokens_to_ids(t) for t in ("<image>", "</s>", "<pad>"))
        self.kinds = {tuple(self.ids(" ".join(kind))): kind for kind in KINDS}  # two tokens each
        self.start = tokenizer(f"{SYSTEM} USER: ").input_ids

    def ids(self, text):
        if text not in self.known:
            self.known[text] = self.tokenizer(text, add_special_tokens=False).input_ids
        return self.known[text]

    def encode(self, conversation, longest=None):
        """Returns ids with every <image> expanded, labels for answers and </s> only, and each turn's label span."""
        ids = list(self.start)
        for number in range(len(conversation.pictures)):
            ids += (self.ids("\n") if number else []) + [self.image] * PATCHES
        labels, spans = [IGNORED] * len(ids), []
        for number, turn in enumerate(conversation.turns):
            question = self.ids(f"USER: {turn.text} ASSISTANT:" if number else f"\n{turn.text} ASSISTANT:")
            answer = [*self.ids(turn.answer), self.eos]
            if longest and number and len(ids) + len(question) + len(answer) > longest:
                break
            ids += question + answer
            labels += [IGNORED] * len(question) + answer
            spans.append((len(ids) - len(answer), len(ids)))
        return ids, labels, spans

    def batch(self, encoded):
        """Returns ids and labels, padded on the right."""
        longest = max(len(ids) for ids, _, _ in encoded)
        rows = [(ids + [self.pad] * (longest - len(ids)), labels + [IGNORED] * (longest - len(labels)))
                for ids, labels, _ in encoded]
        return torch.tensor([ids for ids, _ in rows]), torch.tensor([labels for _, labels in rows])
