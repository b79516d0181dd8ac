"""Base64 as clients write it: one meaning, or a refusal that says what is wrong."""

import base64
from urllib.parse import quote

import pytest

from e5v.data_uris import decode_base64, decode_data_uri, is_data_uri
from e5v.errors import ItemError
from e5v.inputs import Image, Text, normalise

CONTENT = bytes(range(256)) * 2 + b"\xfb\xff\xfe!?"  # its base64 has both + and /, and padding
PLAIN = base64.b64encode(CONTENT).decode()
LINES = base64.encodebytes(CONTENT).decode()
SAFE = base64.urlsafe_b64encode(CONTENT).decode()

TAKEN = {
    "plain": f"data:image/png;base64,{PLAIN}",
    "line breaks": f"data:image/png;base64,{LINES}",
    "CRLF and indented": f"data:image/png;base64,\r\n  {LINES}".replace("\n", "\r\n\t"),
    "URL-safe": f"data:image/png;base64,{SAFE}",
    "no padding": f"data:image/png;base64,{PLAIN.rstrip('=')}",
    "URL-safe, no padding": f"data:image/png;base64,{SAFE.rstrip('=')}",
    "space after the comma": f"data:image/png;base64, {PLAIN}",
    "space before": f" data:image/png;base64,{PLAIN}\n",
    "upper case": f"DATA:IMAGE/PNG;BASE64,{PLAIN}",
    "no subtype": f"data:image;base64,{PLAIN}",
    "no type": f"data:;base64,{PLAIN}",
    "a wildcard": f"data:image/*;base64,{PLAIN}",
    "a charset": f"data:image/svg+xml;charset=utf-8;base64,{PLAIN}",
    "a quoted parameter": f'data:image/png;name="a b.png";base64,{PLAIN}',
    "spaces between": f"data: image/png ; base64,{PLAIN}",
    "any file": f"data:application/octet-stream;base64,{PLAIN}",
    "percent-encoded base64": f"data:image/png;base64,{quote(PLAIN, safe='')}",
    "percent-encoded bytes": f"data:image/png,{quote(CONTENT)}",
}


@pytest.mark.parametrize("uri", TAKEN.values(), ids=TAKEN)
def test_a_data_uri_is_taken(uri: str) -> None:
    """Catches a valid image that is refused, or embedded as the words of its base64."""
    assert is_data_uri(uri)
    assert decode_data_uri(uri) == CONTENT
    for raw in (uri, {"image": uri}, {"base64": uri}, {"image_url": {"url": uri}}):
        (part,) = normalise(raw).parts
        assert isinstance(part, Image)
        assert part.source == CONTENT


@pytest.mark.parametrize("payload", [PLAIN, LINES, SAFE, PLAIN.rstrip("="), f" {PLAIN}\n"])
def test_base64_alone_is_taken(payload: str) -> None:
    """Catches base64 that is taken behind a head and refused without it."""
    assert decode_base64(payload) == CONTENT
    assert normalise({"base64": payload}).parts[0].source == CONTENT  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"data:text/html;base64,{PLAIN}", "is a data URI of text/html; expected data:image"),
        (f"data:video/mp4;base64,{PLAIN}", "is a data URI of video/mp4; expected data:image"),
        (f"data:image/png;base64,{PLAIN[:9]}!{PLAIN[9:]}", "base64 is broken: '!' at character 9"),
        (f"data:image/png;base64,{PLAIN[:9]} {PLAIN[9:]}", "a form turns each + into a space"),
        (f"data:image/png;base64,{PLAIN[:-3]}", "it is incomplete"),
        (f"data:image/png;base64,{PLAIN}{PLAIN}", "padding before the end"),
        ("data:image/png;base64,Z\xfcrich", "base64 is broken: '\\xfc' at character 1"),
    ],
)
def test_a_broken_data_uri_is_refused_for_its_fault(uri: str, said: str) -> None:
    """Catches `broken image` for what is no image, and bytes that are guessed."""
    with pytest.raises(ItemError) as error:
        normalise({"image": uri}, 3)
    assert str(error.value).startswith("item 3: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_key_with_half_a_head() -> None:
    """Catches a data URI without its data that is looked for as a file."""
    with pytest.raises(ItemError, match="begins 'data:image/png;base64'; expected data:image"):
        normalise({"image": "data:image/png;base64"})


@pytest.mark.parametrize(
    "text", ["data: the new oil, they say", "data:,hello", "Data, base64, and more", "data:x;y"]
)
def test_words_that_begin_like_a_data_uri_are_words(text: str) -> None:
    """Catches a sentence about data that is taken for a broken image."""
    assert normalise(text).parts == (Text(text),)
