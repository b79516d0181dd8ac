"""What is true of a scene, how much of it two scenes share, and a sentence that tells a part.

Scene -> facts -> similarity: facts shared, of all facts of the two
Scene -> a part of it, of a combination that its split may hold -> entailed caption
"""

import random
from dataclasses import dataclass, replace

from nano.captions import bare_caption, caption
from nano.concepts import CONCEPTS
from nano.scenes import Scene, Thing, flip, neighbours, split_of


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so; `about` and `other` are concepts by name, where it is about any."""

    kind: str
    value: str | int
    about: str = ""
    other: str = ""


def facts(scene: Scene) -> frozenset[Fact]:
    """Return all that a caption tells, and what the things are."""
    names = [CONCEPTS[thing.concept].name for thing in scene.things]
    found = {Fact("background", scene.background), Fact("number", scene.count)}
    for name, thing in zip(names, scene.things, strict=True):
        found.add(Fact("object", name))
        found.add(Fact("category", CONCEPTS[thing.concept].category))
        found.add(Fact("size", thing.size, name))
    found |= {
        Fact("order", relation, names[first], names[second])
        for (first, second), relation in neighbours(scene).items()
    }
    return frozenset(found)


def similarity(a: Scene, b: Scene) -> float:
    """Return the facts that two scenes share, as a part of all that they have."""
    left, right = facts(a), facts(b)
    return len(left & right) / len(left | right)


def entailed(scene: Scene, rng: random.Random) -> str:
    """Say a true part of a scene, and nothing that is not so.

    What is told is a combination that the scene's own split may hold.

    Raises:
        ValueError: the scene is of no split.
    """
    split = split_of(scene)
    if split is None:
        raise ValueError(f"{scene} is of no split; expected one of train, validation and test")
    part = _part(scene, rng)
    if flip(rng, 0.5):
        part = replace(part, things=tuple(Thing(thing.concept) for thing in part.things))
    if part != scene and flip(rng, 0.5) and split_of(part) in ("train", split):
        return caption(part, rng)
    return bare_caption(part, rng)


def _part(scene: Scene, rng: random.Random) -> Scene:
    """Leave out all things but one or two neighbours, or none."""
    near = neighbours(scene)
    parts: list[tuple[int, ...]] = [(place,) for place in range(len(scene.things))] if near else []
    if len(near) > 1:
        parts += [*near, *near]
    chosen = rng.choice([*parts, tuple(range(len(scene.things)))])
    if len(chosen) == len(scene.things):
        return scene
    things = tuple(scene.things[place] for place in chosen)
    if len(things) == 1:
        return Scene("one", things, None, 1, scene.background)
    return Scene("pair", things, near[chosen[0], chosen[1]], 2, scene.background)
