"""Pages of a search: each begins after the last hit of the one before.

SearchRequest, the `next` of the last reply -> Cursor -> hits after it -> Page: hits, next

New entries that would have been on an earlier page do not move a hit to a later one, as they do
where a page is a number of hits to skip.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from e5v.web.errors import Refused

if TYPE_CHECKING:
    from e5v.search.entries import Hit
    from e5v.web.schemas import SearchRequest

DEEPEST = 10_000  # hits, counted over all pages
SAME = ("text", "image", "without", "like", "where", "min_score")  # on all pages of a search
NEW = 64  # entries that may have come before the last hit without asking twice


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the id of its last hit, and how many hits there were up to it."""

    last: str = ""
    seen: int = 0


@dataclass(frozen=True)
class Page:
    """The hits of a page, and what asks for the next one; None on the last page."""

    hits: list[Hit]
    next: str | None


def read_cursor(request: SearchRequest) -> Cursor:
    """Return where the page that a request asks for begins.

    Raises:
        Refused: `after` is not from a reply to this search, or it is too deep.
    """
    if request.after is None:
        return Cursor()
    try:
        last, seen, search = orjson.loads(urlsafe_b64decode(request.after))
    except (ValueError, TypeError, binascii.Error):
        last = seen = search = None
    if not (isinstance(last, str) and type(seen) is int and seen > 0):
        message = "after is not from a reply; expected the next of the previous page, unchanged"
        raise Refused(422, "fields", message)
    if search != _digest(request):
        message = "after is from another search; expected the same fields as for the first page"
        raise Refused(422, "fields", message)
    if seen + request.k > DEEPEST:
        message = f"after {seen} hits, k is {request.k}; expected at most {DEEPEST} hits in all"
        raise Refused(422, "fields", f"{message}: narrow the search with where")
    return Cursor(last, seen)


def take_page(find: Callable[[int], list[Hit]], request: SearchRequest, cursor: Cursor) -> Page:
    """Return the page that begins after a cursor; `find` returns the nearest, so many.

    If the last hit is no longer in the index, the page begins where it was.
    """
    more = request.k + 1
    asked = cursor.seen + more + (NEW if cursor.seen else 0)
    hits = find(asked)
    start = _find_start(hits, cursor)
    while (start is None or start + more > len(hits)) and asked == len(hits) < DEEPEST:
        asked = max(2 * asked, (start or 0) + more)  # entries have been added before the cursor
        hits = find(asked)
        start = _find_start(hits, cursor)
    start = cursor.seen - 1 if start is None else start
    page, rest = hits[start : start + request.k], hits[start + request.k :]
    if not (page and rest):
        return Page(page, None)
    return Page(page, write_cursor(Cursor(page[-1].entry.id, start + len(page)), request))


def write_cursor(cursor: Cursor, request: SearchRequest) -> str:
    """Return a cursor of a search as a string for its client."""
    content = orjson.dumps([cursor.last, cursor.seen, _digest(request)])
    return urlsafe_b64encode(content).decode()


def _find_start(hits: list[Hit], cursor: Cursor) -> int | None:
    """Return the place of the first hit after a cursor; None if its last hit is not among them."""
    if not cursor.seen:
        return 0
    return next((place for place, hit in enumerate(hits, 1) if hit.entry.id == cursor.last), None)


def _digest(request: SearchRequest) -> str:
    """Return a short digest of what is searched for."""
    fields = orjson.dumps([getattr(request, name) for name in SAME])
    return hashlib.blake2b(fields, digest_size=8).hexdigest()
