"""The single things that the world is made of.

concepts.json (names and synonyms of CLDR, chosen by hand; see collect.py) -> CONCEPTS

A concept is known by its place in CONCEPTS; where a place must outlast a change of the list, as
in the rule of what is held out, it is known by its emoji.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("concepts.json")


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing with one drawing: its everyday name, words that mean the same, and what it is."""

    emoji: str
    name: str
    synonyms: tuple[str, ...]
    category: str

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it may be called."""
        return (self.name, *self.synonyms)


def read_concepts(file: Path = FILE) -> tuple[Concept, ...]:
    """Read what collect.py has written."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    return tuple(
        Concept(row["emoji"], row["name"], tuple(row["synonyms"]), row["category"]) for row in rows
    )


CONCEPTS = read_concepts()
CATEGORIES = tuple(dict.fromkeys(concept.category for concept in CONCEPTS))


@cache
def named(name: str) -> int:
    """Return the place of the concept of that name or synonym.

    Raises:
        KeyError: nothing is called so.
    """
    places = {word: place for place, one in enumerate(CONCEPTS) for word in one.names}
    return places[name]
