"""What the items of training data contain, read once before a model is opened.

rows -> images read and decoded on threads -> a digest of every row, or why it cannot be used

The digests tell whether a run that is resumed has the same data. An image that cannot be decoded is
found here, and not in the middle of a run.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b

from e5v.inputs import RawItem, Text
from e5v.model.image_files import UnreadableError, read_images
from e5v.model.images import decode, digest
from e5v.model.preparing import WORKERS
from e5v.training.cells import as_item


@dataclass(frozen=True)
class Content:
    """The digest of an item or a row; or `fault`, why it cannot be used."""

    digest: bytes = b""
    fault: str = ""


def read_contents(rows: Sequence[Sequence[RawItem]]) -> list[Content]:
    """Return the content of rows of items, in their order; every image is decoded once."""
    mixed = {id(item): item for row in rows for item in row if not isinstance(item, str)}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="e5v-contents") as pool:
        known = dict(zip(mixed, pool.map(_read_item, mixed.values()), strict=True))
    return [_read_row(row, known) for row in rows]


def _read_row(row: Sequence[RawItem], known: Mapping[int, Content]) -> Content:
    parts = []
    for item in row:
        if isinstance(item, str):
            text = item.encode("utf-8", "surrogatepass")
            parts.append(b"%d %s" % (len(text), text))
        elif known[id(item)].fault:
            return known[id(item)]
        else:
            parts.append(b"item " + known[id(item)].digest)
    return Content(blake2b(b"".join(parts), digest_size=16).digest())


def _read_item(raw: RawItem) -> Content:
    try:
        item = read_images(as_item(raw))
        for image in item.images:
            decode(image)
        return Content(digest(item))
    except UnreadableError as error:
        return Content(fault=str(error))


def identify(raw: RawItem) -> str:
    """Return a string that is equal for items of equal content: a text without outer spaces.

    Files of equal bytes are equal. Call for items that `read_contents` could read.
    """
    if isinstance(raw, str):
        return raw.strip()
    item = read_images(as_item(raw))
    parts = (Text(part.text.strip()) if isinstance(part, Text) else part for part in item.parts)
    return f"\0{digest(replace(item, parts=tuple(parts))).hex()}"
