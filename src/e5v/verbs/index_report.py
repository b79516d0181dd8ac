"""What `e5v index` reports after a run: one line on a terminal, or one JSON object.

FolderSync, Progress -> counts, what is offline, what was left out -> stdout; the rest -> stderr
"""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from e5v.media.kinds import missing_extras
from e5v.verbs.console import say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.search.index_folder import IndexFolder
    from e5v.search.progress import Progress
    from e5v.search.sync import FolderSync

SHOWN = 6  # names of folders
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
            "excluded": list(self.sync.exclusion.patterns),
            "included": list(self.sync.exclusion.include),
            "system_folders": dict(_count_names(changes.system_folders)),
            "installable": missing_extras(changes.left_out.counts),
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
        if missing := missing_extras(self.sync.changes.left_out.counts):
            suffixes = ", ".join(chain.from_iterable(missing.values()))
            sentences.append(f"To take {suffixes}: pip install 'e5v[{','.join(missing)}]'.")
        if folders := _count_names(self.sync.changes.system_folders):
            named = ", ".join(f"{count:,} {_print_name(name)}" for name, count in folders[:SHOWN])
            more = "" if len(folders) <= SHOWN else ", and others"
            sentences.append(f"Folders passed over: {named}{more}.")
        exclusion = self.sync.exclusion
        for said, patterns in (("Excluded", exclusion.patterns), ("Only", exclusion.include)):
            if patterns:
                sentences.append(f"{said}: {', '.join(patterns)}.")
        return sentences


def _count_names(folders: Collection[str]) -> list[tuple[str, int]]:
    """Count folders by name, most frequent first."""
    counts = Counter(os.path.basename(one) for one in folders)  # noqa: PTH119
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _print_name(name: str) -> str:
    return name if name.isprintable() else ascii(name)


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
