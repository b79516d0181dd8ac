"""Index folders in one call: what `e5v index` does, for a Python program.

folders -> what is new or changed -> the model, opened if there is something to embed -> Indexed
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.model.embedder import E5V
from e5v.model.locating import absolute_name
from e5v.search.manifest import Facts, default_folder, read_facts, settings_of
from e5v.search.query import facts_of
from e5v.search.scan import absolute
from e5v.search.sync import Gallery, Progress
from e5v.search.writer import writing


@dataclass(frozen=True)
class Indexed:
    """What a call of `index` did.

    `entries` is how many things a search can find now; `progress` counts what was embedded, reused
    and removed; `faults` name what could not be read, a line each.
    """

    folder: Path
    entries: int
    progress: Progress
    faults: tuple[str, ...]


@dataclass(frozen=True)
class IndexModel:
    """The model of an index, opened by `open_as` at first use.

    An index that is `there` accepts its own model only.
    """

    name: str
    open_as: Callable[[str], E5V]
    there: Facts | None

    @cached_property
    def _opened(self) -> E5V:
        model = self.open_as(self.name)
        if self.there:
            self.there.check(facts_of(model, self.name))
        return model

    def open(self) -> E5V:
        """Open it, the first time.

        Raises:
            ModelError: it cannot be opened.
            DataError: it is not the one that the index was made with.
        """
        return self._opened

    def facts(self) -> Facts:
        """Return what an index stores of it."""
        return facts_of(self._opened, self.name)


def index(
    folders: Iterable[str | Path] = (),
    *,
    index: str | Path | None = None,
    model: str | Path | E5V | None = None,
    exclude: Iterable[str] = (),
    progress: Callable[[Progress], object] | None = None,
) -> Indexed:
    """Index folders of images and texts for search; only what is new or changed is embedded.

    Args:
        folders: folders, or files: images, .txt, .md and .jsonl; those indexed before if empty.
        index: the folder of the index; by default $E5V_INDEX, or the user's application data.
        model: an open model, or its name: "nano", a hub id, or a folder; by default the index's
            own. A new index needs one.
        exclude: patterns of files to leave out, such as "*.mov" or "raw/"; the index remembers
            them.
        progress: is called with a `Progress` now and then.

    Raises:
        DataError: a folder is missing, another process is writing the index, or the index was made
            with another model.
        ModelError: the model cannot be opened.
        UsageError: there is nothing to index, or a new index has no model.
        MissingExtraError: lancedb is not installed.
    """
    need("index", *EXTRAS["search"])
    folder = default_folder() if index is None else Path(index)
    there = read_facts(folder)
    known = there.roots if there else ()
    roots = absolute(map(Path, folders), known=known) or known
    if not roots:
        raise UsageError("nothing to index; give a folder", argument="folders")
    remembered = settings_of(there, exclude=exclude)
    opened = find_model(model, there)
    with writing(folder, opened.facts) as writer:
        writer.remember(**remembered)
        gallery = Gallery(writer, opened.open)
        done = Progress()
        with closing(gallery.follow(roots)) as steps:
            for done in steps:
                if progress is not None:
                    progress(done)
        unlisted = (f"{one.path} {one.reason}" for one in gallery.changes.unlisted)
        faults = (*map(str, gallery.faults), *unlisted)
        entries = len(writer) - gallery.offline
        writer.tidy()
    return Indexed(folder, entries, done, faults)


def find_model(model: str | Path | E5V | None, there: Facts | None) -> IndexModel:
    """Return the model to index with; an open one is checked now.

    Raises:
        DataError: it is not the one that the index was made with.
        UsageError: there is neither a model nor an index that names one.
    """
    if isinstance(model, E5V):
        found = IndexModel(absolute_name(model.loaded.name), lambda _: model, there)
        found.open()
        return found
    if model is None and there is None:
        raise UsageError("a new index needs a model", argument="model")
    name = None if model is None else absolute_name(model)
    own = name is None or (there is not None and name == there.model)
    dtype = there.dtype if there else "auto"
    found = IndexModel(
        str(there.model if there and own else name),
        lambda name: E5V(name, dtype=dtype),  # type: ignore[arg-type]
        there,
    )
    if not own and there:
        found.open()
    return found
