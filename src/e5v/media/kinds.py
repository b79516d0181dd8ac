"""The kinds of files that are decoded by another process, with their suffixes and libraries.

name of a file -> suffix -> Kind, and the extra of e5v that reads it -> installed or not
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from e5v.extras import is_installed
from e5v.image_formats import suffix_of

MediaForm = Literal["pages", "video", "raw", "document"]


@dataclass(frozen=True)
class Kind:
    """Files of one kind: what they hold, their suffixes, and the libraries that read them.

    Of "pages" and "video" each page or frame is an image of its own, "raw" is one image, and
    "document" is a text.
    """

    form: MediaForm
    suffixes: tuple[str, ...]
    extra: str
    libraries: tuple[str, ...]


KINDS = (
    Kind("pages", (".pdf",), "documents", ("pypdfium2",)),
    Kind("document", (".docx",), "documents", ("mammoth",)),
    Kind("document", (".html", ".htm", ".xhtml", ".epub"), "documents", ("inscriptis",)),
    Kind(
        "video",
        (
            *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"),
            *(".mts", ".m2ts", ".3gp", ".ogv"),
        ),
        "video",
        ("av",),
    ),
    Kind(
        "raw",
        (
            *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf"),
            *(".rw2", ".raf", ".pef", ".srw", ".3fr", ".iiq", ".rwl"),
        ),
        "raw",
        ("rawpy",),
    ),
)
KIND_OF_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes}
ANIMATED_SUFFIXES = frozenset({".gif", ".webp", ".png", ".apng", ".avif", ".avifs"})


@cache
def can_read(kind: Kind) -> bool:
    """Return whether the libraries of a kind are installed."""
    return all(map(is_installed, kind.libraries))


def missing_extras(suffixes: Iterable[str]) -> dict[str, list[str]]:
    """Return the suffixes that extras would read which are not installed, by extra."""
    missing: dict[str, list[str]] = {}
    for suffix in suffixes:
        kind = KIND_OF_SUFFIX.get(suffix)
        if kind is not None and not can_read(kind):
            missing.setdefault(kind.extra, []).append(suffix)
    return missing


def is_decoded(path: str) -> bool:
    """Return whether a file holds images that only another process decodes."""
    return suffix_of(path) in KIND_OF_SUFFIX
