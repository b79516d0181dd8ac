"""Pictures among the lines of a terminal, in each protocol."""

import base64
import io
import re

import numpy as np
import PIL.Image
import pytest

from e5v.verbs import terminal_images
from e5v.verbs.terminal_images import iterm, kitty, knows_sixel, protocol, sixel


@pytest.mark.parametrize(
    ("environment", "answer", "draw"),
    [
        ({"KITTY_WINDOW_ID": "1"}, "", kitty),
        ({"TERM_PROGRAM": "ghostty"}, "", kitty),
        ({"TERM_PROGRAM": "iTerm.app"}, "", iterm),
        ({"TERM_PROGRAM": "WezTerm"}, "", iterm),
        ({"LC_TERMINAL": "iTerm2"}, "", iterm),
        ({"TERM": "foot"}, "\x1b[?62;4;22c", sixel),
        ({"TERM": "xterm"}, "\x1b[?62;22c", None),
        ({"TERM": "xterm"}, "", None),
        ({"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, "", None),
    ],
)
def test_protocols(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], answer: str, draw: object
) -> None:
    """Catches escape sequences sent to a terminal that would print them as letters."""
    monkeypatch.setattr(terminal_images, "ask_terminal", lambda: answer)
    assert protocol(environment) is draw
    assert not knows_sixel("\x1b[?4;22c")  # the first number is the terminal's class


def test_escape_sequences_hold_the_picture() -> None:
    """Catches a picture that arrives cut, or in pieces that do not join."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    picture = PIL.Image.fromarray(pixels)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(picture))
    assert (pieces[0][0], pieces[-1][0]) == ("a=T,f=100,m=1", "m=0")
    assert all(len(data) <= 4096 for _, data in pieces)
    sent = [base64.b64decode("".join(data for _, data in pieces))]
    head, data = iterm(picture).rstrip("\a").split(":", 1)
    assert head.startswith("\x1b]1337;File=inline=1;")
    sent.append(base64.b64decode(data))
    for png in sent:
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(png))), pixels)


def test_sixels_hold_the_picture() -> None:
    """Catches rows or colours out of place: the sixels are read back, as a terminal would."""
    picture = PIL.Image.new("RGB", (20, 13), "red")
    picture.paste("blue", (5, 4, 15, 10))
    picture.putpixel((0, 12), (0, 255, 0))
    drawn = read_sixels(sixel(picture))
    np.testing.assert_allclose(drawn, np.asarray(picture), atol=8)


def read_sixels(text: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Draw sixels into an array of RGB."""
    head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', text)
    assert head is not None
    assert text.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    canvas = np.zeros((height + 6, width, 3), np.int64)
    colours: dict[int, list[int]] = {}
    x = y = colour = 0
    form = r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([?-~])|(\$)|(-)"
    for token in re.finditer(form, text[head.end() : -2]):
        number, red, green, blue, count, repeated, mark, back, down = token.groups()
        if number:
            colour = int(number)
            if red:
                colours[colour] = [int(value) * 255 // 100 for value in (red, green, blue)]
        elif back or down:
            x, y = 0, y + 6 * bool(down)
        else:
            times = int(count or 1)
            for bit in range(6):
                if (ord(repeated or mark) - 63) >> bit & 1:
                    canvas[y + bit, x : x + times] = colours[colour]
            x += times
    return canvas[:height]
