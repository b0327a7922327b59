# SPDX-License-Identifier: Apache-2.0
"""Questions and answers about the synthetic scenes of scenes.py.

Answers are short, in lower case and without a full stop, except captions, which are sentences. A conversation is a
list of turns in random order; a follow-up turn comes right after the turn it refers to. One in four questions starts
with a capital letter.

Needs only the standard library. Imported by scenes.py and train_tiny.py.
"""

from collections import Counter, namedtuple

from scenes import COLOURS, KINDS, SHAPES

Turn = namedtuple("Turn", "text answer category")

NUMBERS = ("zero", "one", "two", "three", "four")
# One thing is clearly left of or above another if they are farther apart than this share of the longer side.
CLEAR = 0.12


def yes(truth):
    return "yes" if truth else "no"


def article_of(kind):
    return f"a {kind[0]} {kind[1]}"


def caption(scene):
    """Returns a sentence that names the things from left to right."""
    names = [article_of(thing.kind) for thing in scene.things]
    sentence = ", ".join(names[:-1]) + " and " + names[-1]
    return sentence[0].upper() + sentence[1:] + "."


def counts(scene):
    """Returns the numbers of things of each colour and of each shape."""
    return Counter(t.colour for t in scene.things), Counter(t.shape for t in scene.things)


def noun(rng, scene, present):
    """Returns a description that fits something in the scene, or, if not present, a near miss that fits nothing."""
    colours, shapes = counts(scene)
    kinds = {t.kind for t in scene.things}
    form = rng.choice(("kind", "kind", "colour", "shape"))
    if form == "colour":
        return f"{rng.choice([c for c in COLOURS if (c in colours) == present])} shape"
    if form == "shape":
        choices = [s for s in SHAPES if (s in shapes) == present]
        if choices:
            return rng.choice(choices)
    if present:
        return " ".join(rng.choice(scene.things).kind)
    near = [k for k in KINDS if k not in kinds and (k[0] in colours or k[1] in shapes)]
    both = [k for k in near if k[0] in colours and k[1] in shapes]
    return " ".join(rng.choice(both if both and rng.random() < 0.6 else near))


def fits(thing, description):
    colour, _, shape = description.rpartition(" ")
    return (not colour or thing.colour == colour) and (shape == "shape" or thing.shape == shape)


def ask_colour(rng, scene):
    single = [t for t in scene.things if counts(scene)[1][t.shape] == 1]
    if not single:
        return []
    thing = rng.choice(single)
    form = rng.choice(("what colour is the {}?", "what is the colour of the {}?", "what color is the {}?"))
    return [Turn(form.format(thing.shape), thing.colour, "colour")]


def ask_shape(rng, scene):
    single = [t for t in scene.things if counts(scene)[0][t.colour] == 1]
    if not single:
        return []
    thing = rng.choice(single)
    form = rng.choice(("what shape is {}?", "what is the {} shape?", "which shape is {}?"))
    return [Turn(form.format(thing.colour), thing.shape, "shape")]


def ask_yes_no(rng, scene):
    present = rng.random() < 0.5
    form = rng.choice(("is there a {}?", "does the picture show a {}?", "is a {} in the picture?"))
    return [Turn(form.format(noun(rng, scene, present)), yes(present), "yes_no")]


def countable(rng, scene):
    """Returns something to count, mostly something that occurs: its plural and its number."""
    colours, shapes = counts(scene)
    if rng.random() < 0.5:
        shape = rng.choice(list(shapes) if rng.random() < 0.8 else SHAPES)
        return f"{shape}s", shapes[shape]
    colour = rng.choice(list(colours) if rng.random() < 0.8 else list(COLOURS))
    return f"{colour} shapes", colours[colour]


def ask_count(rng, scene):
    things, count = ("shapes", len(scene.things)) if rng.random() < 0.25 else countable(rng, scene)
    return [Turn(f"how many {things} are there?", NUMBERS[count], "count")]


def relation(rng, scene, first, second, subject):
    """Returns a question whether subject (first) is left of, right of, above or below second, and its answer."""
    axes = [axis for axis in "xy" if abs(getattr(first, axis) - getattr(second, axis)) > CLEAR * scene.side]
    if not axes:
        return None
    axis = rng.choice(axes)
    before = getattr(first, axis) < getattr(second, axis)
    low, high = ("left of", "right of") if axis == "x" else ("above", "below")
    other = " ".join(second.kind)
    if rng.random() < 0.4:
        choice = "left or right of" if axis == "x" else "above or below"
        return f"is {subject} {choice} the {other}?", (low if before else high).split()[0]
    claim, truth = rng.choice(((low, before), (high, not before)))
    return f"is {subject} {claim} the {other}?", yes(truth)


def ask_relation(rng, scene):
    first, second = rng.sample(scene.things, 2)
    found = relation(rng, scene, first, second, f"the {' '.join(first.kind)}")
    return [Turn(*found, "relation")] if found else []


def ask_comparison(rng, scene):
    (one, count), (other, other_count) = countable(rng, scene), countable(rng, scene)
    if one == other:
        return []
    if rng.random() < 0.3:
        return [Turn(f"are there as many {one} as {other}?", yes(count == other_count), "comparison")]
    if count == other_count and rng.random() < 0.5:
        return []
    return [Turn(f"are there more {one} than {other}?", yes(count > other_count), "comparison")]


