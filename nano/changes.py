"""The same scene with one fact changed: what a hard negative tells, or a sibling shows.

Scene -> a change of a kind that applies -> a scene that its split may hold

Every scene made here is of the split that is asked for, by the same rule as `sample`'s.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

from nano.concepts import CONCEPTS
from nano.scenes import (
    BACKGROUNDS,
    COUNTS,
    SIZES,
    Relation,
    Scene,
    Shape,
    Split,
    Thing,
    flip,
    neighbours,
    sizes,
    split_of,
)

Change = Literal["object", "background", "order", "axis", "count", "size"]
CHANGES: tuple[Change, ...] = get_args(Change)
TRIES = 100  # at a change of one kind, to stay in the split, before another kind is tried


def changes(scene: Scene) -> tuple[Change, ...]:
    """Return the kinds of change that apply to a scene."""
    kinds: list[Change] = ["object", "background"]
    if len(scene.things) > 1:
        kinds.append("order")
    if scene.relation is not None:
        kinds.append("axis")
    if scene.kind == "count":
        kinds.append("count")
    if len(sizes(scene.kind, scene.shape)) > 1:
        kinds.append("size")
    return tuple(kinds)


def changed(scene: Scene, rng: random.Random, split: Split, kind: Change | None = None) -> Scene:
    """Return the scene with exactly one fact changed, of a kind, or of any that applies.

    Raises:
        ValueError: no such change was found that stays in the split.
    """
    known = changes(scene)
    for one in rng.sample(known, len(known)) if kind is None else (kind,):
        for _ in range(TRIES):
            found = CHANGED[one](scene, rng)
            if split_of(found) == split:
                return found
    raise ValueError(f"no change of {scene} to {kind or 'anything'} is of the split {split}")


def _other_object(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.things))
    return with_thing(
        scene, place, replace(scene.things[place], concept=other_concept(scene, rng, place))
    )


def other_concept(scene: Scene, rng: random.Random, place: int | None = None) -> int:
    """Return a concept that is not in the scene, half the time akin to the one at `place`."""
    there = {thing.concept for thing in scene.things}
    others = [one for one in range(len(CONCEPTS)) if one not in there]
    if place is not None and flip(rng, 0.5):
        category = CONCEPTS[scene.things[place].concept].category
        others = [one for one in others if CONCEPTS[one].category == category] or others
    return rng.choice(others)


def other_background(scene: Scene, rng: random.Random) -> Scene:
    """Return the scene in front of another colour."""
    return replace(scene, background=rng.choice([c for c in BACKGROUNDS if c != scene.background]))


def _other_order(scene: Scene, rng: random.Random) -> Scene:
    return swapped(scene, *rng.choice(list(neighbours(scene))))


def other_axis(scene: Scene, rng: random.Random) -> Scene:
    """Return a row as a column, a column as a row."""
    relation: Relation = "above" if scene.relation == "left" else "left"
    turned: dict[Shape, Shape] = {"square": "square", "wide": "tall", "tall": "wide"}
    return replace(scene, relation=relation, shape=turned[scene.shape])


def other_count(scene: Scene, rng: random.Random) -> Scene:
    """Return the scene with more or fewer of the same."""
    return replace(scene, count=rng.choice([count for count in COUNTS if count != scene.count]))


def _other_size(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.things))
    thing = scene.things[place]
    size = rng.choice([size for size in SIZES if size != thing.size])
    return with_thing(scene, place, replace(thing, size=size))


CHANGED: dict[Change, Callable[[Scene, random.Random], Scene]] = {
    "object": _other_object,
    "background": other_background,
    "order": _other_order,
    "axis": other_axis,
    "count": other_count,
    "size": _other_size,
}


def with_thing(scene: Scene, place: int, thing: Thing) -> Scene:
    """Return the scene with another thing at a place."""
    things = (*scene.things[:place], thing, *scene.things[place + 1 :])
    return replace(scene, things=things)


def swapped(scene: Scene, first: int, second: int) -> Scene:
    """Return the scene with two things, sizes and all, at one another's places."""
    one = with_thing(scene, first, scene.things[second])
    return with_thing(one, second, scene.things[first])
