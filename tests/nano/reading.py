"""What a text of the world names, read from its words alone: the tests' own view of it."""

import re
from dataclasses import dataclass
from itertools import combinations

from nano.captions import COLOURS, SIZE_WORDS
from nano.concepts import CONCEPTS, plural
from nano.scenes import BACKGROUNDS, Size, Split, pair_split

NAMES = {
    word: place
    for place, concept in enumerate(CONCEPTS)
    for name in concept.names
    for word in (name, plural(name))
}
HUES = {word: colour for colour in BACKGROUNDS for word in COLOURS[colour]}
SIZES: dict[str, Size] = {word: size for size, words in SIZE_WORDS.items() for word in words}
WORDS = re.compile(
    r"\b("
    + "|".join(map(re.escape, sorted({*NAMES, *HUES, *filter(None, SIZES)}, key=len, reverse=True)))
    + r")\b"
)


@dataclass(frozen=True)
class Named:
    """Concepts, colours and sizes, in the order of the text."""

    concepts: list[int]
    colours: list[str]
    sizes: list[Size]


def read(text: str) -> Named:
    """Find the longest names first, so that a pine tree is no tree."""
    words = WORDS.findall(text)
    return Named(
        [NAMES[word] for word in words if word in NAMES],
        [HUES[word] for word in words if word in HUES],
        [SIZES[word] for word in words if word in SIZES],
    )


def combined(*texts: str) -> set[Split]:
    """Return the splits of all combinations that texts make when they are read together."""
    named = [read(text) for text in texts]
    concepts = {concept for one in named for concept in one.concepts}
    colours = {colour for one in named for colour in one.colours}
    emoji = [CONCEPTS[one].emoji for one in concepts]
    if len(emoji) > 1:
        return {pair_split(*pair) for pair in combinations(emoji, 2)}
    return {pair_split(one, colour) for one in emoji for colour in colours}
