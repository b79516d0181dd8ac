"""Find out which strings name an image file, and which texts only look like it.

string -> an existing image, white space around it ignored -> path
       -> file:// URL                                      -> path, existing or not
       -> looks like an image path, but is missing         -> text, with the reason
       -> anything else                                    -> text
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from e5v.image_formats import IMAGE_SUFFIXES, OTHER_IMAGE_SUFFIXES, suffix_of

LONGEST = 4_096  # characters; a longer string is always text
FILE_URL = re.compile(r"file:(?://([^/\\]*))?([/\\].*)", re.IGNORECASE | re.DOTALL)
URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
DRIVE = re.compile(r"[a-z]:[/\\]", re.IGNORECASE)  # Windows
ROOTS = ("/", "./", "../", "~/", "\\", ".\\", "..\\", "~\\")
NUMBERED = re.compile(r"\s[\d(][^\s]*$")  # "cat 1.jpg", "cat (2).jpg"; not "in photo.jpg"


def find_image_file(string: str) -> Path | None:
    """Return the existing image file that a string names, or None if it names none.

    The name is tried unchanged, then without the white space around it (a line of a file ends in a
    newline), then with ~ expanded. A file in an image format that is not supported (.psd, .svg) is
    returned too: it is an unreadable image, not text.
    """
    stripped = strip(string)
    for name in dict.fromkeys((string, stripped)):
        if len(name) <= LONGEST and looks_like_image(name) and _is_file(name):
            return Path(name)
    if (
        stripped.startswith(("~/", "~\\"))
        and len(stripped) <= LONGEST
        and looks_like_image(stripped)
    ):
        home = os.path.expanduser(stripped)  # noqa: PTH111  unchanged if there is none
        return Path(home) if _is_file(home) else None
    return None


def file_of_url(string: str) -> Path | None:
    """Return the path of a `file://` URL, existing or not; None for any other string.

    Raises:
        ValueError: the URL names another machine.
    """
    url = strip(string)
    found = FILE_URL.fullmatch(url) if len(url) <= LONGEST else None
    if not found:
        return None
    host, path = found[1] or "", unquote(found[2])
    if DRIVE.fullmatch(f"{host}/"):  # file://C:/photos/cat.jpg, a common form
        return Path(f"{host}{path}")
    if host and host.lower() != "localhost":
        raise ValueError(f"names a file on {host[:80]!a}; only local files can be opened")
    return Path(path[1:] if os.name == "nt" and DRIVE.match(path[1:]) else path)


def named_file(string: str) -> Path | None:
    """Return the existing image that a string names, be it as a path or as a `file://` URL."""
    try:
        path = file_of_url(string)
    except ValueError:
        return None
    return find_image_file(string if path is None else str(path))


def why_text(string: str) -> str:
    """Return why a string that looks like an image path is text; empty if it does not."""
    name = strip(string)
    if len(name) > LONGEST or not name.isprintable():
        return ""
    if URL.fullmatch(name):
        path = re.split("[?#]", name, maxsplit=1)[0]
        return "a URL; URLs are not downloaded" if looks_like_image(path) else ""
    if not looks_like_image(name) or not _is_like_path(name):
        return ""
    return "a folder" if os.path.isdir(name) else "no such file"  # noqa: PTH112


def strip(string: str) -> str:
    """Remove the white space around a string, and a byte order mark before it."""
    return string.strip().removeprefix("\ufeff").strip()


def _is_like_path(name: str) -> bool:
    """Check whether a name is a path, not a sentence that ends in one ("see photo.jpg").

    One word is a path. A name with white space is a path if it starts like one, if its folder
    exists, or if its file name is numbered, as in "my photos/cat 1.jpg".
    """
    if not re.search(r"\s", name):
        return True
    if name.startswith(ROOTS) or DRIVE.match(name):
        return True
    folder = os.path.dirname(name)  # noqa: PTH120
    return bool(folder) and (bool(NUMBERED.search(name)) or os.path.isdir(folder))  # noqa: PTH112


def looks_like_image(name: str | os.PathLike[str]) -> bool:
    """Check whether a name ends in the suffix of an image, supported or not."""
    return suffix_of(name) in IMAGE_SUFFIXES or suffix_of(name) in OTHER_IMAGE_SUFFIXES


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a file name, or with a NUL: it is text
        return False
