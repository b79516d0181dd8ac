"""The concepts: the single things that scenes are made of.

chosen.txt (by hand, from the short names and keywords of Unicode's CLDR) -> CONCEPTS

A concept is known by its place in CONCEPTS; where a place must outlast a change of the list, as
in the rule of what is held out, it is known by its emoji. Every word is CLDR's unless chosen.txt
marks it with `+`, and no word means two things. To check the list:

    npm install --prefix build/nano cldr-annotations-full@48.2.0
    python -m nano.concepts
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

CHOSEN = Path(__file__).with_name("chosen.txt")
CLDR = Path("build/nano/node_modules/cldr-annotations-full/annotations/en/annotations.json")
OWN = "+"  # marks a word that CLDR does not have
PLAIN = re.compile(r"[a-z]+([ -][a-z]+)*")


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing with one drawing: its everyday name, words that mean the same, and its category."""

    emoji: str
    name: str
    synonyms: tuple[str, ...]
    category: str

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it may be called."""
        return (self.name, *self.synonyms)


def read_chosen(file: Path = CHOSEN) -> Iterator[Concept]:
    """Read the list; words of our own keep their mark."""
    category = ""
    for line in filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines())):
        if line.startswith("["):
            category = line.strip("[]")
        elif not line.startswith("#"):
            emoji, words = line.split(maxsplit=1)
            name, _, synonyms = words.partition(":")
            others = tuple(filter(None, map(str.strip, synonyms.split(","))))
            yield Concept(emoji, name.strip(), others, category)


def without_marks(concept: Concept) -> Concept:
    """Return a concept whose words have no marks."""
    name, *synonyms = (word.removeprefix(OWN) for word in concept.names)
    return replace(concept, name=name, synonyms=tuple(synonyms))


CONCEPTS = tuple(map(without_marks, read_chosen()))
CATEGORIES = tuple(dict.fromkeys(concept.category for concept in CONCEPTS))


@cache
def named(name: str) -> int:
    """Return the place of the concept of that name or synonym.

    Raises:
        KeyError: nothing is called so.
    """
    places = {word: place for place, one in enumerate(CONCEPTS) for word in one.names}
    return places[name]


def find_faults(concepts: tuple[Concept, ...], keywords: dict[str, set[str]]) -> Iterator[str]:
    """Name every word that CLDR does not have, that is not plain, or that means two things."""
    for concept in concepts:
        known = keywords[concept.emoji.replace("\ufe0f", "")]
        for word in concept.names:
            if not word.startswith(OWN) and not (word in known or _covered(word, known)):
                yield f"{concept.emoji} {word}: not in CLDR ({', '.join(sorted(known))})"
    cleaned = list(map(without_marks, concepts))
    uses = Counter(word for one in cleaned for word in {*one.names})
    uses.update({one.category for one in cleaned})
    yield from (f"{word}: means {count} things" for word, count in uses.items() if count > 1)
    yield from (f"{word}: not plain" for word in uses if not PLAIN.fullmatch(word))


def _covered(word: str, known: set[str]) -> bool:
    """Every part is there, in the singular or the plural."""
    return all(
        {one, one + "s", one + "es", one.removesuffix("s"), re.sub("y$", "ies", one)} & known
        for one in word.split()
    )


def _read_keywords() -> dict[str, set[str]]:
    """Return the words of CLDR's English short names and keywords, by emoji."""
    rows = json.loads(CLDR.read_text(encoding="utf-8"))["annotations"]["annotations"]
    texts = {
        emoji: [text.lower() for text in (*row["default"], *row["tts"])]
        for emoji, row in rows.items()
    }
    return {
        emoji: {word for text in of for word in (text, *re.split(r"[^a-z]+", text))}
        for emoji, of in texts.items()
    }


if __name__ == "__main__":
    raise SystemExit("\n".join(find_faults(tuple(read_chosen()), _read_keywords())) or None)
