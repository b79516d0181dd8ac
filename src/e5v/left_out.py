"""Count the files of a folder that were skipped because of their type, by suffix.

names of files -> counts by suffix -> "214 .mov, 31 .psd"
"""

import os
from collections import Counter

from e5v.image_formats import suffix_of

SHOWN = 8  # suffixes that are listed; the others are summed


class LeftOut:
    """Counts skipped files by suffix; false if there are none."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str | os.PathLike[str]) -> None:
        """Count one file."""
        self.counts[suffix_of(name)] += 1

    def __bool__(self) -> bool:
        """Check whether any file was skipped."""
        return bool(self.counts)

    def __str__(self) -> str:
        """Return suffixes and counts, most frequent first: "214 .mov, 31 .psd"."""
        ordered = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        named = [
            f"{count:,} {suffix if suffix.isprintable() else ascii(suffix)}"
            if suffix
            else f"{count:,} without a suffix"
            for suffix, count in ordered[:SHOWN]
        ]
        if others := sum(count for _, count in ordered[SHOWN:]):
            named.append(f"{others:,} of other kinds")
        return ", ".join(named)
