"""A scene in words: one plain sentence, or one of very many that say the same.

Scene -> things by name or synonym, with size or number -> an arrangement -> a background -> str

The first wording of each table is the canonical one. Every caption tells every fact that `facts`
knows but the categories; words are lower case and plain ASCII.
"""

import random
from dataclasses import replace

from nano.chance import chance
from nano.concepts import CONCEPTS
from nano.nouns import NUMBERS, article, plural, singular
from nano.scenes import Kind, Relation, Scene, Size, Thing

SIZE_WORDS: dict[Size, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("",),
    "big": ("big", "large", "huge"),
}
COLOURS = {"gray": ("gray", "grey"), "purple": ("purple", "violet")}

# {0} is the first thing in reading order, and so on.
ARRANGEMENTS: dict[tuple[Kind, Relation | None], tuple[str, ...]] = {
    ("one", None): ("{0}",),
    ("count", None): ("{0}",),
    ("pair", "left"): (
        "{0} to the left of {1}",
        "{0} left of {1}",
        "{1} to the right of {0}",
        "{1} right of {0}",
        "{0} on the left and {1} on the right",
        "{1} on the right and {0} on the left",
        "{0} with {1} to its right",
        "{1} with {0} to its left",
        "{0} and, to its right, {1}",
        "{0} and {1} from left to right",
        "on the left {0}, on the right {1}",
        "on the right {1}, on the left {0}",
    ),
    ("pair", "above"): (
        "{0} above {1}",
        "{0} over {1}",
        "{1} below {0}",
        "{1} under {0}",
        "{0} at the top and {1} at the bottom",
        "{1} at the bottom and {0} at the top",
        "{0} with {1} below it",
        "{1} with {0} above it",
        "{0} and, underneath, {1}",
        "{0} and {1} from top to bottom",
        "at the top {0}, at the bottom {1}",
        "at the bottom {1}, at the top {0}",
    ),
    ("triple", "left"): (
        "{0}, {1} and {2} from left to right",
        "{2}, {1} and {0} from right to left",
        "{0} on the left, {1} in the middle and {2} on the right",
        "{1} between {0} on the left and {2} on the right",
        "{0} to the left of {1} and {2} to its right",
        "a row of {0}, {1} and {2}",
        "from left to right {0}, {1} and {2}",
    ),
    ("triple", "above"): (
        "{0}, {1} and {2} from top to bottom",
        "{2}, {1} and {0} from bottom to top",
        "{0} at the top, {1} in the middle and {2} at the bottom",
        "{1} between {0} at the top and {2} at the bottom",
        "{0} above {1} and {2} below it",
        "a column of {0}, {1} and {2}",
        "from top to bottom {0}, {1} and {2}",
    ),
    ("four", None): (
        "{0} and {1} above {2} and {3}",
        "{2} and {3} below {0} and {1}",
        "{0} and {1} at the top, {2} and {3} at the bottom",
        "{2} and {3} under {0} and {1}",
        "{0} at the top left, {1} at the top right, {2} at the bottom left"
        " and {3} at the bottom right",
        "in the top row {0} and {1}, in the bottom row {2} and {3}",
    ),
}
CLAUSES = ("on the ", "at the ", "from ", "in the ")  # how an arrangement starts that is no noun

OPENERS = (
    "{}",
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "a scene with {}",
    "there is {}",
    "here is {}",
    "we see {}",
    "this shows {}",
    "the picture shows {}",
    "you can see {}",
)
GROUNDS = (
    "{0} on {a} background",
    "{0} on {c}",
    "{0} against {a} background",
    "{0} against {c}",
    "{0} in front of {a} wall",
    "{0} with {a} background",
    "{0} on {a} backdrop",
    "{0}, and the background is {c}",
    "{0}, everything on {c}",
    "on {a} background, {0}",
    "on {c}, {0}",
    "against {a} background, {0}",
)


def canonical(scene: Scene) -> str:
    """Say a scene in the one plain way, in the one fixed order."""
    things = [_noun(scene, thing, None) for thing in scene.things]
    said = ARRANGEMENTS[scene.kind, scene.relation][0].format(*things)
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
    return caption(scene, rng) if chance(rng, level) else canonical(scene)


def unsized(scene: Scene) -> Scene:
    """Return the scene as one tells it who does not look at sizes."""
    return replace(scene, things=tuple(Thing(thing.concept) for thing in scene.things))


def name_of(thing: Thing, rng: random.Random | None) -> str:
    """Return the name of a thing, at times a synonym of it."""
    concept = CONCEPTS[thing.concept]
    if rng is None or not concept.synonyms or chance(rng, 0.6):
        return concept.name
    return rng.choice(concept.synonyms)


def _opened(scene: Scene, rng: random.Random) -> str:
    things = [_noun(scene, thing, rng) for thing in scene.things]
    said = rng.choice(ARRANGEMENTS[scene.kind, scene.relation]).format(*things)
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
