"""How far a run is that brings an index up to date."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run is. `total` is a guess until every file was read; all else is counted.

    `cut` counts texts too long for the model; `offline` counts entries whose files are missing
    since this run, `returned` those whose files are there again; `unchanged` counts files;
    `seconds` is how long the look at the folders took.
    """

    total: int = 0
    done: int = 0
    embedded: int = 0
    reused: int = 0
    removed: int = 0
    offline: int = 0
    returned: int = 0
    unchanged: int = 0
    cut: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything is found now that was not, or the reverse."""
        return any((self.embedded, self.reused, self.removed, self.offline, self.returned))
