"""The things that scenes are made of, and how they are named in English.

chosen.txt (by hand, from the short names and keywords of Unicode's CLDR) -> CONCEPTS
"apple" -> "an apple", "two apples"; "bread" -> "a loaf of bread"; "jeans" -> "two pairs of jeans"

A concept is known by its place in CONCEPTS; where a place must outlast a change of the list, as
in the rule of what is held out, it is known by its emoji.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDINGS: dict[str, Any] = json.loads(
    Path(__file__).with_name("wordings.json").read_text(encoding="utf-8")
)
MEASURES = {  # of what is not counted by itself
    word: measure for measure, words in WORDINGS["measures"].items() for word in words
}
PLURALS: dict[str, str] = WORDINGS["plurals"]  # the irregular ones
NUMBERS = ("zero", "one", "two", "three", "four")
_AN = re.compile(r"[aeio]|u(?!fo|ni)|hourglass")


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


def _read_chosen() -> Iterator[Concept]:
    """Read the list; "+" marks words that CLDR does not have."""
    category = ""
    text = Path(__file__).with_name("chosen.txt").read_text(encoding="utf-8")
    for line in filter(None, map(str.strip, text.replace("+", "").splitlines())):
        if line.startswith("["):
            category = line.strip("[]")
        elif not line.startswith("#"):
            emoji, words = line.split(maxsplit=1)
            name, *synonyms = re.split(r"\s*[:,]\s*", words)
            yield Concept(emoji, name, tuple(synonyms), category)


CONCEPTS = tuple(_read_chosen())


def article(words: str) -> str:
    """Put "a" or "an" before words."""
    return f"an {words}" if _AN.match(words) else f"a {words}"


def singular(name: str) -> str:
    """Return the words for one: "apple", "loaf of bread"."""
    return f"{MEASURES[name]} of {name}" if name in MEASURES else name


def plural(name: str) -> str:
    """Return the words for several: "apples", "loaves of bread"."""
    first, of, rest = singular(name).partition(" of ")
    head, space, last = first.rpartition(" ")
    if last in PLURALS:
        return f"{head}{space}{PLURALS[last]}{of}{rest}"
    if re.search(r"(s|x|z|ch|sh)$", last):
        return f"{first}es{of}{rest}"
    if re.search(r"[^aeiou]y$", last):
        return f"{first[:-1]}ies{of}{rest}"
    return f"{first}s{of}{rest}"
