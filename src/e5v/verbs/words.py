"""`e5v words`: what the vector of an item says.

text and image -> E5V.words -> a table, or JSON lines
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import ItemError, UsageError
from e5v.items import RawItem
from e5v.verbs.inputs import Asked, understand
from e5v.verbs.opening import MODEL, Opening
from e5v.verbs.talk import show_line, wants_lines


@dataclass(frozen=True)
class Words:
    """Say what the vector of a text or an image says: the likeliest next words.

    e5v words cat.jpg -k 5
    """

    item: Annotated[Positional[str], arg(metavar="ITEM")]
    """A text or an image file."""
    image: Annotated[Path | None, arg(metavar="FILE")] = None
    """An image before ITEM, the two being one item."""
    k: Annotated[int, arg(aliases=("-k",), metavar="N")] = 5
    """How many words."""
    model: Annotated[str, arg(metavar="M")] = MODEL
    """A hub id or a folder."""
    prompt: Annotated[str, arg(metavar="P")] = "retrieval"
    """retrieval, sts, cirr, ... or a wording with <text> and <image> where the item goes."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Find what no model could serve."""
        if self.k < 1:
            raise ValueError(f"-k is {self.k}; expected at least 1")


def words(verb: Words) -> None:
    """Show the words and their probabilities, likeliest first.

    Raises:
        E5VError: the item, the model or an argument is at fault.
    """
    from e5v.model.prompts import find_prompt

    find_prompt(verb.prompt)
    item = _item(verb)
    found = verb.opening.open(verb.model).words(item, verb.k, prompt=verb.prompt)
    if wants_lines(json=verb.json):
        for word in found:
            show_line(word._asdict())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("word")
    table.add_column("probability", justify="right")
    for word in found:
        table.add_row(Text(word.word), f"{word.probability:.3f}")
    Console().print(table)


def _item(verb: Words) -> RawItem:
    asked = understand(verb.item)
    if not isinstance(asked, Asked):
        raise UsageError(f"{verb.item} is a collection; expected one text or image file")
    if asked.fault:
        raise ItemError(0, asked.fault)
    return asked.raw if verb.image is None else [verb.image, asked.raw]
