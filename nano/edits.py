"""What is asked for in an edit, in many wordings, and the scene as it then is.

Scene -> a change that can be asked for -> a scene that its split may hold -> Edit
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from nano.captions import SIZE_WORDS, name_of
from nano.chance import chance
from nano.changes import (
    TRIES,
    other_axis,
    other_background,
    other_concept,
    other_count,
    swapped,
    with_thing,
)
from nano.nouns import NUMBERS, article, plural, singular
from nano.scenes import (
    RELATIONS,
    Kind,
    Relation,
    Scene,
    Shape,
    Size,
    Split,
    Thing,
    may_meet,
    neighbours,
    sizes,
    split_of,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be different, and the scene as it then is."""

    instruction: str
    target: Scene


def edit(scene: Scene, rng: random.Random, split: Split) -> Edit:
    """Return something to be done to a scene, in one of many wordings, and the scene after it.

    Raises:
        ValueError: no edit was found that stays in the split.
    """
    known = EDITS[scene.kind]
    for kind in rng.sample(known, len(known)):
        for _ in range(TRIES):
            asked = kind(scene, rng)
            if asked is not None and _keeps(scene, asked.target, split):
                return asked
    raise ValueError(f"no edit of {scene} is of the split {split}")


def _keeps(scene: Scene, target: Scene, split: Split) -> bool:
    """Whether an edit is of a split: its target, and what it names together with what was there."""
    met = {thing.concept for one in (scene, target) for thing in one.things}
    return split_of(target) == split and may_meet(met, split)


REPLACE = (
    "replace {the} with {a}",
    "change {the} to {a}",
    "change {the} into {a}",
    "swap {the} for {a}",
    "put {a} in place of {the}",
    "turn {the} into {a}",
    "{a} instead of {the}",
    "show {a} instead of {the}",
    "there should be {a} where {the} is",
)
REPAINT = (
    "make the background {c}",
    "change the background to {c}",
    "paint the background {c}",
    "put it on {a} background",
    "the same on {a} background",
    "turn the background {c}",
    "use {a} background instead",
    "the background should be {c}",
    "on {c} instead",
)
SWAP = (
    "swap {x} and {y}",
    "let {x} and {y} change places",
    "switch {y} and {x}",
    "exchange {x} and {y}",
)
MOVE = ("put {x} on the other side", "move {x} to the other side", "swap the two", *SWAP)
PLACE: dict[Relation, tuple[str, ...]] = {
    "left": (
        "put {x} to the left of {y}",
        "move {y} to the right of {x}",
        "put them side by side, {x} first",
    ),
    "above": ("put {x} above {y}", "move {y} below {x}", "stack them, {x} at the top"),
}
RESIZE = (
    "make {x} {s}",
    "{x} should be {s}",
    "turn {x} into {s} one",
    "show {x} {s}",
)
ADD: dict[Relation, tuple[str, str]] = {
    "left": ("on the left", "on the right"),
    "above": ("at the top", "at the bottom"),
}
ADDING = (
    "add {a} {where}",
    "put {a} {where}",
    "with {a} {where}",
    "{where} there should be {a}",
    "place {a} {where}",
)
REMOVE = (
    "remove {x}",
    "take {x} away",
    "delete {x}",
    "without {x}",
    "leave {x} out",
    "get rid of {x}",
)
RECOUNT = (
    "make it {n}",
    "show {n}",
    "there should be {n}",
    "{n} instead",
    "change the number to {n}",
    "have {n} of them",
)


def _the(scene: Scene, place: int, rng: random.Random) -> str:
    name = name_of(scene.things[place], rng)
    return f"the {plural(name) if scene.kind == 'count' else singular(name)}"


def _replace(scene: Scene, rng: random.Random) -> Edit:
    place = rng.randrange(len(scene.things))
    new = replace(scene.things[place], concept=other_concept(scene, rng))
    name = name_of(new, rng)
    others = plural(name) if scene.kind == "count" else article(singular(name))
    said = rng.choice(REPLACE).format(the=_the(scene, place, rng), a=others)
    return Edit(said, with_thing(scene, place, new))


