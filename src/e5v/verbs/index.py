"""`e5v index`: folders in, an index that follows them.

folders -> E5V -> Gallery.follow -> a bar on stderr -> what was done, and what could not be read
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import DataError, UsageError
from e5v.extras import EXTRAS, need
from e5v.verbs.opening import MODEL, Opening
from e5v.verbs.talk import bar, say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.facts import Facts
    from e5v.search.gallery import Gallery, Progress

NAMED = 20  # things that could not be read, on a terminal
RESTS = 10  # times as long as a look at the folders takes, before the next


@dataclass(frozen=True)
class Index:
    """Index folders of images and texts, so that `e5v search` finds what is in them.

    e5v index ~/Photos ~/notes
    """

    folders: Annotated[Positional[tuple[Path, ...]], arg(metavar="[FOLDER ...]")] = ()
    """Folders, or files: images, .txt, .md, and .jsonl with {"text": ...} or
    {"image": path, "caption": ...} on each line. By default those that were indexed before. Only
    what is new or changed is embedded; what moved or went follows."""
    index: Annotated[Path | None, arg(metavar="DIR")] = None
    """Where the index lies; by default $E5V_INDEX, or among the user's application data."""
    model: Annotated[str | None, arg(metavar="M")] = None
    """A hub id or a folder; by default the index's own, and royokong/e5-v for a new one."""
    watch: bool = False
    """Keep following, until interrupted."""
    every: Annotated[float, arg(metavar="SECONDS")] = 2.0
    """How long to wait between two looks at the folders with --watch."""
    audit: bool = False
    """Index nothing; say how many of the nearest items the quick search finds."""
    emptied: bool = False
    """Follow also a folder in which nothing is left, or that is gone and is then forgotten; else it
    is taken for a disk not there."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Find what cannot be meant."""
        if not 0 < self.every < float("inf"):
            raise ValueError(f"--every is {self.every}; expected seconds, more than 0")
        if self.audit and (self.folders or self.watch):
            raise ValueError("--audit indexes nothing; leave out FOLDER and --watch")


def index(verb: Index) -> None:
    """Index what is new and say what was done.

    Raises:
        E5VError: a folder, the index or the model is at fault.
    """
    need("e5v index", *EXTRAS["search"])
    from e5v.search.places import default_folder

    folder = verb.index or default_folder()
    if verb.audit:
        _audit(verb, folder)
        return
    from e5v.search.facts import read_facts
    from e5v.search.gallery import Gallery
    from e5v.search.walking import absolute
    from e5v.search.writer import writing

    there = read_facts(folder)
    known = there.roots if there else ()
    roots = absolute(verb.folders or map(Path, known), known=known, emptied=verb.emptied)
    if not roots:
        raise UsageError("nothing to index; give FOLDER")
    model = _model(verb, there)
    with writing(folder, model.facts) as writer:
        gallery = Gallery(writer, model.open)
        progress = _follow(verb, gallery, model, roots)
        _tell(verb, gallery, folder, progress, len(writer))
        while verb.watch:
            time.sleep(max(verb.every, RESTS * progress.seconds))
            before = len(gallery.faults)
            progress = _follow(verb, gallery, model, roots)
            if progress.changed or len(gallery.faults) != before:
                _tell(verb, gallery, folder, progress, len(writer))
        writer.optimize()


@dataclass(frozen=True)
class _Model:
    """The model of an index, opened when it is needed, and then only if it is the index's own."""

    name: str
    opening: Opening
    there: "Facts | None"

    @cached_property
    def _opened(self) -> "E5V":
        from e5v.search.query import facts_of

        model = self.opening.open(self.name)
        if self.there:
            self.there.check(facts_of(model, self.name))
        return model

    def open(self) -> "E5V":
        """Open it, the first time.

        Raises:
            ModelError: it cannot be opened.
            DataError: it is not the one that the index was made with.
        """
        return self._opened

    def facts(self) -> "Facts":
        """Say what an index says of it."""
        from e5v.search.query import facts_of

        return facts_of(self._opened, self.name)


def _model(verb: Index, there: "Facts | None") -> _Model:
    """Find the model; one that was asked for is opened at once, so that a wrong one is told."""
    name, opening = name_of_model(verb.model, there), opening_of(verb.opening, there)
    model = _Model(name, opening, there)
    if there and (name, opening.dtype) != (there.model, there.dtype):
        model.open()
    return model


def name_of_model(asked: str | None, there: "Facts | None") -> str:
    """Name the model that an index is opened with: as asked for, or its own."""
    name = asked or (there.model if there else MODEL)
    return str(Path(name).resolve()) if (Path(name) / "config.json").is_file() else name


def opening_of(asked: Opening, there: "Facts | None") -> Opening:
    """Compute in what the index was made in, unless something else is asked for."""
    if there is None or asked.dtype != "auto":
        return asked
    return replace(asked, dtype=there.dtype)  # type: ignore[arg-type]


def _follow(verb: Index, gallery: "Gallery", model: _Model, roots: Sequence[str]) -> "Progress":
    with closing(gallery.follow(roots, emptied=verb.emptied)) as steps:
        progress = next(steps)
        with bar(None, shown=bool(progress.total), paced=True) as drawn:
            drawn.name(f"Opening {model.name}")
            if progress.total:
                model.open()
            drawn.begin("Indexing", progress.total)
            for progress in steps:
                drawn.reach(progress.done, total=max(progress.total, progress.done))
    return progress


def _tell(verb: Index, gallery: "Gallery", folder: Path, progress: "Progress", count: int) -> None:
    """Say what was done; what could not be read comes last."""
    faults = [str(fault) for fault in gallery.faults]
    faults += [f"{one.path} {one.reason}" for one in gallery.unlisted]
    done = {name: getattr(progress, name) for name in ("embedded", "reused", "removed", "cut")}
    if wants_lines(json=verb.json):
        show_line({"index": str(folder), "items": count, **done, "unreadable": faults})
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(
        f"{count:,} items in {folder}: {progress.embedded:,} embedded, {progress.reused:,} moved "
        f"or copied, {progress.removed:,} removed."
    )
    if progress.cut:
        say(f"{progress.cut:,} texts were cut to fit the model")
    for fault in faults[:NAMED]:
        say(fault)
    if len(faults) > NAMED:
        say(f"and {len(faults) - NAMED:,} more that cannot be indexed; --json names them all")


def _audit(verb: Index, folder: Path) -> None:
    from e5v.search.index import Index as Reader

    reader = Reader.open(folder)
    if not len(reader):
        raise DataError(f"the index in {folder} is empty; there is nothing to audit")
    found: dict[str, Any] = asdict(reader.audit())
    if wants_lines(json=verb.json):
        show_line(found)
        return
    from rich.console import Console

    Console(highlight=False).print(
        f"{found['recall']:.2%} of the {found['k']} nearest were found, asked with "
        f"{found['queries']:,} of {found['entries']:,} items; "
        f"{found['quick_ms']:.1f} ms, all cosines {found['exact_ms']:.1f} ms."
    )
