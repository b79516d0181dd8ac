"""Exclude files of a followed folder by patterns like those of a .gitignore.

patterns of an index, or of an ignore file -> regular expressions
    -> a path below the folder -> excluded or not
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from unicodedata import normalize

from e5v.errors import UsageError
from e5v.system_folders import is_system_folder


@dataclass(frozen=True)
class Exclusion:
    """Patterns; a file or folder that matches one is excluded, and so is everything below it.

    If there are patterns in `include`, only files are kept that match one of these, or that are in
    a folder that does. Folders that a system keeps for itself are always excluded.

    A pattern without a slash ("*.mov", "raw") matches a name at any depth. With a slash in it or
    before it ("2019/raw", "/raw") it matches a path relative to the followed folder. A slash at the
    end ("raw/") makes it match folders only. `*` and `?` do not match a slash, `**` does, and
    `[...]` matches one of the characters in it. Case is ignored.
    """

    patterns: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every pattern.

        Raises:
            UsageError: a pattern matches nothing, or begins with "!", which is not supported; or
                a range of characters in it ends before it begins.
        """
        for pattern in (*self.patterns, *self.include):
            if not pattern.strip().strip("/"):
                raise UsageError(
                    f"the pattern {pattern!r} is empty; expected a pattern such as '*.mov'"
                )
            if pattern.startswith("!"):
                raise UsageError(
                    f"the pattern {pattern!r} begins with '!', which is not supported; exclude "
                    "some files, or include only some"
                )
            try:
                _compile([pattern])
            except re.error:
                raise UsageError(
                    f"the pattern {pattern!r} has a range of characters that ends before it "
                    "begins; expected one such as [a-z]"
                ) from None

    @cached_property
    def _excluded(self) -> "_Patterns":
        return _Patterns.of(self.patterns)

    @cached_property
    def _included(self) -> "_Patterns":
        return _Patterns.of(self.include)

    def leaves_out(self, below: str, *, is_folder: bool) -> bool:
        """Return whether a path below the followed folder is excluded itself."""
        if is_folder and is_system_folder(below.rpartition("/")[2]):
            return True
        if not (self.patterns or self.include):
            return False
        path = normalize("NFC", below)
        if self._excluded.match(path, is_folder=is_folder):
            return True
        return not is_folder and bool(self.include) and not self._includes(path)

    def _includes(self, path: str) -> bool:
        """Return whether a file, or a folder that it is in, matches a pattern of `include`."""
        ends = [place for place, letter in enumerate(path) if letter == "/"]
        return self._included.match(path, is_folder=False) or any(
            self._included.match(path[:end], is_folder=True) for end in ends
        )

    def covers(self, path: str, root: str) -> bool:
        """Return whether a file in a followed folder, or a folder above it, is excluded."""
        names = path.removeprefix(root).strip("/").split("/") if path != root else []
        steps = range(1, len(names) + 1)
        return any(
            self.leaves_out("/".join(names[:step]), is_folder=step < len(names)) for step in steps
        )


@dataclass(frozen=True)
class _Patterns:
    """Patterns for files and folders, and those for folders only."""

    either: re.Pattern[str] | None
    folders: re.Pattern[str] | None

    @classmethod
    def of(cls, patterns: Sequence[str]) -> "_Patterns":
        folders = [one for one in patterns if one.endswith("/")]
        return cls(_compile([one for one in patterns if one not in folders]), _compile(folders))

    def match(self, path: str, *, is_folder: bool) -> bool:
        if self.either is not None and self.either.match(path):
            return True
        return is_folder and self.folders is not None and bool(self.folders.match(path))


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{_to_regex(one)})" for one in patterns), re.IGNORECASE)


def _to_regex(pattern: str) -> str:
    """Translate a pattern into a regular expression for a whole path."""
    pattern = normalize("NFC", pattern.strip()).rstrip("/")
    anchor = "" if "/" in pattern else r"(?:.*/)?"
    return rf"{anchor}{_translate(pattern.removeprefix('/'))}\Z"


PIECES = re.compile(r"(?:\*\*/)+|/\*\*\Z|\*+|\?|\[[!^]?+(?:\][^\]]*|[^\]]+)\]|.", re.DOTALL)
RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)


def _translate(pattern: str) -> str:
    """Translate the pieces of a pattern.

    What is between two stars is matched at its first place in the name and not tried again at later
    ones, as Python's fnmatch does: else a name could take longer than anybody waits.
    """
    pieces: list[str] = PIECES.findall(pattern)
    stars = [place for place, piece in enumerate(pieces) if "**" in piece or piece == "*"]
    translated = [_translate_piece(piece) for piece in pieces]
    for place, after in pairwise(stars):
        if pieces[place] == pieces[after] == "*":
            translated[place] = "(?>[^/]*?"
            translated[after - 1] += ")"
    return "".join(translated)


def _translate_piece(piece: str) -> str:
    known = {"/**": r"/.*", "*": r"[^/]*", "?": r"[^/]"}
    if piece.endswith("**/"):
        return r"(?:.*/)?"
    if piece in known:
        return known[piece]
    if piece.startswith("**"):
        return ".*"
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 1:
        others = "^" if piece[1] in {"!", "^"} else ""
        inner = piece[2:-1] if others else piece[1:-1]
        ranges = "".join(
            f"{re.escape(first)}-{re.escape(last)}" if first else re.escape(one)
            for first, last, one in RANGE.findall(inner)
        )
        return f"(?!/)[{others}{ranges}]"
    return re.escape(piece)
