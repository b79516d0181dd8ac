"""`.e5vignore` files: patterns of what to leave out of the folder that they are in.

folder -> its .e5vignore, one pattern a line -> Exclusion, relative to the folder
"""

import os
from dataclasses import dataclass, field

from e5v.errors import UsageError
from e5v.search.exclusion import Exclusion

NAME = ".e5vignore"


@dataclass
class IgnoreFiles:
    """The ignore files of folders, each read once.

    `faults` has the lines that are no pattern, by the path of their file, and files that cannot be
    read.
    """

    faults: dict[str, str] = field(default_factory=dict)
    _read: dict[str, Exclusion | None] = field(default_factory=dict)

    def of(self, folder: str) -> Exclusion | None:
        """Return what the ignore file of a folder excludes; None if there is none."""
        if folder not in self._read:
            self._read[folder] = self._read_file(os.path.join(folder, NAME))  # noqa: PTH118
        return self._read[folder]

    def _read_file(self, path: str) -> Exclusion | None:
        try:
            with open(path, encoding="utf-8-sig", errors="replace") as file:  # noqa: PTH123
                lines = [line.strip() for line in file]
        except FileNotFoundError:
            return None
        except OSError as error:
            self.faults.setdefault(path, f"cannot be read: {error.strerror}")
            return None
        patterns: list[str] = []
        for number, line in enumerate(lines, 1):
            if line and not line.startswith("#"):
                try:
                    Exclusion((line,))
                    patterns.append(line)
                except UsageError as error:
                    self.faults.setdefault(path, f"line {number} is left out: {error}")
        return Exclusion(tuple(patterns))

    def cover(self, path: str, root: str) -> bool:
        """Return whether an ignore file between a root and a path in it excludes the path."""
        folder = os.path.dirname(path)  # noqa: PTH120
        while len(folder) >= len(root.rstrip("/")) and folder:
            found = self.of(folder)
            if found is not None and found.covers(path, folder):
                return True
            if folder in {root.rstrip("/"), "/"}:
                return False
            folder = os.path.dirname(folder)  # noqa: PTH120
        return False
