"""`e5v words`: the words that the vector of an item stands for.

text and image -> E5V.words -> a table, or JSON lines
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.inputs import RawItem
from e5v.verbs.console import show_line, wants_lines
from e5v.verbs.input_files import InputFile
from e5v.verbs.input_items import InputItem
from e5v.verbs.inputs import understand
from e5v.verbs.model_options import Opening, check_model, default_model
from e5v.verbs.options import need_at_least_1
from e5v.verbs.paths import need_image


@dataclass(frozen=True)
class Words:
    """Show the most likely words for a text or an image.

    The prompt asks the model for one word; these are the likeliest answers, with probabilities.

    Examples:
        e5v words a dog in the grass --model nano
        e5v words cat.jpg -k 5
    """

    item: Annotated[Positional[tuple[str, ...]], arg(metavar="ITEM")] = ()
    """A text (several words are joined) or an image file."""
    image: Annotated[Path | None, arg(metavar="FILE")] = None
    """An image to put before ITEM, both as one item."""
    k: Annotated[int, arg(aliases=("-k",), metavar="N")] = 5
    """Number of words."""
    model: Annotated[str, arg(metavar="MODEL")] = field(default_factory=default_model)
    """Hub id or folder of the model; nano is the bundled one."""
    prompt: Annotated[str, arg(metavar="PROMPT")] = "retrieval"
    """Name of a prompt (retrieval, sts, cirr, ...), or your own with <text> and <image> where
    the item goes."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Refuse a missing item and numbers out of range.

        Raises:
            UsageError: names the argument.
        """
        if not self.item and self.image is None:
            raise UsageError("ITEM is missing; name a text or an image file")
        need_at_least_1(self, "k")


def words(verb: Words) -> None:
    """Show the words and their probabilities, likeliest first.

    Raises:
        E5VError: the item, the model or an argument is at fault.
    """
    from e5v.model.prompts import find_prompt

    find_prompt(verb.prompt)
    item = _find_item(verb)
    check_model(verb.model, verb.opening.adapter)
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


def _find_item(verb: Words) -> RawItem:
    need_image(verb.image, "--image")
    if not verb.item and verb.image:
        return verb.image
    item = " ".join(verb.item)
    asked = understand(item)
    if isinstance(asked, InputFile):
        raise UsageError(f"{item} is a file of items; expected one text or image file")
    if not isinstance(asked, InputItem):
        what = "stands for JSON lines on stdin" if item == "-" else "is a folder"
        raise UsageError(f"{item} {what}; expected one text or image file")
    if asked.fault:
        raise UsageError(asked.fault)
    return asked.raw if verb.image is None else [verb.image, asked.raw]
