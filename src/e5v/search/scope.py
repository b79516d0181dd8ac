"""What of a disk an index follows now: roots, and patterns of what to exclude.

roots, patterns, ignore files -> a path -> would it be found | is it no longer followed
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from e5v.search.exclusion import Exclusion
from e5v.search.ignore_files import IgnoreFiles
from e5v.search.scan import within


@dataclass(frozen=True)
class Scope:
    """The roots to compare now, all followed roots, and the patterns of excluded files."""

    roots: Sequence[str]
    followed: Sequence[str]
    exclusion: Exclusion
    ignores: IgnoreFiles = field(default_factory=IgnoreFiles)

    def includes(self, path: str) -> bool:
        """Return whether a file would be found if it existed."""
        return any(
            within(path, root)
            and not self._excludes(path, root)
            and "/." not in path[len(root.rstrip("/")) :]
            for root in self.roots
        )

    def drops(self, path: str) -> bool:
        """Return whether an indexed path is now excluded, or no longer followed."""
        roots = [root for root in (*self.followed, *self.roots) if within(path, root)]
        return all(self._excludes(path, root) for root in roots)

    def _excludes(self, path: str, root: str) -> bool:
        return self.exclusion.covers(path, root) or self.ignores.cover(path, root)
