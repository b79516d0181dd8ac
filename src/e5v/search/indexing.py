"""Index folders in one call: what `e5v index` does, for a Python program.

folders -> what is new or changed -> the model, opened if there is something to embed -> Indexed
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.model.embedder import E5V
from e5v.places import StoreUrl, refuse_url
from e5v.search.adopting import AdoptedModel
from e5v.search.index_model import IndexModel, find_model
from e5v.search.locating import open_folder
from e5v.search.manifest import Manifest, SettingChanges, default_folder, merge_settings
from e5v.search.progress import Progress
from e5v.search.scan import absolute
from e5v.search.sync import FolderSync
from e5v.search.writer import writing


@dataclass(frozen=True)
class Indexed:
    """What a call of `index` did.

    `entries` is how many things a search can find now; `progress` counts what was embedded, reused
    and removed; `faults` name what could not be read, and files of lines that were empty or being
    written, a line each.
    """

    folder: Path | StoreUrl
    entries: int
    progress: Progress
    faults: tuple[str, ...]


def index(
    folders: str | Path | Iterable[str | Path] = (),
    *,
    index: str | Path | None = None,
    model: str | Path | E5V | None = None,
    exclude: str | Iterable[str] = (),
    vectors: str | Path | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Indexed:
    """Index folders of images and texts for search; only what is new or changed is embedded.

    Args:
        folders: one or more folders or files that `e5v index` takes; by default those before.
        index: the folder of the index, or a URL of an object store (s3://, gs:// or az://); by
            default $E5V_INDEX, or the user's application data.
        model: an open model, or its name: "nano", a hub id, or a folder; by default the index's
            own. A new index needs one.
        exclude: patterns of files to leave out, such as "*.mov" or "raw/"; the index remembers
            them.
        vectors: a committed folder of parts (`e5v.encode_parts`), whose vectors are used in place
            of a model; the folders are those that it was encoded from.
        progress: is called with a `Progress` now and then.

    Raises:
        DataError: a folder is missing, another process is writing the index, or the index was made
            with another model; or the parts are not committed, damaged, of another model, or not of
            the folders as they are now.
        ModelError: the model cannot be opened.
        UsageError: there is nothing to index, or a new index has no model.
        MissingExtraError: lancedb is not installed.
    """
    need("index", *EXTRAS["search"])
    place = open_folder(default_folder() if index is None else index)
    there = place.read_manifest()
    patterns = [exclude] if isinstance(exclude, str) else exclude
    remembered = merge_settings(there, SettingChanges(patterns))
    chosen = _choose(folders, model, vectors, there)
    with writing(place, chosen.model.manifest) as writer:
        writer.remember(**remembered)
        sync = FolderSync(writer, chosen.model.open, at_once=vectors is not None)
        done = Progress()
        with closing(sync.follow(chosen.roots)) as steps:
            for done in steps:
                if progress is not None:
                    progress(done)
        unlisted = (f"{one.path} {one.reason}" for one in sync.changes.unlisted)
        faults = (*map(str, sync.faults), *unlisted)
        entries = len(writer) - sync.offline
        writer.tidy()
    return Indexed(place.url or place.path, entries, done, faults)


@dataclass(frozen=True)
class _Chosen:
    """What makes the vectors, and the folders to follow."""

    model: IndexModel | AdoptedModel
    roots: tuple[str, ...]


def _choose(
    folders: str | Path | Iterable[str | Path],
    model: str | Path | E5V | None,
    vectors: str | Path | None,
    there: Manifest | None,
) -> _Chosen:
    if vectors is None:
        roots = _find_roots(folders, there)
        return _Chosen(find_model(model, there), roots)
    if model is not None or folders:
        raise UsageError("parts bring their model and folders; leave out both", argument="vectors")
    adopted = AdoptedModel(vectors, there)
    return _Chosen(adopted, adopted.roots)


def _find_roots(
    folders: str | Path | Iterable[str | Path], there: Manifest | None
) -> tuple[str, ...]:
    """Return the folders to follow: those given, or those followed before.

    Raises:
        DataError: one is missing.
        UsageError: there are none, or one is a URL.
    """
    known = there.roots if there else ()
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    for one in given:
        refuse_url(one, "the folder", argument="folders")
    roots = absolute(map(Path, given), known=known) or known
    if not roots:
        raise UsageError("nothing to index; give a folder", argument="folders")
    return roots
