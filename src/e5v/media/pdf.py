"""Pages of a PDF as images, and their text layer, by PDFium.

file -> pages -> rendered so that the longer side has `SIDE` pixels -> JPEG
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2

from e5v.errors import first_line
from e5v.media.images import SIDE, MediaError, encode_image

LARGEST_SCALE = 4.0  # of a page in points: 288 pixels per inch
PASSWORD, SECURITY = 4, 5  # codes of PDFium's errors
CHARACTERS = 1_000  # of a page's text


def count_pages(path: str) -> int:
    """Return the number of pages.

    Raises:
        MediaError: the file is encrypted or broken.
    """
    with _open(path) as document:
        return len(document)


def read_captions(path: str, first: int, last: int) -> list[str]:
    """Return the beginning of the text of pages `first` to `last`, from 1; empty without a text.

    Raises:
        MediaError: the file is encrypted or broken.
    """
    with _open(path) as document:
        return [_read_text(document, number) for number in range(first, last + 1)]


def _read_text(document: Any, number: int) -> str:
    try:
        layer = document[number - 1].get_textpage()
        found = layer.get_text_range(0, min(layer.count_chars(), 2 * CHARACTERS))
    except pypdfium2.PdfiumError:  # the page may be rendered all the same
        return ""
    return " ".join(found.replace("\ufffe", "").split())[:CHARACTERS]


def render_page(path: str, number: int) -> bytes:
    """Return page `number`, from 1, as JPEG.

    Raises:
        MediaError: the file is encrypted or broken, or has no such page.
    """
    with _open(path) as document:
        if number > len(document):
            raise MediaError(f"has {len(document)} pages; page {number} is gone")
        page = document[number - 1]
        longest = max(page.get_size())
        if not longest > 0:
            raise MediaError("has no size")
        scale = min(SIDE / longest, LARGEST_SCALE)
        return encode_image(page.render(scale=scale).to_pil())


@contextmanager
def _open(path: str) -> Iterator[Any]:
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {PASSWORD, SECURITY}:
            raise MediaError("is encrypted; save a copy without a password") from None
        raise MediaError(f"is broken: {first_line(error)}") from None
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise MediaError(f"is broken: {first_line(error)}") from None
    finally:
        document.close()
