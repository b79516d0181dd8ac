"""What clients send is read by its roles, and nothing of it is ever a file of this machine."""

from typing import Any

import pytest

from e5v.inputs import Text
from e5v.web.errors import Refused
from e5v.web.inputs import read_item

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "a dog"}


@pytest.mark.parametrize(
    "system",
    [
        SYSTEM,
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
    ],
)
def test_a_system_turn_is_no_content(system: dict[str, Any]) -> None:
    """Catches instructions embedded as if the user had said them."""
    wanted = read_item([system, USER])
    assert (wanted.system, wanted.parts) == ("Be brief.", (Text("a dog"),))
    assert read_item([USER]).system is None


@pytest.mark.parametrize(
    ("messages", "cause"),
    [
        ([USER, {"role": "assistant", "content": "woof"}], "an assistant turn with text"),
        ([USER, {"role": "tool", "content": "x"}], "has the role 'tool'; expected"),
        ([USER, SYSTEM], "put it first"),
        ([SYSTEM], "a user turn besides the system turn"),
        ([{"role": "system", "content": [{"type": "image_url"}]}, USER], "not only text"),
    ],
)
def test_turns_that_are_refused(messages: Any, cause: str) -> None:
    """Catches a conversation read as one text, whoever said what."""
    with pytest.raises(Refused, match=cause):
        read_item(messages)


@pytest.mark.parametrize("text", ["file:///etc/photo.jpg", "/etc/photo.jpg", " ~/photo.jpg\n"])
def test_a_string_is_a_text(text: str) -> None:
    """Catches a client that has the server open its own files."""
    for raw in (text, {"text": text}, {"role": "user", "content": text}):
        (part,) = read_item(raw).parts
        assert isinstance(part, Text)
        assert (part.text, part.doubt) == (text, "")
