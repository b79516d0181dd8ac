"""Which columns of a data file hold anchors, positives and negatives.

names -> Columns: anchor and positive, sent0 and sent1, query and pos, or those of a captioned image
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from e5v.captions import FILE_KEYS, IMAGE_KEYS, KNOWN_KEYS, TEXT_KEYS
from e5v.training.cells import TARGET


@dataclass(frozen=True)
class Columns:
    """The columns of a row that are used, and for what; `captioned` are those of an image's row."""

    anchor: str = ""
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    captioned: tuple[str, ...] = ()
    instruction: str = ""
    positive_instruction: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        single = (self.anchor, self.instruction, self.positive_instruction)
        return (*filter(None, single), *self.positives, *self.negatives, *self.captioned)


POSITIVE = re.compile(r"pos(itive)?s?[ _-]?\d*|positive_passages", re.IGNORECASE)
NEGATIVE = re.compile(r"(hard[ _-]?)?neg(ative)?s?[ _-]?\d*|negative_passages", re.IGNORECASE)
ANCHORS = {
    "anchor": POSITIVE,
    "sent0": re.compile("sent1"),  # SimCSE's nli_for_simcse.csv
    "query": POSITIVE,  # FlagEmbedding, Tevatron, sentence-transformers
}
INSTRUCTIONS = ("instruction", "query_instruction", "anchor_instruction", "prompt")
POSITIVE_INSTRUCTIONS = ("positive_instruction", "document_instruction", "passage_instruction")
EXPECTED = (
    "anchor and positive (and negative), sent0 and sent1 (and hard_neg), query and pos, "
    "or image and text"
)
SHOWN = 200  # characters of a list of columns in a message; a longer one is likely data


def find_columns(names: Collection[str]) -> Columns | None:
    """Return the columns that are used; None if they are not known."""
    return _find_columns_of(tuple(names))


@lru_cache(maxsize=100)
def _find_columns_of(names: tuple[str, ...]) -> Columns | None:
    found = _find_items(names)
    if found is None:
        return None
    first, second = (
        next((one for one in known if one in names and one not in found.names), "")
        for known in (INSTRUCTIONS, POSITIVE_INSTRUCTIONS)
    )
    return replace(found, instruction=first, positive_instruction=second)


def _find_items(names: tuple[str, ...]) -> Columns | None:
    for anchor, positive in ANCHORS.items():
        positives = _matching(positive, names)
        if anchor in names and positives:
            return Columns(anchor, positives, _matching(NEGATIVE, names))
    if not ({*IMAGE_KEYS, *FILE_KEYS}.intersection(names) and set(TEXT_KEYS).intersection(names)):
        return None
    captioned = tuple(name for name in names if name in KNOWN_KEYS or name == TARGET)
    return Columns(negatives=_matching(NEGATIVE, names), captioned=captioned)


def _matching(pattern: re.Pattern[str], names: Collection[str]) -> tuple[str, ...]:
    """Return the columns that match, numbered ones by number."""
    found = [name for name in names if pattern.fullmatch(name)]
    return tuple(sorted(found, key=lambda name: int(re.sub(r"\D", "", name) or 0)))


def list_names(names: Collection[str]) -> str:
    """Return names for a message, on one short line."""
    line = ascii(", ".join(names) or "none")[1:-1]
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
