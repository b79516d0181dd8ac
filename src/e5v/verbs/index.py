"""`e5v index`: folders in, an index that follows them.

folders -> E5V -> FolderSync.follow -> a bar on stderr -> what was done, and what could not be read
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from e5v.errors import DataError, UsageError
from e5v.extras import EXTRAS, need
from e5v.model.opening import follow
from e5v.places import find_store
from e5v.verbs.console import announce, bar, show_line, wants_lines
from e5v.verbs.engine_options import EngineOptions
from e5v.verbs.followed_folders import find_roots
from e5v.verbs.index_report import IndexReport, report_roots
from e5v.verbs.model_options import (
    Opening,
    check_model,
    choose_model,
    choose_opening,
    index_model,
)
from e5v.verbs.options import AtStores
from e5v.verbs.paths import index_folder, missing_index, need_folder, need_possible_folder

if TYPE_CHECKING:
    from e5v.search.adopting import AdoptedModel
    from e5v.search.index_folder import IndexFolder
    from e5v.search.index_model import IndexModel
    from e5v.search.manifest import IndexSettings, Manifest
    from e5v.search.progress import Progress
    from e5v.search.sync import FolderSync
    from e5v.search.writer import Writer

LONGEST_DAYS = 36_500
MOST_PAGES, MOST_FRAMES = 100_000, 10_000
RESTS = 10  # times as long as a look at the folders takes, before the next


@dataclass(frozen=True)
class Index:
    """Index folders of images and texts for search.

    Only new and changed files are embedded; files that were moved or deleted are updated in the
    index. Without FOLDER, the folders indexed before are updated.

    Examples:
        e5v index photos --model nano --index photos.index
        e5v index ~/Photos ~/notes
        e5v index --vectors parts/ --index photos.index
    """

    folders: Annotated[Positional[tuple[Path, ...]], arg(metavar="[FOLDER ...]")] = ()
    """Folders, or files: images, .txt, .md, and .jsonl with {"text": ...} or
    {"image": path, "caption": ...} on each line; with extras .pdf, .docx, .html, .epub, videos and
    camera RAW. By default those indexed before."""
    index: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Folder of the index, or s3://bucket/name, gs:// or az://; by default $E5V_INDEX, or the
    user's application data."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default the index's own, and for a new index $E5V_MODEL.
    Without either, one that fits this machine is proposed (see e5v models)."""
    vectors: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Embed nothing: use the vectors of a committed folder of parts (e5v encode --part-rows), and
    index the folders that it was encoded from."""
    watch: bool = False
    """Keep running and index changes until interrupted."""
    every: Annotated[float, arg(metavar="SECONDS")] = 2.0
    """Seconds between checks for changes with --watch."""
    audit: bool = False
    """Index nothing; measure the recall of the approximate search."""
    forget: bool = False
    """Remove the entries of missing files and folders now. By default they are kept offline, in
    case a disk is not mounted: searches leave them out, and they come back without embedding."""
    keep_days: Annotated[float | None, arg(metavar="DAYS")] = None
    """Days that entries of missing files are kept; the index remembers it, 30 for a new one."""
    unfollow: Annotated[UseAppendAction[tuple[Path, ...]], arg(metavar="FOLDER")] = ()
    """Stop following a folder and remove its entries; may be given several times."""
    exclude: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="PATTERN")] = ()
    """Leave out files and folders that match, such as "*.mov", "raw/" or "2019/drafts", and remove
    their entries. May be given several times; the index remembers it. A pattern without a slash
    matches at any depth, one with a slash is relative to the followed folder; case is ignored. A
    folder may have such patterns in a file .e5vignore, one a line."""
    include: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="PATTERN")] = ()
    """Take only files that match one of these, or are in a folder that does; the rest as above."""
    clear_exclude: bool = False
    """Forget the remembered patterns of both."""
    pages: Annotated[int | None, arg(metavar="N")] = None
    """The most pages of a PDF that are indexed, the first ones; the index remembers it, 200 for a
    new one."""
    frames: Annotated[int | None, arg(metavar="N")] = None
    """The most key frames of a video, spread over it, and at most 4 of an animated image; the index
    remembers it, 16 for a new one."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)
    remote: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        """Refuse options that are out of range or do not go together.

        Raises:
            UsageError: names the option.
        """
        if not 0 < self.every < float("inf"):
            raise UsageError(f"--every is {self.every}; expected seconds, more than 0")
        if self.audit and (self.folders or self.watch):
            raise UsageError("--audit indexes nothing; leave out FOLDER and --watch")
        opened = (self.model, self.opening, self.remote) != (None, Opening(), EngineOptions())
        if self.vectors and (self.folders or self.watch or self.audit or opened):
            raise UsageError(
                "--vectors brings folders and model; leave out FOLDER, --model, --recipe and more"
            )
        for name, most in (("pages", MOST_PAGES), ("frames", MOST_FRAMES)):
            given = getattr(self, name)
            if given is not None and not 1 <= given <= most:
                raise UsageError(f"--{name} is {given}; expected 1 to {most:,}")
        if self.keep_days is not None and not 0 <= self.keep_days <= LONGEST_DAYS:
            raise UsageError(f"--keep-days is {self.keep_days}; expected 0 to {LONGEST_DAYS:,}")


