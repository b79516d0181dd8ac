"""Captions of a scene: one canonical sentence, or one of very many that say the same.

Scene -> things by name or synonym, with size or number -> an arrangement -> a background -> str

The wordings are in wordings.json; the first of each list is the canonical one. A caption states
every fact of the scene but the categories, in lower case and plain ASCII.
"""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from nano.concepts import CONCEPTS
from nano.nouns import NUMBERS, article, plural, singular
from nano.scenes import Scene, Size, Thing, flip

SIZE_WORDS: dict[Size, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("",),
    "big": ("big", "large", "huge"),
}
COLOURS = {"gray": ("gray", "grey"), "purple": ("purple", "violet")}

FILE = Path(__file__).with_name("wordings.json")
WORDINGS: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
_OWN = WORDINGS["captions"]
# By kind and relation; {0} is the first thing in reading order, and so on.
ARRANGEMENTS: dict[str, list[str]] = _OWN["arrangements"]
OPENERS: list[str] = _OWN["openers"]
GROUNDS: list[str] = _OWN["grounds"]  # how a background is added: {a} is it with its article
CLAUSES = ("on the ", "at the ", "from ", "in the ")  # how an arrangement starts that is no noun


def canonical(scene: Scene) -> str:
    """Say a scene in the one plain way, in the one fixed order."""
    things = [_noun(scene, thing, None) for thing in scene.things]
    said = _arrangements(scene)[0].format(*things)
    return GROUNDS[0].format(said, a=article(scene.background), c=scene.background)


def caption(scene: Scene, rng: random.Random) -> str:
    """Say all of a scene in one of very many ways."""
    colour = rng.choice(COLOURS.get(scene.background, (scene.background,)))
    return rng.choice(GROUNDS).format(_opened(scene, rng), a=article(colour), c=colour)


def bare_caption(scene: Scene, rng: random.Random) -> str:
    """Say all of a scene but its background."""
    return _opened(scene, rng)


def statement(scene: Scene, rng: random.Random, level: float) -> str:
    """Return a caption that is more often free than canonical as `level` goes from 0 to 1."""
    return caption(scene, rng) if flip(rng, level) else canonical(scene)


def unsized(scene: Scene) -> Scene:
    """Return the scene as one tells it who does not look at sizes."""
    return replace(scene, things=tuple(Thing(thing.concept) for thing in scene.things))


def name_of(thing: Thing, rng: random.Random | None) -> str:
    """Return the name of a thing, at times a synonym of it."""
    concept = CONCEPTS[thing.concept]
    if rng is None or not concept.synonyms or flip(rng, 0.6):
        return concept.name
    return rng.choice(concept.synonyms)


def _arrangements(scene: Scene) -> list[str]:
    """Return the wordings of how the things of such a scene stand."""
    return ARRANGEMENTS[" ".join(filter(None, (scene.kind, scene.relation)))]


def _opened(scene: Scene, rng: random.Random) -> str:
    things = [_noun(scene, thing, rng) for thing in scene.things]
    said = rng.choice(_arrangements(scene)).format(*things)
    if said.startswith(CLAUSES):
        return said
    opener = rng.choice(OPENERS)
    if scene.kind == "count":
        opener = opener.replace(" is ", " are ")
    return opener.format(said)


def _noun(scene: Scene, thing: Thing, rng: random.Random | None) -> str:
    """Name a thing with its size and its number: "a big apple", "two loaves of bread"."""
    sizes = SIZE_WORDS[thing.size]
    size = sizes[0] if rng is None else rng.choice(sizes)
    name = name_of(thing, rng)
    if scene.kind == "count":
        return " ".join(filter(None, (_number(scene.count, rng), size, plural(name))))
    words = f"{size} {singular(name)}".strip()
    if rng is None:
        return article(words)
    determiner = rng.choice(("a", "a", "a", "a", "one", "the"))
    return article(words) if determiner == "a" else f"{determiner} {words}"


def _number(count: int, rng: random.Random | None) -> str:
    if rng is None:
        return NUMBERS[count]
    return rng.choice((NUMBERS[count], NUMBERS[count], str(count)))
