"""Edits: an instruction that changes a scene, in many wordings, and the scene after it.

Scene -> a change that can be asked for -> a scene that its split may hold -> Edit
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from nano.captions import SIZE_WORDS, WORDINGS, name_of
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
    flip,
    may_meet,
    neighbours,
    sizes,
    split_of,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """An instruction, and the scene after it."""

    instruction: str
    target: Scene


def edit(scene: Scene, rng: random.Random, split: Split) -> Edit:
    """Draw an edit of a scene, in one of many wordings.

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


ENDS: dict[Relation, tuple[str, str]] = {
    "left": ("on the left", "on the right"),
    "above": ("at the top", "at the bottom"),
}


def _worded(kind: str, rng: random.Random) -> str:
    """Draw a wording; {x}, {y} and {the} are things of the scene, {a} is what is new."""
    wordings: list[str] = WORDINGS["edits"][kind]
    return rng.choice(wordings)


def _the(scene: Scene, place: int, rng: random.Random) -> str:
    name = name_of(scene.things[place], rng)
    return f"the {plural(name) if scene.kind == 'count' else singular(name)}"


def _replace(scene: Scene, rng: random.Random) -> Edit:
    place = rng.randrange(len(scene.things))
    new = replace(scene.things[place], concept=other_concept(scene, rng))
    name = name_of(new, rng)
    others = plural(name) if scene.kind == "count" else article(singular(name))
    said = _worded("replace", rng).format(the=_the(scene, place, rng), a=others)
    return Edit(said, with_thing(scene, place, new))


def _repaint(scene: Scene, rng: random.Random) -> Edit:
    target = other_background(scene, rng)
    colour = target.background
    return Edit(_worded("repaint", rng).format(c=colour, a=article(colour)), target)


def _swap(scene: Scene, rng: random.Random) -> Edit:
    first, second = rng.choice(list(neighbours(scene)))
    said = _worded("move" if scene.kind == "pair" else "swap", rng)
    x, y = rng.sample((_the(scene, first, rng), _the(scene, second, rng)), 2)
    return Edit(said.format(x=x, y=y), swapped(scene, first, second))


def _turn(scene: Scene, rng: random.Random) -> Edit:
    target = other_axis(scene, rng)
    if flip(rng, 0.5):
        target = swapped(target, 0, 1)
    words = _worded(f"place {target.relation}", rng)
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
    wording = _worded("resize", rng)
    said = word if "one" not in wording else article(word)
    if scene.kind == "count" and "one" in wording:
        said, wording = word, "make {x} {s}"
    target = with_thing(scene, place, replace(thing, size=size))
    return Edit(wording.format(x=_the(scene, place, rng), s=said), target)


def _add(scene: Scene, rng: random.Random) -> Edit | None:
    """Put one more at either end; where three would be too many for a square, it grows."""
    relation = scene.relation if scene.relation is not None else rng.choice(RELATIONS)
    last = flip(rng, 0.5)
    new = Thing(other_concept(scene, rng))
    things = (*scene.things, new) if last else (new, *scene.things)
    kind: Kind = "pair" if scene.kind == "one" else "triple"
    shape: Shape = "wide" if relation == "left" else "tall"
    if all(thing.size == "medium" for thing in things) and scene.shape == "square":
        shape = "square"
    target = Scene(kind, things, relation, len(things), scene.background, shape)
    where = ENDS[relation][last]
    said = _worded("adding", rng).format(a=article(singular(name_of(new, rng))), where=where)
    return Edit(said, target)


def _remove(scene: Scene, rng: random.Random) -> Edit:
    """Take one away; what stays keeps its order."""
    place = rng.randrange(len(scene.things))
    things = (*scene.things[:place], *scene.things[place + 1 :])
    kind: Kind = "one" if len(things) == 1 else "pair"
    relation = scene.relation if kind == "pair" else None
    said = _worded("remove", rng).format(x=_the(scene, place, rng))
    return Edit(said, Scene(kind, things, relation, len(things), scene.background, scene.shape))


def _recount(scene: Scene, rng: random.Random) -> Edit:
    target = other_count(scene, rng)
    number = rng.choice((NUMBERS[target.count], str(target.count)))
    return Edit(_worded("recount", rng).format(n=number), target)


EDITS: dict[Kind, tuple[Callable[[Scene, random.Random], Edit | None], ...]] = {
    "one": (_replace, _repaint, _add, _resize),
    "count": (_replace, _repaint, _recount, _resize),
    "pair": (_replace, _replace, _repaint, _swap, _swap, _turn, _resize, _add, _remove),
    "triple": (_replace, _replace, _repaint, _swap, _resize, _remove),
    "four": (_replace, _replace, _repaint, _swap, _resize),
}