def _repaint(scene: Scene, rng: random.Random) -> Edit:
    target = other_background(scene, rng)
    colour = target.background
    return Edit(rng.choice(REPAINT).format(c=colour, a=article(colour)), target)


def _swap(scene: Scene, rng: random.Random) -> Edit:
    first, second = rng.choice(list(neighbours(scene)))
    said = rng.choice(MOVE if scene.kind == "pair" else SWAP)
    x, y = rng.sample((_the(scene, first, rng), _the(scene, second, rng)), 2)
    return Edit(said.format(x=x, y=y), swapped(scene, first, second))


def _turn(scene: Scene, rng: random.Random) -> Edit:
    target = other_axis(scene, rng)
    if chance(rng, 0.5):
        target = swapped(target, 0, 1)
    assert target.relation is not None
    words = rng.choice(PLACE[target.relation])
    return Edit(words.format(x=_the(target, 0, rng), y=_the(target, 1, rng)), target)


def _resize(scene: Scene, rng: random.Random) -> Edit | None:
    if len(sizes(scene.kind, scene.shape)) == 1:
        return None
    place = rng.randrange(len(scene.things))
    thing = scene.things[place]
    size: Size = "small" if thing.size == "big" else "big"
    if thing.size == "medium":
        size = rng.choice(("small", "big"))
    word = rng.choice(SIZE_WORDS[size])
    wording = rng.choice(RESIZE)
    said = word if "one" not in wording else article(word)
    if scene.kind == "count" and "one" in wording:
        said, wording = word, "make {x} {s}"
    target = with_thing(scene, place, replace(thing, size=size))
    return Edit(wording.format(x=_the(scene, place, rng), s=said), target)


def _add(scene: Scene, rng: random.Random) -> Edit | None:
    """Put one more at either end; where three would be too many for a square, it grows."""
    relation = scene.relation if scene.relation is not None else rng.choice(RELATIONS)
    last = chance(rng, 0.5)
    new = Thing(other_concept(scene, rng))
    things = (*scene.things, new) if last else (new, *scene.things)
    kind: Kind = "pair" if scene.kind == "one" else "triple"
    shape: Shape = "wide" if relation == "left" else "tall"
    if all(thing.size == "medium" for thing in things) and scene.shape == "square":
        shape = "square"
    target = Scene(kind, things, relation, len(things), scene.background, shape)
    where = ADD[relation][last]
    said = rng.choice(ADDING).format(a=article(singular(name_of(new, rng))), where=where)
    return Edit(said, target)


def _remove(scene: Scene, rng: random.Random) -> Edit:
    """Take one away; what stays keeps its order."""
    place = rng.randrange(len(scene.things))
    things = (*scene.things[:place], *scene.things[place + 1 :])
    kind: Kind = "one" if len(things) == 1 else "pair"
    relation = scene.relation if kind == "pair" else None
    said = rng.choice(REMOVE).format(x=_the(scene, place, rng))
    return Edit(said, Scene(kind, things, relation, len(things), scene.background, scene.shape))


def _recount(scene: Scene, rng: random.Random) -> Edit:
    target = other_count(scene, rng)
    number = rng.choice((NUMBERS[target.count], str(target.count)))
    return Edit(rng.choice(RECOUNT).format(n=number), target)


EDITS: dict[Kind, tuple[Callable[[Scene, random.Random], Edit | None], ...]] = {
    "one": (_replace, _repaint, _add, _resize),
    "count": (_replace, _repaint, _recount, _resize),
    "pair": (_replace, _replace, _repaint, _swap, _swap, _turn, _resize, _add, _remove),
    "triple": (_replace, _replace, _repaint, _swap, _resize, _remove),
    "four": (_replace, _replace, _repaint, _swap, _resize),
}
