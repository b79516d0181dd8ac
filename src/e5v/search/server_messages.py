"""What `e5v search` and a running server say to each other, a line of JSON each.

SearchMessage | "stop" -> {"accepted": true} -> {"hits": [...]} -> Hit, with every field
                       -> {"declined": why}  -> the one who asks searches by itself
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from e5v.search.entries import Entry, Hit

LARGEST = 1 << 26  # bytes of a line that a server reads
STOP = "stop"


@dataclass(frozen=True)
class SearchMessage:
    """A search, as one process asks another for it.

    Attributes:
        folder: the index, by its path without links.
        fingerprint: of the model, as the index of the one who asks has it.
        version: that of e5v.
        k, where, min_score: as of `Index.search`.
        text, without, like: as of `Query`.
        image: the content of the example's file.
        thumbnails: whether the hits need them.
    """

    folder: str
    fingerprint: str
    version: str
    k: int
    where: str | None = None
    min_score: float | None = None
    text: str | None = None
    without: str | None = None
    like: str | None = None
    image: bytes | None = None
    thumbnails: bool = False


def write_line(message: object) -> bytes:
    """Return a message as one line; names of files may be other than UTF-8."""
    return json.dumps(message).encode("ascii") + b"\n"


def write_search(message: SearchMessage) -> bytes:
    """Return a search as one line."""
    image = None if message.image is None else base64.b64encode(message.image).decode()
    return write_line({"search": asdict(message) | {"image": image}})


def read_search(fields: Any) -> SearchMessage:
    """Return the search that a line contains.

    Raises:
        ValueError, TypeError: it is something else.
    """
    image = fields.get("image")
    content = None if image is None else base64.b64decode(image, validate=True)
    return SearchMessage(**fields | {"image": content})


def write_hits(hits: Sequence[Hit], *, thumbnails: bool) -> bytes:
    """Return hits as one line."""
    return write_line({"hits": [_hit(hit, thumbnails=thumbnails) for hit in hits]})


def read_hits(reply: Any) -> list[Hit]:
    """Return the hits that a line contains.

    Raises:
        ValueError, TypeError, KeyError: it is something else.
    """
    return [
        Hit(Entry(**fields | {"thumbnail": base64.b64decode(fields["thumbnail"])}), score, match)
        for fields, score, match in reply["hits"]
    ]


def _hit(hit: Hit, *, thumbnails: bool) -> tuple[dict[str, Any], float, str | None]:
    thumbnail = base64.b64encode(hit.entry.thumbnail).decode() if thumbnails else ""
    return asdict(hit.entry) | {"thumbnail": thumbnail}, float(hit.score), hit.match
