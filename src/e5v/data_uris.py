"""Data URIs and base64 as clients write them, to the bytes of an image.

"data:image/png;base64,iVBO..." -> media type checked -> base64, or percent-encoding -> bytes

Taken: line breaks (as `base64.encodebytes` writes), white space around, both alphabets, missing
padding, upper case, parameters, no media type. Refused: whatever could be read in two ways.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

HEAD = re.compile(
    r"\s*data:\s*(?P<type>[\w.+*-]+(?:/[\w.+*-]+)?)?\s*(?P<parameters>(?:;[^;,]{0,200}){0,20}),",
    re.IGNORECASE,
)
LONGEST_HEAD = 1_000  # characters
KINDS = {"", "image", "application", "binary"}  # of media; servers call an image octet-stream, too
STANDARD = str.maketrans("-_", "+/")
BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")
FOREIGN = re.compile("[^A-Za-z0-9+/]")
SHOWN = 40  # characters of what was sent that are repeated


def is_data_uri(text: str) -> bool:
    """Whether a string is a data URI that may be of an image; "data: the new oil, ..." is not."""
    head = HEAD.match(text[:LONGEST_HEAD])
    if not head:
        return False
    return _is_base64(head) or (head["type"] or "").lower().startswith("image/")


def decode_data_uri(uri: str) -> bytes:
    """Return the bytes of a data URI.

    Raises:
        ValueError: it is broken, or of something else than an image; says what is wrong.
    """
    head = HEAD.match(uri[:LONGEST_HEAD])
    if not head:
        shown = uri.strip().partition(",")[0][:SHOWN]
        raise ValueError(f"is a data URI that begins {shown!a}; expected data:image/...;base64,")
    media = (head["type"] or "").lower()
    if media.partition("/")[0] not in KINDS:
        raise ValueError(f"is a data URI of {media[:SHOWN]}; expected data:image/...;base64,")
    payload = uri[head.end() :]
    if _is_base64(head):
        return decode_base64(payload)
    return unquote_to_bytes(payload.strip())


def decode_base64(payload: str) -> bytes:
    """Return the bytes that base64 stands for.

    Raises:
        ValueError: it is no base64, or part of it is missing; says where.
    """
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):  # most is written by the book; the rest is tidied up
        tidy = _tidy(payload)
    if len(tidy) % 4 == 1:
        raise ValueError("has an image whose base64 is broken: some of it is missing")
    return base64.b64decode(tidy + "=" * (-len(tidy) % 4))


def _tidy(payload: str) -> str:
    """Return base64 in the standard alphabet, in one line and without padding."""
    if "%" in payload:
        payload = unquote_to_bytes(payload).decode("latin-1")
    tidy = BREAKS.sub("", payload.strip()).rstrip("=").translate(STANDARD)
    foreign = FOREIGN.search(tidy)
    if not foreign:
        return tidy
    place = f"{foreign.group()!a} at character {foreign.start()}"
    if foreign.group() == " ":
        place += " (a form turns each + into a space; send JSON)"
    elif foreign.group() == "=":
        place += " (padding before its end: two files in one?)"
    raise ValueError(f"has an image whose base64 is broken: {place}")


def _is_base64(head: re.Match[str]) -> bool:
    """Whether the last parameter says so."""
    return head["parameters"].rpartition(";")[2].strip().lower() == "base64"
