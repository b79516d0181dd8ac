"""One item of a verb's arguments, with what stands for it in the output.

text | image | mixture -> InputItem: what to embed, its label and kind, or why there is nothing
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.errors import ItemError
from e5v.inputs import RawItem, normalise
from e5v.places import StoreUrl

SHOWN = 80  # characters of a data URI that are repeated in the output


@dataclass(frozen=True)
class InputItem:
    """One item that a user asked for.

    `label` is what stands for it in the output; `kind` is text, image or mixture. `fault` says why
    there is nothing to embed; `raw` is then None, which the embedder refuses at its position.
    """

    raw: RawItem
    label: Mapping[str, object]
    kind: str
    fault: str | None = None


def make_item(raw: RawItem) -> InputItem:
    """Return an item that stands for itself in the output, without the bulk of its images."""
    kind = find_kind(raw)
    if isinstance(raw, str):
        return InputItem(raw, {"text" if kind == "text" else "path": _shorten(raw)}, kind)
    label = _shorten(raw) if isinstance(raw, dict) else {"item": _shorten(raw)}
    return InputItem(raw, label, kind)


def make_image(path: Path | StoreUrl) -> InputItem:
    """Return the item of an image file."""
    return InputItem(path, {"path": str(path)}, "image")


def make_faulty(fault: str) -> InputItem:
    """Return an item of which there is nothing to embed."""
    return InputItem("", {}, "unreadable", fault)


def explain_refusal(raw: RawItem) -> str | None:
    """Say why an item cannot be embedded whatever the model, such as an empty text."""
    try:
        normalise(raw)
    except ItemError as error:
        return f"an item {error.cause}"
    return None


def find_kind(raw: RawItem) -> str:
    """Return whether an item is a text, an image or a mixture."""
    try:
        item = normalise(raw)
    except ItemError:
        return "unreadable"
    if not item.images:
        return "text"
    return "mixture" if item.texts else "image"


def _shorten(value: Any, key: str = "") -> Any:
    """Leave the bulk of images out of what is repeated."""
    if isinstance(value, str) and (key == "base64" or value.startswith("data:")):
        return value if len(value) <= SHOWN else value[:SHOWN] + "..."
    if isinstance(value, list):
        return [_shorten(part, key) for part in value]
    if isinstance(value, dict):
        return {name: _shorten(part, name) for name, part in value.items()}
    return value
