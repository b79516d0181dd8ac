"""Which files a run reads, and which it reads again though they have not changed.

FoundFile -> its form -> the libraries of that are installed -> read
                      -> its settings have changed -> read again
"""

from collections.abc import Collection
from dataclasses import dataclass

from e5v.image_formats import suffix_of
from e5v.media.kinds import ANIMATED_SUFFIXES, KIND_OF_SUFFIX, can_read
from e5v.search.scan import FoundFile

PLAIN = frozenset({"image", "text", "lines"})


@dataclass(frozen=True)
class Reading:
    """How files are read: only `plain` ones, or all whose libraries are installed.

    `again` are the settings that have changed since the files were read.
    """

    plain: bool = False
    again: Collection[str] = ()

    def reads(self, found: FoundFile) -> bool:
        """Return whether a file is of a form that is read."""
        if found.form in PLAIN:
            return True
        return not self.plain and can_read(KIND_OF_SUFFIX[suffix_of(found.path)])

    def reads_again(self, found: FoundFile) -> bool:
        """Return whether a file is read though it has not changed."""
        if not self.again:
            return False
        if found.form == "pages":
            return "pages" in self.again
        is_moving = found.form == "video" or (
            found.form == "image" and suffix_of(found.path) in ANIMATED_SUFFIXES
        )
        return is_moving and "frames" in self.again
