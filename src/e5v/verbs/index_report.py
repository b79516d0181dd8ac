"""What `e5v index` reports after a run: one line on a terminal, or one JSON object.

FolderSync, Progress -> counts, what is offline, what was left out -> stdout; the rest -> stderr
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from e5v.verbs.console import say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.search.index_folder import IndexFolder
    from e5v.search.progress import Progress
    from e5v.search.sync import FolderSync

NAMED = 20  # things that could not be read, on a terminal
COUNTS = ("embedded", "reused", "removed", "cut")


@dataclass(frozen=True)
class IndexReport:
    """One run, to be reported: `count` is how many entries the index has, offline ones included.

    `adopted` says that the vectors are those of parts: nothing was embedded.
    """

    folder: "IndexFolder"
    sync: "FolderSync"
    progress: "Progress"
    count: int
    adopted: bool = False

    def show(self, *, json: bool) -> None:
        """Print what was done, and what could not be read on stderr."""
        faults = [str(fault) for fault in self.sync.faults]
        faults += [f"{one.path} {one.reason}" for one in self.sync.changes.unlisted]
        if wants_lines(json=json):
            show_line({**self._make_values(), "unreadable": faults})
            return
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        console.print(" ".join(self._format_sentences()))
        if self.progress.cut:
            say(f"{self.progress.cut:,} texts were cut to fit the model")
        for root in self.sync.changes.away:
            say(away(root))
        for fault in faults[:NAMED]:
            say(fault)
        if len(faults) > NAMED:
            say(f"and {len(faults) - NAMED:,} more that cannot be indexed; --json names them all")

    def _make_values(self) -> dict[str, object]:
        changes, until = self.sync.changes, self.sync.kept_until
        progress = replace(self.progress, embedded=0) if self.adopted else self.progress
        return {
            "index": str(self.folder),
            "items": self.count - self.sync.offline,
            **({"adopted": self.progress.embedded} if self.adopted else {}),
            **{name: getattr(progress, name) for name in COUNTS},
            "offline": self.sync.offline,
            "kept_until": until.date().isoformat() if until else None,
            "left_out": dict(changes.left_out.counts.most_common()),
            "excluded": list(self.sync.exclude),
            "missing": list(changes.away),
        }

    def _format_sentences(self) -> list[str]:
        progress, until = self.progress, self.sync.kept_until
        done = [
            f"{progress.embedded:,} {'adopted' if self.adopted else 'embedded'}",
            f"{progress.reused:,} reused",
            f"{progress.removed:,} removed",
        ]
        if progress.returned:
            done.append(f"{progress.returned:,} back online")
        if until:
            date = until.date().isoformat()
            done.append(
                f"{self.sync.offline:,} offline (kept until {date}; e5v index --forget removes "
                "them)"
            )
        items = self.count - self.sync.offline
        sentences = [f"{items:,} items in {self.folder}: {', '.join(done)}."]
        if self.sync.changes.left_out:
            sentences.append(f"Left out: {self.sync.changes.left_out}.")
        if self.sync.exclude:
            sentences.append(f"Excluded: {', '.join(self.sync.exclude)}.")
        return sentences


def away(root: str) -> str:
    """Say that a followed folder is missing."""
    return f"{root} is missing; its entries are offline until it is back"


def report_roots(before: Sequence[str], now: Sequence[str]) -> None:
    """Report on stderr which followed folders went away since the last look, and which are back."""
    for root in now:
        if root not in before:
            say(away(root))
    for root in before:
        if root not in now:
            say(f"{root} is back")
