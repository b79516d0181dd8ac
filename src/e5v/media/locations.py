"""The place of an image within a file, as a media fragment at the end of its path.

report.pdf, page 3 -> report.pdf#page=3; clip.mp4, 12.5 s -> clip.mp4#t=12.5; a.gif -> a.gif#frame=2
"""

import os
import re

PATTERN = r"#(page|t|frame)=[0-9]+(\.[0-9]+)?$"  # also for pyarrow
FRAGMENT = re.compile(PATTERN.removesuffix("$") + r"\Z")


def join_place(path: str, place: str) -> str:
    """Return the path of a place within a file; of the file itself if the place is empty."""
    return f"{path}#{place}" if place else path


def file_of(path: str) -> str:
    """Return the path of the file that a place is in."""
    return FRAGMENT.sub("", path) if "#" in path else path


def place_of(path: str) -> str:
    """Return the place within its file, such as "page=3"; empty if the path is a file's."""
    found = FRAGMENT.search(path)
    return found[0][1:] if found else ""


def split_place(path: str) -> tuple[str, str]:
    """Return the file and the place in it; a file that has such a name is no place."""
    if place_of(path) and not os.path.exists(path):  # noqa: PTH110
        return file_of(path), place_of(path)
    return path, ""
