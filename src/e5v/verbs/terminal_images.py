"""Pictures among the lines of a terminal, where it can show them.

environment, or the terminal's own answer -> protocol; PIL image -> escape sequence
"""

import base64
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT = 120  # pixels of a picture
Draw = Callable[["Image"], str]


def protocol(environment: Mapping[str, str]) -> Draw | None:
    """Return how pictures are drawn on this terminal; None if they cannot be."""
    program = environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or environment.get("TERM", "").startswith("screen"):
        return None  # which would pass on half of a picture
    if "KITTY_WINDOW_ID" in environment or program == "ghostty":
        return kitty
    if program in {"iTerm.app", "WezTerm"} or environment.get("LC_TERMINAL") == "iTerm2":
        return iterm
    return sixel if knows_sixel(ask_terminal()) else None


def kitty(picture: "Image") -> str:
    """Draw by kitty's graphics protocol: PNG in pieces of 4,096 characters."""
    data = base64.b64encode(_encode_png(picture)).decode()
    pieces = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    codes = [f"m={int(number < len(pieces))};" for number in range(1, len(pieces) + 1)]
    codes[0] = f"a=T,f=100,{codes[0]}"
    return "".join(f"\x1b_G{code}{piece}\x1b\\" for code, piece in zip(codes, pieces, strict=True))


def iterm(picture: "Image") -> str:
    """Draw by iTerm2's protocol, which WezTerm has, too."""
    png = _encode_png(picture)
    data = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};height={picture.height}px:{data}\a"


def sixel(picture: "Image") -> str:
    """Draw in sixels: 64 colours, six rows of pixels at a time, one pass per colour."""
    few = picture.convert("RGB").quantize(64)
    palette = few.getpalette() or []
    pixels = np.asarray(few)
    colours = [int(colour) for colour in np.unique(pixels)]
    parts = [f'\x1bPq"1;1;{few.width};{few.height}']
    for colour in colours:
        red, green, blue = (value * 100 // 255 for value in palette[3 * colour : 3 * colour + 3])
        parts.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, few.height, 6):
        band = pixels[top : top + 6]
        bits = 1 << np.arange(len(band))[:, None]
        for colour in np.unique(band):
            sixels = ((band == colour) * bits).sum(axis=0)
            parts.append(f"#{colour}{''.join(_encode_runs(sixels))}$")
        parts.append("-")
    return "".join([*parts, "\x1b\\"])


def _encode_runs(sixels: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Iterator[str]:
    """Write equal neighbours as one and a count."""
    edges = np.flatnonzero(np.diff(sixels)) + 1
    for run in np.split(sixels, edges):
        mark = chr(63 + int(run[0]))
        yield mark * len(run) if len(run) < SHORT else f"!{len(run)}{mark}"


SHORT = 4  # repetitions that take no fewer characters with a count


def knows_sixel(answer: str) -> bool:
    """Tell whether 4, sixel graphics, is among the attributes a terminal answers with."""
    found = re.search(r"\x1b\[\?([\d;]*)c", answer)
    return found is not None and "4" in found[1].split(";")[1:]


def ask_terminal(seconds: float = 0.2) -> str:
    """Ask the terminal for its attributes and return its answer, empty if it gives none."""
    with suppress(ImportError, OSError):
        import termios
        import tty

        if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
            return ""
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)
            os.write(sys.stdout.fileno(), b"\x1b[c")
            answer = b""
            while not answer.endswith(b"c") and select.select([descriptor], [], [], seconds)[0]:
                answer += os.read(descriptor, 64)
            return answer.decode(errors="replace")
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    return ""


def open_small(thumbnail: bytes) -> "Image | None":
    """Open a thumbnail at the height it is drawn in; None if it is empty or broken."""
    from e5v.model.image_files import open_image

    try:
        picture = open_image(thumbnail).convert("RGB")
    except Exception:  # a format's reader raises what it likes on broken bytes
        return None
    return picture.resize((max(1, picture.width * HEIGHT // picture.height), HEIGHT))


def _encode_png(picture: "Image") -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
