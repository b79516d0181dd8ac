"""Scenes made from scenes: one fact changed, or what an edit asks for.

Scene -> a change of a kind that applies -> a scene that its split may hold
Scene -> an instruction in one of many wordings, and the scene after it -> Edit
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nano.captions import SIZE_WORDS, name_of
from nano.concepts import CONCEPTS, NUMBERS, WORDINGS, article, plural, singular
from nano.scenes import (
    BACKGROUNDS,
    COUNTS,
    RELATIONS,
    SIZES,
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

TRIES = 100  # at a change of one kind, to stay in the split, before another kind is tried
ENDS: dict[Relation, tuple[str, str]] = {
    "left": ("on the left", "on the right"),
    "above": ("at the top", "at the bottom"),
}
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Edit:
    """An instruction, and the scene after it."""

    instruction: str
    target: Scene


def changed(scene: Scene, rng: random.Random, split: Split) -> Scene:
    """Return the scene with exactly one fact changed, of any kind that applies."""
    known = [CHANGED[kind] for kind in changes(scene)]
    return first_kept(known, scene, rng, lambda other: split_of(other) == split)


def edit(scene: Scene, rng: random.Random, split: Split, *, resized: bool = False) -> Edit:
    """Draw an edit whose target is of the split, as is what it names beside what was there.

    With `resized` it is of a size, where the sizes of such a scene can be told apart.
    """

    def keeps(made: Edit) -> bool:
        met = {thing.concept for one in (scene, made.target) for thing in one.things}
        return split_of(made.target) == split and may_meet(met, split)

    sized = resized and "size" in changes(scene)
    return first_kept((_resize,) if sized else EDITS[scene.kind], scene, rng, keeps)


def first_kept(
    makers: Sequence[Callable[[Scene, random.Random], Made | None]],
    scene: Scene,
    rng: random.Random,
    keeps: Callable[[Made], bool],
) -> Made:
    """Make things of a scene until one is kept; raise a ValueError if none is."""
    for make in rng.sample(makers, len(makers)):
        for _ in range(TRIES):
            made = make(scene, rng)
            if made is not None and keeps(made):
                return made
    raise ValueError(f"nothing that is made of {scene} stays in its split; draw another scene")


def changes(scene: Scene) -> list[str]:
    """Return the kinds of change that apply to a scene."""
    applies = {
        "order": len(scene.things) > 1,
        "axis": scene.relation is not None,
        "count": scene.kind == "count",
        "size": len(sizes(scene.kind, scene.shape)) > 1,
    }
    return [kind for kind in CHANGED if applies.get(kind, True)]


def _with(scene: Scene, place: int, **values: Any) -> Scene:
    """Return the scene with other values of the thing at a place."""
    things = list(scene.things)
    things[place] = replace(things[place], **values)
    return replace(scene, things=tuple(things))


def _swapped(scene: Scene, first: int, second: int) -> Scene:
    """Return the scene with two things, sizes and all, at one another's places."""
    things = list(scene.things)
    things[first], things[second] = things[second], things[first]
    return replace(scene, things=tuple(things))


def _other_object(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.things))
    return _with(scene, place, concept=_other_concept(scene, rng, place))


def _other_concept(scene: Scene, rng: random.Random, place: int | None = None) -> int:
    """Return a concept that is not in the scene, half the time akin to the one at `place`."""
    there = {thing.concept for thing in scene.things}
    others = [one for one in range(len(CONCEPTS)) if one not in there]
    if place is not None and flip(rng, 0.5):
        category = CONCEPTS[scene.things[place].concept].category
        others = [one for one in others if CONCEPTS[one].category == category] or others
    return rng.choice(others)


def _other_background(scene: Scene, rng: random.Random) -> Scene:
    return replace(scene, background=rng.choice([c for c in BACKGROUNDS if c != scene.background]))


def _other_axis(scene: Scene, rng: random.Random) -> Scene:
    """Return a row as a column, a column as a row."""
    relation: Relation = "above" if scene.relation == "left" else "left"
    turned: dict[Shape, Shape] = {"square": "square", "wide": "tall", "tall": "wide"}
    return replace(scene, relation=relation, shape=turned[scene.shape])


def _other_count(scene: Scene, rng: random.Random) -> Scene:
    return replace(scene, count=rng.choice([count for count in COUNTS if count != scene.count]))


def _other_size(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.things))
    others = [size for size in SIZES if size != scene.things[place].size]
    return _with(scene, place, size=rng.choice(others))


CHANGED: dict[str, Callable[[Scene, random.Random], Scene]] = {
    "object": _other_object,
    "background": _other_background,
    "order": lambda scene, rng: _swapped(scene, *rng.choice(list(neighbours(scene)))),
    "axis": _other_axis,
    "count": _other_count,
    "size": _other_size,
}


