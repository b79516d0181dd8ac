"""What a picture shows, and which combinations are kept from training.

random.Random -> kind, things, background, shape -> Scene, of one split

Of the unordered pairs of concepts (of a concept and a background, where a scene has one concept)
10 % are the validation split's and 11 % the test split's, by a hash of the emoji. A scene of one
of these holds at least one such pair and none of the other's; a scene for training holds none.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Literal, get_args

from nano.concepts import CONCEPTS, WORDINGS

Kind = Literal["one", "count", "pair", "triple", "four"]
Size = Literal["small", "medium", "big"]
Relation = Literal["left", "above"]
Shape = Literal["square", "wide", "tall"]
Split = Literal["train", "validation", "test"]

SIZES: tuple[Size, ...] = get_args(Size)
RELATIONS: tuple[Relation, ...] = get_args(Relation)
COUNTS = (2, 3, 4)
BACKGROUNDS: tuple[str, ...] = tuple(WORDINGS["colours"])
KINDS: dict[Kind, float] = {"one": 0.20, "count": 0.15, "pair": 0.45, "triple": 0.14, "four": 0.06}
THINGS: dict[Kind, int] = {"one": 1, "count": 1, "pair": 2, "triple": 3, "four": 4}
SQUARE: dict[Kind, float] = {"one": 0.85, "count": 0.85, "pair": 0.7, "triple": 0.4, "four": 1.0}
HELD_OUT: dict[Split, range] = {"validation": range(100), "test": range(100, 210)}  # of 1,000


@dataclass(frozen=True, slots=True)
class Thing:
    """A concept (its place in CONCEPTS) as large as it is drawn."""

    concept: int
    size: Size = "medium"


@dataclass(frozen=True, slots=True)
class Scene:
    """Things in reading order: left to right, or top to bottom; four are a grid of 2 x 2.

    `relation` is None where there is no order to tell: one thing, or several that are alike.
    `count` is how many are drawn, more than the things where they are alike. `shape` is the
    picture's, 1:1, 2:1 or 1:2, and no caption tells it.
    """

    kind: Kind
    things: tuple[Thing, ...]
    relation: Relation | None
    count: int
    background: str
    shape: Shape = "square"


def flip(rng: random.Random, probability: float) -> bool:
    """Return True with a probability."""
    return rng.random() < probability


@cache
def pair_split(first: str, second: str) -> Split:
    """Return whose combination it is; `first` and `second` in any order."""
    key = "|".join(sorted((first, second))).encode()
    place = int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % 1000
    return next((split for split, places in HELD_OUT.items() if place in places), "train")


def pairs(scene: Scene) -> Iterator[tuple[str, str]]:
    """Return the combinations in a scene that the split goes by."""
    emoji = [CONCEPTS[thing.concept].emoji for thing in scene.things]
    if len(emoji) == 1:
        yield emoji[0], scene.background
    else:
        yield from combinations(emoji, 2)


def split_of(scene: Scene) -> Split | None:
    """Return the split a scene belongs to: none, if it has pairs of both that are held out."""
    found = {pair_split(*pair) for pair in pairs(scene)} - {"train"}
    if not found:
        return "train"
    return found.pop() if len(found) == 1 else None


def may_meet(concepts: Iterable[int], split: Split) -> bool:
    """Return whether no two concepts make a combination that is kept from a split."""
    emoji = [CONCEPTS[one].emoji for one in concepts]
    return {pair_split(*pair) for pair in combinations(emoji, 2)} <= {"train", split}


def neighbours(scene: Scene) -> dict[tuple[int, int], Relation]:
    """Return which thing is left of or above which, by place, of those beside one another."""
    if scene.kind == "four":
        return {(0, 1): "left", (2, 3): "left", (0, 2): "above", (1, 3): "above"}
    if scene.relation is None:
        return {}
    return {(place, place + 1): scene.relation for place in range(len(scene.things) - 1)}


def sample(rng: random.Random, split: Split) -> Scene:
    """Draw a scene of a split."""
    kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    relation = rng.choice(RELATIONS) if kind in ("pair", "triple") else None
    count = rng.choice(COUNTS) if kind == "count" else THINGS[kind]
    shape = _shape(rng, kind, relation)
    while True:
        concepts = rng.sample(range(len(CONCEPTS)), THINGS[kind])
        things = tuple(Thing(one) for one in concepts)
        scene = Scene(kind, things, relation, count, rng.choice(BACKGROUNDS), shape)
        if split_of(scene) == split:
            return replace(scene, things=tuple(_sized(rng, scene, thing) for thing in things))


def _shape(rng: random.Random, kind: Kind, relation: Relation | None) -> Shape:
    """Most pictures are square; a row may be wide, a column tall."""
    if flip(rng, SQUARE[kind]):
        return "square"
    if relation is None:
        return rng.choice(("wide", "tall"))
    return "wide" if relation == "left" else "tall"


def sizes(kind: Kind, shape: Shape) -> tuple[Size, ...]:
    """Return the sizes that can be told apart: three in a square are small enough as it is."""
    return ("medium",) if kind == "triple" and shape == "square" else SIZES


def _sized(rng: random.Random, scene: Scene, thing: Thing) -> Thing:
    """Alone it is as often small or big as not; among others, most are of no special size."""
    known = sizes(scene.kind, scene.shape)
    if len(known) == 1:
        return thing
    weights = (1, 1, 1) if scene.kind == "one" else (1, 3, 1)
    return replace(thing, size=rng.choices(known, weights)[0])
