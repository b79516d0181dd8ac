"""The process that decodes files: whatever they do to it, the process that asked goes on.

a request, one line of JSON -> one function of this package -> length and content -> answered

It is started by `e5v.media.decoder`, imports neither torch nor what a file does not need, and may
use only so much memory.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from e5v.errors import first_line
from e5v.media.images import MediaError

MOST_MEMORY = 4 * 2**30  # bytes of address space


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent decides
    _limit()
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what libraries print is no answer
    for line in sys.stdin.buffer:
        _answer(json.loads(line), answers)


def _limit() -> None:
    """Bound the memory of this process, and let it write no file."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    """Write the answer: `=` and JSON or an image, or `!` and why there is none."""
    try:
        done = WORK[request.pop("do")](**request)
        mark, content = b"=", done if isinstance(done, bytes) else json.dumps(done).encode()
    except MediaError as error:
        mark, content = b"!", str(error).encode()
    except MemoryError:
        mark, content = b"!", f"needs more than {MOST_MEMORY / 2**30:.3g} GB of memory".encode()
    except RecursionError:
        mark, content = b"!", b"is broken: it is nested too deeply"
    except FileNotFoundError:
        mark, content = b"!", b"does not exist"
    except Exception as error:  # a library may raise anything on broken bytes
        mark, content = b"!", f"is broken: {first_line(error)}".encode("utf-8", "replace")
    answers.write(mark + len(content).to_bytes(8, "big") + content)
    answers.flush()


def _count_pages(path: str) -> int:
    from e5v.media.pdf import count_pages

    return count_pages(path)


def _read_captions(path: str, first: int, last: int) -> list[str]:
    from e5v.media.pdf import read_captions

    return read_captions(path, first, last)


def _find_times(path: str, most: int) -> list[float]:
    from e5v.media.video import find_times

    return find_times(path, most)


def _read_text(path: str) -> str:
    from e5v.media.documents import read_document

    return read_document(path)


def _read_image(path: str, place: str) -> bytes:
    """Return the image at a place of a file; of a RAW file, which has none, its preview."""
    name, _, number = place.partition("=")
    if name == "page":
        from e5v.media.pdf import render_page

        return render_page(path, int(number))
    if name == "t":
        from e5v.media.video import read_frame

        return read_frame(path, float(number))
    if name == "frame":
        from e5v.media.animation import read_animation_frame

        return read_animation_frame(path, int(number))
    from e5v.media.raw import read_preview

    return read_preview(path)


WORK: dict[str, Callable[..., object]] = {
    "pages": _count_pages,
    "captions": _read_captions,
    "times": _find_times,
    "text": _read_text,
    "image": _read_image,
}