def _wording(kind: str, rng: random.Random) -> str:
    """Draw a wording; {x}, {y} and {the} are things of the scene, {a} is what is new."""
    wordings: list[str] = WORDINGS["edits"][kind]
    return rng.choice(wordings)


def _the(scene: Scene, place: int, rng: random.Random) -> str:
    name = name_of(scene.things[place], rng)
    return f"the {plural(name) if scene.kind == 'count' else singular(name)}"


def _replace(scene: Scene, rng: random.Random) -> Edit:
    place = rng.randrange(len(scene.things))
    target = _with(scene, place, concept=_other_concept(scene, rng))
    name = name_of(target.things[place], rng)
    others = plural(name) if scene.kind == "count" else article(singular(name))
    return Edit(_wording("replace", rng).format(the=_the(scene, place, rng), a=others), target)


def _repaint(scene: Scene, rng: random.Random) -> Edit:
    target = _other_background(scene, rng)
    colour = target.background
    return Edit(_wording("repaint", rng).format(c=colour, a=article(colour)), target)


def _swap(scene: Scene, rng: random.Random) -> Edit:
    first, second = rng.choice(list(neighbours(scene)))
    wording = _wording("move" if scene.kind == "pair" else "swap", rng)
    x, y = rng.sample((_the(scene, first, rng), _the(scene, second, rng)), 2)
    return Edit(wording.format(x=x, y=y), _swapped(scene, first, second))


def _turn(scene: Scene, rng: random.Random) -> Edit:
    target = _other_axis(scene, rng)
    if flip(rng, 0.5):
        target = _swapped(target, 0, 1)
    wording = _wording(f"place {target.relation}", rng)
    return Edit(wording.format(x=_the(target, 0, rng), y=_the(target, 1, rng)), target)


def _resize(scene: Scene, rng: random.Random) -> Edit | None:
    if len(sizes(scene.kind, scene.shape)) == 1:
        return None
    place = rng.randrange(len(scene.things))
    before = scene.things[place].size
    size: Size = "small" if before == "big" else "big"
    if before == "medium":
        size = rng.choice(("small", "big"))
    word = rng.choice(SIZE_WORDS[size])
    wording = _wording("resize", rng)
    if "one" in wording and scene.kind == "count":
        wording = "make {x} {s}"
    elif "one" in wording:
        word = article(word)
    said = wording.format(x=_the(scene, place, rng), s=word)
    return Edit(said, _with(scene, place, size=size))


def _add(scene: Scene, rng: random.Random) -> Edit | None:
    """Put one more at either end; where three would be too many for a square, it grows."""
    relation = scene.relation if scene.relation is not None else rng.choice(RELATIONS)
    last = flip(rng, 0.5)
    new = Thing(_other_concept(scene, rng))
    things = (*scene.things, new) if last else (new, *scene.things)
    kind: Kind = "pair" if scene.kind == "one" else "triple"
    shape: Shape = "wide" if relation == "left" else "tall"
    if scene.shape == "square" and all(thing.size == "medium" for thing in things):
        shape = "square"
    said = _wording("adding", rng).format(
        a=article(singular(name_of(new, rng))), where=ENDS[relation][last]
    )
    return Edit(said, Scene(kind, things, relation, len(things), scene.background, shape))


def _remove(scene: Scene, rng: random.Random) -> Edit:
    """Take one away; what stays keeps its order."""
    place = rng.randrange(len(scene.things))
    things = (*scene.things[:place], *scene.things[place + 1 :])
    kind: Kind = "one" if len(things) == 1 else "pair"
    relation = scene.relation if kind == "pair" else None
    said = _wording("remove", rng).format(x=_the(scene, place, rng))
    return Edit(said, Scene(kind, things, relation, len(things), scene.background, scene.shape))


def _recount(scene: Scene, rng: random.Random) -> Edit:
    target = _other_count(scene, rng)
    number = rng.choice((NUMBERS[target.count], str(target.count)))
    return Edit(_wording("recount", rng).format(n=number), target)


EDITS: dict[Kind, tuple[Callable[[Scene, random.Random], Edit | None], ...]] = {
    "one": (_replace, _repaint, _add, _resize),
    "count": (_replace, _repaint, _recount, _resize),
    "pair": (_replace, _replace, _repaint, _swap, _swap, _turn, _resize, _add, _remove),
    "triple": (_replace, _replace, _repaint, _swap, _resize, _remove),
    "four": (_replace, _replace, _repaint, _swap, _resize),
}
