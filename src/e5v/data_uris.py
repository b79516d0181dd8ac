"""Decode data URIs and base64, as clients write them, to the bytes of an image.

"data:image/png;base64,iVBO..." -> media type checked -> base64, or percent-encoding -> bytes

Accepted: line breaks (as from `base64.encodebytes`), white space around, both alphabets, missing
padding, upper case, parameters, no media type. Refused: anything ambiguous.
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
KINDS = {"", "image", "application", "binary"}  # of media; some servers send images as octet-stream
STANDARD = str.maketrans("-_", "+/")
BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")
FOREIGN = re.compile("[^A-Za-z0-9+/]")
SHOWN = 40  # characters of the input in a message


def is_data_uri(text: str) -> bool:
    """Check whether a string is a data URI of an image; "data: the new oil, ..." is not."""
    head = HEAD.match(text[:LONGEST_HEAD])
    if not head:
        return False
    return _is_base64(head) or (head["type"] or "").lower().startswith("image/")


def decode_data_uri(uri: str) -> bytes:
    """Return the bytes of a data URI.

    Raises:
        ValueError: it is broken or not of an image; says what is wrong.
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
    """Decode base64, tolerating line breaks, missing padding and both alphabets.

    Raises:
        ValueError: it is not base64, or incomplete; says where.
    """
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):  # most input is strict base64; the rest is cleaned up
        tidy = _clean(payload)
    if len(tidy) % 4 == 1:
        raise ValueError("has an image whose base64 is broken: it is incomplete")
    return base64.b64decode(tidy + "=" * (-len(tidy) % 4))


def _clean(payload: str) -> str:
    """Return base64 in the standard alphabet, on one line and without padding."""
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
        place += " (padding before the end: two files joined?)"
    raise ValueError(f"has an image whose base64 is broken: {place}")


def _is_base64(head: re.Match[str]) -> bool:
    """Check whether the last parameter is base64."""
    return head["parameters"].rpartition(";")[2].strip().lower() == "base64"
