"""The files that entries are in: their media types, and URLs that open them at a place.

Entry -> its file -> media type, of known suffixes alone -> /v1/files/ID#page=3
"""

import os
from urllib.parse import quote

from e5v.image_formats import FORMAT_OF_SUFFIX, suffix_of
from e5v.media.locations import file_of, place_of
from e5v.search.entries import Entry

# What browsers show by themselves; of other files the image in them is shown.
MEDIA_TYPES = {
    ".pdf": "application/pdf",
    **dict.fromkeys((".mp4", ".m4v"), "video/mp4"),
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
    **dict.fromkeys((".mpg", ".mpeg"), "video/mpeg"),
    ".3gp": "video/3gpp",
    ".wmv": "video/x-ms-wmv",
    **dict.fromkeys((".mts", ".m2ts"), "video/mp2t"),
    **{suffix: form.media_type for suffix, form in FORMAT_OF_SUFFIX.items()},
}

# The pages that browsers make to show a document or video use these, and nothing from elsewhere.
POLICY = (
    "default-src 'none'; media-src 'self'; object-src 'self'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def media_type_of(entry: Entry) -> str | None:
    """Return the media type of an entry's file; None if it is not to be shown."""
    return MEDIA_TYPES.get(suffix_of(file_of(entry.path)))


def is_there(entry: Entry) -> bool:
    """Return whether an entry's file exists."""
    return os.path.isfile(entry.path) or os.path.isfile(file_of(entry.path))  # noqa: PTH113


def file_url(entry: Entry) -> str | None:
    """Return the URL that opens a document or video at an entry's place; None without a place."""
    place = place_of(entry.path)
    if not place or media_type_of(entry) is None:
        return None
    return f"/v1/files/{quote(entry.id, safe='')}#{place}"
