"""Captions of a scene: one canonical sentence, or one of very many that say the same.

Scene -> things by name or synonym, with size or number -> an arrangement -> a background -> str

The first wording of each list in wordings.json is the canonical one. A caption states every fact
of the scene but the categories, in lower case and plain ASCII.
"""

import random

from nano.concepts import CONCEPTS, NUMBERS, WORDINGS, article, plural, singular
from nano.scenes import Scene, Size, Thing, flip

SIZE_WORDS: dict[Size, list[str]] = WORDINGS["sizes"]
COLOURS: dict[str, list[str]] = WORDINGS["colours"]  # what each is called
# By kind and relation; {0} is the first thing in reading order, and so on.
ARRANGEMENTS: dict[str, list[str]] = WORDINGS["captions"]["arrangements"]
OPENERS: list[str] = WORDINGS["captions"]["openers"]
GROUNDS: list[str] = WORDINGS["captions"]["grounds"]  # {a} is the background with its article
CLAUSES = ("on the ", "at the ", "from ", "in the ")  # how an arrangement starts that is no noun


def canonical(scene: Scene) -> str:
    """Say a scene in the one plain way, in the one fixed order."""
    said = _arrangements(scene)[0].format(*(_noun(scene, thing, None) for thing in scene.things))
    return GROUNDS[0].format(said, a=article(scene.background), c=scene.background)


def caption(scene: Scene, rng: random.Random) -> str:
    """Say all of a scene in one of very many ways."""
    colour = rng.choice(COLOURS[scene.background])
    return rng.choice(GROUNDS).format(bare_caption(scene, rng), a=article(colour), c=colour)


def bare_caption(scene: Scene, rng: random.Random) -> str:
    """Say all of a scene but its background."""
    things = [_noun(scene, thing, rng) for thing in scene.things]
    said = rng.choice(_arrangements(scene)).format(*things)
    if said.startswith(CLAUSES):
        return said
    opener = rng.choice(OPENERS)
    if scene.kind == "count":
        opener = opener.replace(" is ", " are ")
    return opener.format(said)


def name_of(thing: Thing, rng: random.Random | None) -> str:
    """Return the name of a thing, at times a synonym of it."""
    concept = CONCEPTS[thing.concept]
    if rng is None or not concept.synonyms or flip(rng, 0.6):
        return concept.name
    return rng.choice(concept.synonyms)


def _arrangements(scene: Scene) -> list[str]:
    """Return the wordings of how the things of such a scene stand."""
    return ARRANGEMENTS[" ".join(filter(None, (scene.kind, scene.relation)))]


def _noun(scene: Scene, thing: Thing, rng: random.Random | None) -> str:
    """Name a thing with its size and its number: "a big apple", "two loaves of bread"."""
    sizes = SIZE_WORDS[thing.size]
    size = sizes[0] if rng is None else rng.choice(sizes)
    name = name_of(thing, rng)
    if scene.kind == "count":
        word = NUMBERS[scene.count]
        number = rng.choice((word, word, str(scene.count))) if rng else word
        return " ".join(filter(None, (number, size, plural(name))))
    words = f"{size} {singular(name)}".strip()
    determiner = rng.choice(("a", "a", "a", "a", "one", "the")) if rng else "a"
    return article(words) if determiner == "a" else f"{determiner} {words}"
