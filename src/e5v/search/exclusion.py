"""Exclude files of a followed folder by patterns like those of a .gitignore.

patterns -> regular expressions -> a path below the folder -> excluded or not
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from e5v.errors import UsageError


@dataclass(frozen=True)
class Exclusion:
    """Patterns; a file or folder that matches one is excluded, and so is everything below it.

    A pattern without a slash ("*.mov", "raw") matches a name at any depth. With a slash in it or
    before it ("2019/raw", "/raw") it matches a path relative to the followed folder. A slash at the
    end ("raw/") makes it match folders only. `*` and `?` do not match a slash, `**` does, and
    `[...]` matches one of the characters in it. Case is ignored.
    """

    patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every pattern.

        Raises:
            UsageError: a pattern matches nothing, or begins with "!", which is not supported.
        """
        for pattern in self.patterns:
            if not pattern.strip().strip("/"):
                raise UsageError(
                    f"the pattern {pattern!r} is empty; expected a pattern such as '*.mov'"
                )
            if pattern.startswith("!"):
                raise UsageError(
                    f"the pattern {pattern!r} begins with '!', which is not supported; name what "
                    "to exclude, not what to keep"
                )

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        """The patterns for files and folders, and those for folders only."""
        folders = [one for one in self.patterns if one.endswith("/")]
        return _compile([one for one in self.patterns if one not in folders]), _compile(folders)

    def leaves_out(self, below: str, *, is_folder: bool) -> bool:
        """Return whether a path below the followed folder matches a pattern itself."""
        either, folders = self._expressions
        if either is None and folders is None:
            return False
        path = normalize("NFC", below)
        return bool(
            (either and either.match(path)) or (is_folder and folders and folders.match(path))
        )

    def covers(self, path: str, root: str) -> bool:
        """Return whether a file in a followed folder, or a folder above it, is excluded."""
        names = path.removeprefix(root).strip("/").split("/") if path != root else []
        steps = range(1, len(names) + 1)
        return any(
            self.leaves_out("/".join(names[:step]), is_folder=step < len(names)) for step in steps
        )


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{_to_regex(one)})" for one in patterns), re.IGNORECASE)


def _to_regex(pattern: str) -> str:
    """Translate a pattern into a regular expression for a whole path."""
    pattern = normalize("NFC", pattern.strip()).rstrip("/")
    anchor = "" if "/" in pattern else r"(?:.*/)?"
    return rf"{anchor}{_translate(pattern.removeprefix('/'))}\Z"


PIECES = re.compile(r"\*\*/|/\*\*\Z|\*+|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)


def _translate(pattern: str) -> str:
    return "".join(_translate_piece(piece) for piece in PIECES.findall(pattern))


def _translate_piece(piece: str) -> str:
    known = {"**/": r"(?:.*/)?", "/**": r"/.*", "*": r"[^/]*", "?": r"[^/]"}
    if piece in known:
        return known[piece]
    if piece.startswith("**"):
        return ".*"
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 1:
        inner = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^/{inner[1:]}]" if inner[:1] in {"!", "^"} else f"[{inner}]"
    return re.escape(piece)