def index(verb: Index) -> None:
    """Index what is new and say what was done.

    Raises:
        E5VError: a folder, the index or the model is at fault.
    """
    need("e5v index", *EXTRAS["search"])
    folder = index_folder(verb.index)
    if folder.url is None:
        need_possible_folder(folder.path, "the index folder")
    there = folder.read_manifest()
    if verb.audit:
        if there is None:
            raise missing_index(folder, verb.index)
        _audit(verb, folder)
        return
    if verb.vectors and not find_store(verb.vectors):
        need_folder(verb.vectors, "--vectors")
    roots, unfollowed = find_roots(verb.folders, verb.unfollow, there, embeds=verb.vectors is None)
    settings = _merge_settings(verb, there)
    if verb.vectors is None:
        verb = _name_model(verb, there, roots, settings)
    announce("looking for changes")
    from e5v.search.sync import FolderSync
    from e5v.search.writer import writing
    from e5v.verbs.watching import watch

    adopted, watched = _adopt(verb.vectors, there), None
    model: IndexModel | AdoptedModel
    if adopted:
        model, roots = adopted, adopted.roots
    else:
        model = own = _find_model(verb, there)
        watched = watch(own.open, own.name)
    with writing(folder, model.manifest) as writer:
        writer.remember(**settings)
        writer.unfollow(unfollowed)
        sync = FolderSync(writer, watched or model.open, at_once=adopted is not None)
        progress = _follow(sync, model, roots, forget=verb.forget)
        report = IndexReport(folder, sync, progress, len(writer), adopted=bool(verb.vectors))
        report.show(json=verb.json)
        if watched and progress.embedded:
            watched().end(verb.opening)
        writer.tidy()
        if verb.watch:
            roots = tuple(root for root in roots if root in writer.manifest.roots)
            _watch(verb, _Run(folder, writer, sync, model, roots, progress))


def _merge_settings(verb: Index, there: "Manifest | None") -> "IndexSettings":
    """Return the settings of the index, with those that the verb changes."""
    from e5v.search.manifest import SettingChanges, merge_settings

    changes = SettingChanges(verb.exclude, verb.include, verb.clear_exclude, verb.keep_days)
    return merge_settings(there, replace(changes, pages=verb.pages, frames=verb.frames))


def _name_model(
    verb: Index, there: "Manifest | None", roots: Sequence[str], settings: "IndexSettings"
) -> Index:
    """Return the verb with the model of a new index, which is checked now."""
    if index_model(verb.model, there) is None:
        from e5v.search.exclusion import Exclusion
        from e5v.verbs.proposal import propose_model

        exclusion = Exclusion(settings["exclude"], settings["include"])
        here = verb.remote.engine is None
        verb = replace(verb, model=propose_model(roots, exclusion, verb.opening, here=here))
    if there is None or verb.model:  # else it is opened only if there is something to embed
        check_model(choose_model(verb.model, there), verb.opening.adapter)
    return verb


@dataclass(frozen=True)
class _Run:
    """A run of the verb that goes on as long as it is not interrupted."""

    folder: "IndexFolder"
    writer: "Writer"
    sync: "FolderSync"
    model: "IndexModel | AdoptedModel"
    roots: Sequence[str]
    progress: "Progress"


def _adopt(path: Path | None, there: "Manifest | None") -> "AdoptedModel | None":
    """Return the parts to use in place of a model, if there are any."""
    if path is None:
        return None
    from e5v.search.adopting import AdoptedModel

    return AdoptedModel(path, there)


def _find_model(verb: Index, there: "Manifest | None") -> "IndexModel":
    """Find the model; one that was asked for is opened at once, so that a wrong one is told."""
    name = choose_model(verb.model, there)
    opening = choose_opening(verb.opening, there, name)
    from e5v.search.index_model import IndexModel

    open_as = partial(opening.open, engine=verb.remote.address(), there=there)
    model = IndexModel(name, open_as, there)
    asked = (name, follow(Opening, opening))
    if there and asked != (there.model, follow(Opening, there)):
        model.open()
    return model


def _follow(
    sync: "FolderSync",
    model: "IndexModel | AdoptedModel",
    roots: Sequence[str],
    *,
    forget: bool = False,
) -> "Progress":
    with closing(sync.follow(roots, forget=forget)) as steps:
        progress = next(steps)
        with bar(None, shown=bool(progress.total), paced=True) as drawn:
            drawn.name(f"Opening {model.name}")
            if progress.total:
                model.open()
            drawn.begin("Indexing", progress.total)
            for progress in steps:
                drawn.reach(progress.done, total=max(progress.total, progress.done))
    return progress


def _watch(verb: Index, run: "_Run") -> None:
    """Follow the folders until interrupted; report changes, and folders that go or come back."""
    sync, writer = run.sync, run.writer
    progress = run.progress
    while True:
        time.sleep(max(verb.every, RESTS * progress.seconds))
        faults, away = len(sync.faults), sync.changes.away
        progress = _follow(sync, run.model, run.roots)
        report_roots(away, sync.changes.away)
        if progress.changed or len(sync.faults) != faults:
            IndexReport(run.folder, sync, progress, len(writer)).show(json=verb.json)
        writer.tidy()


def _audit(verb: Index, folder: "IndexFolder") -> None:
    from e5v.search.index import Index as Reader

    reader = Reader.open(folder)
    if not len(reader):
        raise DataError(f"the index in {folder} is empty; there is nothing to audit")
    found: dict[str, object] = asdict(reader.audit())
    if wants_lines(json=verb.json):
        show_line(found)
        return
    from rich.console import Console

    Console(highlight=False).print(
        f"{found['recall']:.2%} of the {found['k']} nearest were found, asked with "
        f"{found['queries']:,} of {found['entries']:,} items; "
        f"{found['quick_ms']:.1f} ms, all cosines {found['exact_ms']:.1f} ms."
    )
