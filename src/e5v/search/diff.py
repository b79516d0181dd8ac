"""Find new, changed and missing files by size and mtime alone; only JSON lines are read.

roots -> FoundFile -> differs from the catalog -> to read; in the catalog but not found -> missing

A file that is not found may return: a disk is mounted, a folder synchronised, a network share
reconnected. So its entries are missing, not removed; so are those of JSON lines that are emptied.
What cannot be listed is assumed to exist, and so are the lines that an unfinished file lacks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from e5v.files import NO_FILE, read_state
from e5v.left_out import LeftOut
from e5v.search.catalog import Catalog, Fault, Known
from e5v.search.exclusion import Exclusion
from e5v.search.readers import LONGEST_PASSAGE, Line, read_lines
from e5v.search.rereading import is_blank, is_unfinished
from e5v.search.scan import FoundFile, OtherFile, Unlisted, is_missing, walk, within


@dataclass(frozen=True)
class Changes:
    """The differences between folders and the catalog.

    Attributes:
        fresh: files to read, JSON lines first.
        gone: records to remove: of files that are excluded or no longer followed, and of images
            that JSON lines now describe.
        missing: records whose files are missing.
        present: records whose files were missing and are back unchanged.
        cured: sources whose faults no longer apply.
        unlisted: what could not be listed.
        left_out: skipped files of unsupported types.
        unchanged: number of unchanged files.
        away: roots that are missing.
        emptied: files of JSON lines that have records, but no lines now.
    """

    fresh: tuple[FoundFile, ...] = ()
    gone: tuple[Known, ...] = ()
    missing: tuple[Known, ...] = ()
    present: tuple[Known, ...] = ()
    cured: tuple[str, ...] = ()
    unlisted: tuple[Unlisted, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    unchanged: int = 0
    away: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """An estimate of the number of items to embed."""
        return sum(map(weight, self.fresh))


@dataclass(frozen=True)
class Seen:
    """The result of listing the roots; `others` are files of unsupported types."""

    found: dict[str, FoundFile]
    others: set[str]
    unlisted: tuple[Unlisted, ...]
    away: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """The roots to compare now, all followed roots, and the patterns of excluded files."""

    roots: Sequence[str]
    followed: Sequence[str]
    exclusion: Exclusion

    def includes(self, path: str) -> bool:
        """Return whether a file would be found if it existed."""
        return any(
            within(path, root)
            and not self.exclusion.covers(path, root)
            and "/." not in path[len(root.rstrip("/")) :]
            for root in self.roots
        )

    def drops(self, path: str) -> bool:
        """Return whether an indexed path is now excluded, or no longer followed."""
        roots = [root for root in (*self.followed, *self.roots) if within(path, root)]
        return all(self.exclusion.covers(path, root) for root in roots)


def weight(found: FoundFile) -> int:
    """Estimate the number of items in a file."""
    return 1 if found.form == "image" else 1 + found.size // LONGEST_PASSAGE


def compare(scope: Scope, catalog: Catalog) -> Changes:
    """Compare folders with the catalog."""
    seen = _list_roots(scope)
    changed = {path for path, found in seen.found.items() if not _is_as_known(found, catalog)}
    emptied = _take_emptied(seen, changed, catalog)
    lines = [seen.found[path] for path in changed if seen.found[path].form == "lines"]
    unseen = _unseen_in(scope, set(seen.found), seen.unlisted)
    claimed = _images_of_lines(catalog, lines, unseen)
    kept = {path for path in seen.found if path not in claimed}
    gone, missing, present = _sort_records(catalog, scope, kept, seen)
    dropped = _unseen_in(scope, kept, seen.unlisted)
    left_out = LeftOut()
    for path in seen.others:
        left_out.add(path)
    return Changes(
        fresh=tuple(
            found
            for found in sorted(seen.found.values(), key=lambda found: found.form != "lines")
            if found.path in changed and found.path in kept
        ),
        gone=gone,
        missing=tuple(one for one in missing if one.source.path not in changed),
        present=tuple(one for one in present if one.source.path not in changed),
        cured=tuple(path for path in catalog.faults if dropped(path) or scope.drops(path)),
        unlisted=seen.unlisted,
        left_out=left_out,
        unchanged=len(kept - changed),
        away=seen.away,
        emptied=emptied,
    )


def _list_roots(scope: Scope) -> Seen:
    found: dict[str, FoundFile] = {}
    others: set[str] = set()
    unlisted: list[Unlisted] = []
    away = tuple(filter(is_missing, scope.roots))
    for root in (root for root in scope.roots if root not in away):
        for one in walk(root, scope.exclusion):
            if isinstance(one, FoundFile):
                found.setdefault(one.path, one)
            elif isinstance(one, OtherFile):
                others.add(one.path)
            else:
                unlisted.append(one)
    return Seen(found, others, tuple(dict.fromkeys(unlisted)), away)


def _take_emptied(seen: Seen, changed: set[str], catalog: Catalog) -> tuple[str, ...]:
    """Remove indexed JSON lines that have no lines now from what was found; return their paths."""
    emptied = tuple(
        path
        for path in sorted(changed)
        if seen.found[path].form == "lines" and catalog.records.of_source(path) and is_blank(path)
    )
    for path in emptied:
        del seen.found[path]
        changed.remove(path)
    return emptied


def _sort_records(
    catalog: Catalog, scope: Scope, kept: set[str], seen: Seen
) -> tuple[tuple[Known, ...], ...]:
    """Return the records that are gone, those missing, and those that are back."""
    gone: list[Known] = []
    missing: list[Known] = []
    present: list[Known] = []
    unseen = _unseen_in(scope, kept, seen.unlisted)
    for path in catalog.records.by_source:
        if path in kept:
            marked = filter(catalog.is_missing, catalog.records.of_source(path))
            for one in marked if catalog.marks.missing else ():
                (missing if read_state(one.path) == NO_FILE else present).append(one)
        elif path in seen.found or scope.drops(path):  # described by JSON lines, or excluded
            gone += catalog.records.of_source(path)
        elif unseen(path):
            missing += catalog.records.of_source(path)
    return tuple(gone), tuple(missing), tuple(present)


def _is_as_known(found: FoundFile, catalog: Catalog) -> bool:
    """Return whether a file and the images that its lines name are unchanged."""
    known, wrong = catalog.records.of_source(found.path), catalog.faults.get(found.path, [])
    if any(fault.is_retried for fault in wrong):
        return False
    parts: list[Known | Fault] = [*known, *(fault for fault in wrong if fault.part)]
    state = catalog.states.get(found.path)
    if state is None:
        if not _was_read_whole(found, parts, wrong):
            return False
    elif state != (found.size, found.mtime):
        return False
    return all(_looks_same(one, catalog) for one in parts if one.path != found.path)


def _was_read_whole(
    found: FoundFile, parts: Sequence[Known | Fault], wrong: Sequence[Fault]
) -> bool:
    """Return whether all records of a file were written for its present content."""
    sources = {one.source for one in (*parts, *wrong)}
    if len(sources) != 1:
        return False
    source = sources.pop()
    if (source.size, source.mtime) != (found.size, found.mtime):
        return False
    if len(parts) == source.parts:
        return True
    # The run was interrupted, or the whole file has a fault.
    return found.form != "lines" and any(not fault.part for fault in wrong)


def _looks_same(one: Known | Fault, catalog: Catalog) -> bool:
    """Return whether an image that a line names is unchanged."""
    now = read_state(one.path)
    if isinstance(one, Known) and catalog.is_missing(one):
        return now == NO_FILE
    return now == catalog.states.get(one.path, (one.size, one.mtime))


def _images_of_lines(
    catalog: Catalog, reread: Sequence[FoundFile], unseen: Callable[[str], bool]
) -> set[str]:
    """Return the images that JSON lines describe, which are not entries of their own."""
    parts: list[Known | Fault] = [one for some in catalog.faults.values() for one in some]
    parts += catalog.records.by_id.values()
    again = {found.path for found in reread}
    claimed = {
        one.path
        for one in parts
        if one.path != one.source.path
        and one.source.path not in again
        and not unseen(one.source.path)
    }
    for found in reread:
        claimed |= _images_of_file(found, catalog)
    return claimed


def _images_of_file(found: FoundFile, catalog: Catalog) -> set[str]:
    """Return the images that the lines of a file describe, or have described if unfinished."""
    images: set[str] = set()
    line = None
    try:
        for line in read_lines(found.path):
            if isinstance(line, Line) and line.image is not None:
                images.add(line.image)
        if is_unfinished(found, line, catalog.faults.get(found.path, ())):
            images |= {one.path for one in catalog.records.of_source(found.path)} - {found.path}
    except OSError:  # reported when it is read
        return set()
    return images


def _unseen_in(scope: Scope, seen: set[str], unlisted: Iterable[Unlisted]) -> Callable[[str], bool]:
    hidden = [one.path for one in unlisted]

    def is_unseen(path: str) -> bool:
        return (
            path not in seen
            and scope.includes(path)
            and not any(within(path, folder) for folder in hidden)
        )

    return is_unseen
