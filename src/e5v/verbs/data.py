"""`e5v data`: the data sets of the paper, listed, fetched and checked.

names, folder -> e5v.data, with the readers of training and evaluation -> a table, or JSON lines
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from e5v.data.records import RECORDS, DataSet, find_data_sets
from e5v.errors import DataError, UsageError
from e5v.extras import need
from e5v.verbs.console import bar, say, show_line, wants_lines
from e5v.verbs.paths import need_folder, need_possible_folder

if TYPE_CHECKING:
    from e5v.data.check import Finding
    from e5v.data.fetch import Fetched
    from e5v.data.hub_files import Progress

MEGA = 1e6
KINDS = {"captions", "images", "queries", "triplets", "pairs"}  # of rows


@dataclass(frozen=True)
class Data:
    """List, fetch or check the data sets of the paper.

    Data sets: nli and llava-pretrain to train on; flickr30k, coco, cirr, fashioniq and sts to
    evaluate on. fetch downloads them from the hub (or a mirror, HF_ENDPOINT) into one folder each,
    which e5v evaluate --data FOLDER takes; an interrupted one goes on where it stopped, and a
    copy that is there already is taken. check compares checksums, rows and images with those
    expected (exit code 1 if they differ).

    Examples:
        e5v data list
        e5v data fetch nli sts flickr30k --data data
        e5v data check --data data
    """

    action: Annotated[Positional[Literal["list", "fetch", "check"]], arg(metavar="ACTION")]
    """What to do: list, fetch or check."""
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME...]")] = ()
    """Names of data sets; by default list shows all, and check takes those that are there."""
    data: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the data sets, each in a folder of its own."""
    all_images: bool = False
    """With check: open every image, and not a sample of 200 of each data set."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""


def data(verb: Data) -> bool:
    """Do what is asked; return False if a check finds a fault.

    Raises:
        E5VError: a name is unknown, a library is missing, or data cannot be fetched.
    """
    chosen = find_data_sets(verb.names)
    if verb.all_images and verb.action != "check":
        raise UsageError("--all-images is an option of check")
    if verb.action == "list":
        _list(verb, chosen or list(RECORDS.values()))
        return True
    if verb.data is None:
        raise UsageError("--data FOLDER is missing")
    act = _fetch if verb.action == "fetch" else _check
    return act(verb, chosen, verb.data)


def _list(verb: Data, chosen: Sequence[DataSet]) -> None:
    """Show the records, and which data sets are in the folder."""
    need_folder(verb.data, "--data")
    states = {one.name: _find_state(one, verb.data) for one in chosen}
    if wants_lines(json=verb.json):
        for one in chosen:
            show_line(_describe(one) | {"state": states[one.name]})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heads = ("name", "use", "rows", "size", "licence", "revision")
    table = Table(*heads, *(["in the folder"] if verb.data else []))
    for one in chosen:
        revisions = {source.revision for source in one.sources}
        revision = (
            ", ".join(each[:7] for each in revisions if each) if one.is_pinned else "not pinned"
        )
        size = f"{'' if one.is_size_known else 'over '}{one.size / MEGA:,.0f} MB"
        cells = (one.name, one.use, _sum_rows(one.rows), size, one.licence, revision)
        table.add_row(*map(Text, (*cells, *filter(None, [states[one.name]]))))
    Console().print(table)


def _describe(one: DataSet) -> dict[str, object]:
    """Return a record as a program reads it."""
    return {
        "name": one.name,
        "use": one.use,
        "rows": dict(one.rows),
        "size": one.size,
        "licence": one.licence,
        "sources": [{"id": source.id, "revision": source.revision} for source in one.sources],
    }


def _sum_rows(rows: Mapping[str, int]) -> str:
    """Return counts for a table, those of one kind together: "6,016 queries, 15,536 images"."""
    counts: Counter[str] = Counter()
    for name, count in rows.items():
        kind = name.rpartition(" ")[2]
        counts[kind if kind in KINDS else "rows"] += count
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def _find_state(one: DataSet, root: Path | None) -> str:
    """Say whether a data set is in the folder; nothing without a folder."""
    if root is None:
        return ""
    from e5v.data.fetch import find_layout
    from e5v.data.source import read_source

    folder = root / one.home
    if source := read_source(folder):
        return f"yes, {source.revision}" if source.is_complete else "unfinished"
    return "a copy, not checked" if find_layout(one, folder) else "no"


def _fetch(verb: Data, chosen: Sequence[DataSet], root: Path) -> bool:
    """Fetch data sets, one after another."""
    if not chosen:
        raise UsageError(f"NAME is missing; the data sets are {', '.join(RECORDS)}")
    need_possible_folder(root, "--data")
    _need_libraries(chosen)
    from e5v.data.fetch import fetch
    from e5v.data.source import SOURCE
    from e5v.verbs.data_readers import read_contents

    for one in chosen:
        if not one.is_pinned:
            say(f"{one.name}: no revision is pinned; what comes is written down in {SOURCE}")
        with _draw_progress() as progress:
            fetched = fetch(one, root, read_contents, progress)
        _show_fetched(verb, one, fetched)
    return True


def _need_libraries(chosen: Sequence[DataSet]) -> None:
    for one in chosen:
        need(f"the data set {one.name}", *one.needs, extra="eval")


@contextmanager
def _draw_progress() -> "Iterator[Progress]":
    """Draw a bar in megabytes, anew for each file."""
    with bar(None, shown=True) as drawn:
        current = ""

        def show(doing: str, done: int, total: int) -> None:
            nonlocal current
            if doing != current:
                drawn.begin(f"{doing} (MB)", round(total / MEGA))
                current = doing
            drawn.reach(round(done / MEGA))

        yield show


def _show_fetched(verb: Data, one: DataSet, fetched: "Fetched") -> None:
    size = sum(facts.size for facts in fetched.source.files.values())
    if wants_lines(json=verb.json):
        revisions = {each.id: each.revision for each in fetched.source.downloads}
        shown = {"folder": str(fetched.folder), "revisions": revisions, "bytes": size}
        rows = dict(fetched.source.rows)
        show_line({"name": one.name, **shown, "rows": rows, "fresh": fetched.fresh})
        return
    state = "is ready" if fetched.fresh else "is there already"
    sys.stdout.write(
        f"{one.name} {state}: {fetched.folder} ({_sum_rows(fetched.source.rows)}; "
        f"{fetched.source.revision})\n"
    )


def _check(verb: Data, chosen: Sequence[DataSet], root: Path) -> bool:
    """Check data sets; return whether all are as expected."""
    need_folder(root, "--data")
    chosen = chosen or [one for one in RECORDS.values() if (root / one.home).is_dir()]
    if not chosen:
        raise DataError(f"{root} has none of the data sets {', '.join(RECORDS)}; fetch one first")
    _need_libraries(chosen)
    from e5v.data.check import check
    from e5v.verbs.data_readers import read_contents

    findings = (
        finding
        for one in chosen
        for finding in check(one, root, read_contents, all_images=verb.all_images)
    )
    shown = _show_lines(findings) if wants_lines(json=verb.json) else _show_table(findings)
    faults = [finding for finding in shown if not finding.passed]
    for fault in faults:
        expected = f"; expected {fault.expected}" if fault.expected else ""
        say(f"{fault.data}, {fault.check}: {fault.found}{expected}")
    return not faults


def _show_lines(findings: "Iterator[Finding]") -> "Iterator[Finding]":
    for finding in findings:
        show_line(asdict(finding))
        yield finding


def _show_table(findings: "Iterator[Finding]") -> "Iterator[Finding]":
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    table = Table("data", "check", "", "found", "expected")
    with Live(table, vertical_overflow="visible"):
        for one in findings:
            verdict = Text("ok", "green") if one.passed else Text("FAILED", "bold red")
            cells = Text(one.data), Text(one.check), verdict, Text(one.found), Text(one.expected)
            table.add_row(*cells)
            yield one
