"""The model of a new index that names none: proposed on a terminal, and asked for once.

folders -> how many photos and texts -> the model to take here -> its price for them -> yes or no

The answer is kept nowhere: the index remembers its model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e5v.errors import ModelError, UsageError
from e5v.model.bundled import PHOTOS, is_assembled
from e5v.verbs.console import announce, ask, can_ask, say

if TYPE_CHECKING:
    from e5v.model.prices import Price
    from e5v.search.exclusion import Exclusion
    from e5v.verbs.model_options import Opening

GB = 1e9
UNITS = ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))
TWICE = 2  # of a unit, from which on it is used


@dataclass(frozen=True)
class Contents:
    """What is in folders: images, and files of text."""

    photos: int
    texts: int


def propose_model(
    roots: Sequence[str], exclusion: "Exclusion", opening: "Opening", *, here: bool
) -> str:
    """Return the model for a new index of folders, if the user takes the one that is proposed.

    Files that the patterns exclude are left out. None is proposed that does not run `here`.

    Raises:
        UsageError: there is nobody to ask, or the answer is no.
    """
    if not (here and can_ask()):
        raise UsageError(
            "a new index needs a model; name one, or set E5V_MODEL (e5v models says which ones "
            "fit this machine)",
            argument="model",
        )
    announce("looking which model fits this machine")
    from e5v.model.machine import find_machine
    from e5v.model.prices import recommend

    machine = find_machine(opening.device, opening.dtype)
    price = recommend(machine).price
    say(describe_proposal(price, count_contents(roots, exclusion)))
    if price.model.id == PHOTOS and not is_assembled():
        raise UsageError(
            f"{PHOTOS} is assembled once, which takes a minute: run e5v assemble {PHOTOS}, then "
            "this command again"
        )
    if not ask(f"use {price.model.id}?"):
        raise UsageError("no model was chosen; name one (see e5v models)", argument="model")
    return price.model.id


def count_contents(roots: Sequence[str], exclusion: "Exclusion") -> Contents:
    """Count what is in folders, by the names of files."""
    from e5v.search.scan import FoundFile, walk

    listed = [one for root in roots for one in walk(root, exclusion)]
    forms: list[str] = [one.form for one in listed if isinstance(one, FoundFile)]
    photos, texts = ("image", "raw"), ("text", "lines", "document")
    return Contents(sum(map(forms.count, photos)), sum(map(forms.count, texts)))


def describe_proposal(price: "Price", contents: Contents) -> str:
    """Say in one line what a model is, and what it takes to index the contents with it."""
    model = price.model
    costs = []
    if contents.photos:
        time = format_time(contents.photos * price.photo)
        costs.append(f"{contents.photos:,} photos: about {time} ({price.basis('photo')})")
    if contents.texts or not costs:
        each = f"{price.text:.2g} s a passage ({price.basis('text')})"
        costs.append(f"{contents.texts:,} text files: {each}")
    return (
        f"the model to take on this machine is {model.id} ({model.licence}): "
        f"{_find_download(price) / GB:.1f} GB to download, {price.memory / GB:.1f} GB of memory; "
        f"{'; '.join(costs)}; others: e5v models"
    )


def _find_download(price: "Price") -> int:
    """Return the bytes still to be downloaded: the hub's answer, or what is known without it."""
    from e5v.model.downloads import download_size

    try:
        found = download_size(price.model.id)
    except ModelError:
        return price.model.download_size
    return found.size if found else 0


def format_time(seconds: float) -> str:
    """Write a time in its largest unit that there are two of: "40 min", "3 h"."""
    for unit, name in UNITS:
        if seconds >= TWICE * unit:
            return f"{round(seconds / unit):,} {name}"
    return "a second"