def ask_caption(rng, scene):
    form = rng.choice(("describe the picture.", "what is in the picture?", "what does the picture show?"))
    return [Turn(form, caption(scene), "caption")]


def ask_outermost(rng, scene):
    """Asks for the shape at one end, if it is clearly the outermost, and its colour as a follow-up."""
    axis, end, word = rng.choice((("x", 0, "leftmost"), ("x", -1, "rightmost"),
                                  ("y", 0, "topmost"), ("y", -1, "lowest")))
    ordered = sorted(scene.things, key=lambda t: getattr(t, axis))
    thing, rival = (ordered[0], ordered[1]) if end == 0 else (ordered[-1], ordered[-2])
    if abs(getattr(thing, axis) - getattr(rival, axis)) < CLEAR * scene.side:
        return []
    return [Turn(f"what is the {word} shape?", thing.shape, "relation"),
            Turn("and what colour is it?", thing.colour, "follow_up")][:rng.choice((1, 2, 2))]


def ask_and_the_other(rng, scene):
    """Asks for the colour of one shape, then "and the star?"."""
    single = [t for t in scene.things if counts(scene)[1][t.shape] == 1]
    if len(single) < 2:
        return []
    first, second = rng.sample(single, 2)
    return [Turn(f"what colour is the {first.shape}?", first.colour, "colour"),
            Turn(f"and the {second.shape}?", second.colour, "follow_up")]


def ask_and_how_many(rng, scene):
    (one, count), (other, other_count) = countable(rng, scene), countable(rng, scene)
    if one == other:
        return []
    return [Turn(f"how many {one} are there?", NUMBERS[count], "count"),
            Turn(f"and how many {other}?", NUMBERS[other_count], "follow_up")]


def ask_and_where(rng, scene):
    """Asks for the shape of a colour, then for its position."""
    single = [t for t in scene.things if counts(scene)[0][t.colour] == 1]
    if not single:
        return []
    first = rng.choice(single)
    second = rng.choice([t for t in scene.things if t is not first])
    found = relation(rng, scene, first, second, "it")
    if not found:
        return []
    return [Turn(f"what shape is {first.colour}?", first.shape, "shape"),
            Turn(f"and {found[0]}", found[1], "follow_up")]


ONE_PICTURE = (ask_colour, ask_shape, ask_yes_no, ask_yes_no, ask_count, ask_count, ask_relation, ask_relation,
               ask_comparison, ask_caption, ask_outermost, ask_and_the_other, ask_and_how_many, ask_and_where)
WHICH = ("first", "second")


def ask_which(rng, scenes):
    """Asks which of two images has a thing, then sometimes "and the blue star?"."""
    turns = []
    for _ in range(rng.choice((1, 2))):
        index = rng.randrange(2)
        description = noun(rng, scenes[index], True)
        if any(fits(t, description) for t in scenes[1 - index].things):
            break
        text = (f"and the {description}?" if turns
                else f"which picture has the {description}, the first or the second?")
        if not turns or turns[0].text.find(f" {description},") < 0:
            turns.append(Turn(text, WHICH[index], "follow_up" if turns else "two_images"))
    return turns


def ask_both(rng, scenes):
    shared = [d for d in (*SHAPES, *(f"{c} shape" for c in COLOURS))
              if all(any(fits(t, d) for t in s.things) for s in scenes)]
    truth = bool(shared) and rng.random() < 0.5
    description = rng.choice(shared) if truth else noun(rng, rng.choice(scenes), True)
    truth = all(any(fits(t, description) for t in s.things) for s in scenes)
    return [Turn(f"do both pictures show a {description}?", yes(truth), "two_images")]


def ask_in_one(rng, scenes):
    """Asks about one of the two images."""
    index = rng.randrange(2)
    scene, place = scenes[index], f"the {WHICH[index]} picture"
    form = rng.choice(("colour", "count", "caption"))
    if form == "count":
        return [Turn(f"how many shapes are there in {place}?", NUMBERS[len(scene.things)], "two_images")]
    if form == "caption":
        return [Turn(f"describe {place}.", caption(scene), "two_images")]
    single = [t for t in scene.things if counts(scene)[1][t.shape] == 1]
    if not single:
        return []
    thing = rng.choice(single)
    return [Turn(f"what colour is the {thing.shape} in {place}?", thing.colour, "two_images")]


def ask_more(rng, scenes):
    first, second = (len(s.things) for s in scenes)
    if first == second:
        return []
    return [Turn("which picture has more shapes, the first or the second?", WHICH[second > first], "two_images")]


TWO_PICTURES = (ask_which, ask_which, ask_both, ask_both, ask_in_one, ask_in_one, ask_in_one, ask_more)


def converse(rng, questions, subject, count):
    """Returns `count` turns or one more, with no question repeated and the kinds of questions in random order."""
    turns, asked = [], set()
    while len(turns) < count:
        for question in rng.sample(questions, len(questions)):
            found = question(rng, subject)
            if found and len(turns) < count and not any(t.text in asked for t in found):
                asked.update(t.text for t in found)
                turns += [t._replace(text=t.text[0].upper() + t.text[1:]) if rng.random() < 0.25 else t
                          for t in found]
    return turns


def one_picture_turns(rng, scene, count):
    return converse(rng, ONE_PICTURE, scene, count)


def two_picture_turns(rng, first, second, count):
    return converse(rng, TWO_PICTURES, (first, second), count)
