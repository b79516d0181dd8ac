"""How far a run that updates an index has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The progress of a run. `total` is an estimate until every file was read.

    `cut` counts texts too long for the model; `offline` counts entries whose files are newly
    missing, `returned` those whose files are back; `unchanged` counts files; `seconds` is how long
    the comparison with the folders took.
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
        """Whether the run changed what searches can find."""
        return any((self.embedded, self.reused, self.removed, self.offline, self.returned))
