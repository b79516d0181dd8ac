"""List what is in folders, and compare it with the records; what is unchanged is only marked.

roots -> FoundFile, some at a time -> its keys are those of its records: unchanged
                                   -> an image that lines name: set aside
                                   -> its records are read, and compared -> unchanged | to read
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, permutations

import numpy as np
from numpy.typing import NDArray

from e5v.files import NO_FILE, read_state
from e5v.left_out import LeftOut
from e5v.media.locations import file_of
from e5v.search.catalog import Catalog, Fault
from e5v.search.keys import Spans
from e5v.search.named_images import NamedImages
from e5v.search.reading import Reading
from e5v.search.records import UNSURE, Known, state_key
from e5v.search.scan import FoundFile, SystemFolder, Unlisted, is_missing, walk, within
from e5v.search.scope import Scope

AT_ONCE = 16_384  # files compared

Slots = Iterable[tuple[int, Known]]  # slots of sources, each with its record


class Listing:
    """What is in the roots.

    Attributes:
        seen: of each slot of the records' sources, whether its file was found.
        changed: found files to read, by path.
        settled: paths of found files that have no records, and are unchanged.
        lines: paths of found files of JSON lines.
        faulty: paths of found files that have faults.
        named: images that lines name.
        unchanged: the number of unchanged files.
        unlisted: what could not be listed.
        left_out: files of unsupported types, or of types whose libraries are not installed.
        away: roots that are missing.
        system_folders: hidden and system folders, which are not looked into.
    """

    def __init__(self, scope: Scope, catalog: Catalog, reading: Reading) -> None:
        roots = scope.roots
        self._catalog, self._keys, self._reading = catalog, catalog.records.keys, reading
        self.seen = np.zeros(len(self._keys.states), bool)
        self.changed: dict[str, FoundFile] = {}
        self.settled: set[str] = set()
        self.lines: set[str] = set()
        self.faulty: set[str] = set()
        self.named = NamedImages(catalog.records)
        self.unchanged = 0
        self.left_out = LeftOut()
        self.system_folders: set[str] = set()
        self.away = tuple(filter(is_missing, roots))
        unlisted: list[Unlisted] = []
        found = self._walk([root for root in roots if root not in self.away], scope, unlisted)
        while some := list(islice(found, AT_ONCE)):
            self._add(some)
        unlisted += [Unlisted(*one) for one in scope.ignores.faults.items()]
        self.unlisted = tuple(dict.fromkeys(unlisted))

    def _walk(
        self, roots: Sequence[str], scope: Scope, unlisted: list[Unlisted]
    ) -> Iterator[FoundFile]:
        """Yield supported files; those of roots that overlap twice."""
        overlapping = any(within(*pair) for pair in permutations(roots, 2))
        others: set[str] = set()
        for one in chain.from_iterable(
            walk(root, scope.exclusion, scope.ignores) for root in roots
        ):
            if isinstance(one, FoundFile) and self._reading.reads(one):
                yield one
            elif isinstance(one, Unlisted):
                unlisted.append(one)
            elif isinstance(one, SystemFolder):
                self.system_folders.add(one.path)
            elif one.path not in others:
                self.left_out.add(one.path)
                if isinstance(one, FoundFile):
                    self._keep_records(one.path)
                if overlapping:
                    others.add(one.path)

    def _add(self, some: Sequence[FoundFile]) -> None:
        """Compare some files with their records."""
        paths = [one.path for one in some]
        self.lines.update(one.path for one in some if one.form == "lines")
        spans = self._keys.sources.find_all(paths)
        quick = self._have_same_keys(some, spans)
        firsts = spans.starts[quick]
        self.unchanged += len(np.unique(firsts[~self.seen[firsts]]))
        self.seen[Spans(firsts, spans.ends[quick]).slots()] = True
        slow = np.flatnonzero(~quick)
        named = self.named.find([paths[place] for place in slow])
        slots = Spans(spans.starts[slow], spans.ends[slow]).slots()
        known = zip(slots.tolist(), self._catalog.records.at_slots(slots), strict=True)
        for place, image in zip(slow.tolist(), named.tolist(), strict=True):
            one, count = some[place], int(spans.counts[place])
            if not count and image >= 0 and one.form == "image":
                self.named.found[image] = True
            else:
                self.compare(one, islice(known, count))

    def _keep_records(self, path: str) -> None:
        """Leave the records of a file that cannot be read now as they are."""
        self.seen[self._keys.sources.find_all([path]).slots()] = True

    def _have_same_keys(self, some: Sequence[FoundFile], spans: Spans) -> NDArray[np.bool_]:
        """Return which files are unchanged for certain: the keys of their records' sources say so.

        Those of lines that name images are not: the images may have changed.
        """
        catalog, states, counts = self._catalog, self._keys.states, spans.counts
        expected = np.fromiter(
            (
                state_key(one.path, one.size, one.mtime, count)
                if count
                and one.path not in catalog.states
                and one.path not in catalog.faults
                and not self._reading.reads_again(one)
                else UNSURE
                for one, count in zip(some, counts.tolist(), strict=True)
            ),
            np.int64,
            len(some),
        )
        same: NDArray[np.bool_] = expected != UNSURE
        for place in np.flatnonzero(same & (counts > 1)).tolist():
            slots = slice(spans.starts[place], spans.ends[place])
            same[place] = (states[slots] == expected[place]).all()
        single = same & (counts == 1)
        same[single] = states[spans.starts[single]] == expected[single]
        return same

    def compare(self, found: FoundFile, slots: Slots = ()) -> None:
        """Compare a file with its records; `slots` may have those of another file, too."""
        if found.path in self._catalog.faults:
            self.faulty.add(found.path)
        has_records, again = False, found.path in self.settled

        def own() -> Iterator[Known]:
            nonlocal has_records, again
            for slot, known in slots:
                if known.source.path == found.path:
                    has_records, again = True, again or bool(self.seen[slot])
                    self.seen[slot] = True
                    yield known

        same = _is_as_known(found, own(), self._catalog)
        if not same or self._reading.reads_again(found):
            self.changed.setdefault(found.path, found)
            return
        self.unchanged += not again
        if not has_records:
            self.settled.add(found.path)

    def forget(self, path: str) -> None:
        """Treat a file as not found."""
        del self.changed[path]
        self.lines.discard(path)
        self.faulty.discard(path)
        slots = self._keys.sources.find_all([path]).slots()
        for slot, known in zip(slots.tolist(), self._catalog.records.at_slots(slots), strict=True):
            if known.source.path == path:
                self.seen[slot] = False


def _is_as_known(found: FoundFile, known: Iterable[Known], catalog: Catalog) -> bool:
    """Return whether a file and the images that its lines name are unchanged."""
    wrong = catalog.faults.get(found.path, [])
    same, count, sources = True, 0, {fault.source for fault in wrong}
    ones: Iterable[Known | Fault] = chain(known, (fault for fault in wrong if fault.part))
    for one in ones:
        count += 1
        sources.add(one.source)
        same = same and (file_of(one.path) == found.path or _looks_same(one, catalog))
    if not same or any(fault.is_retried for fault in wrong):
        return False
    state = catalog.states.get(found.path)
    if state is not None:
        return state == (found.size, found.mtime)
    if len(sources) != 1:
        return False
    source = sources.pop()
    if (source.size, source.mtime) != (found.size, found.mtime):
        return False
    if count == source.parts:
        return True
    # The run was interrupted, or the whole file has a fault.
    return found.form != "lines" and source.parts <= 1 and any(not fault.part for fault in wrong)


def _looks_same(one: Known | Fault, catalog: Catalog) -> bool:
    """Return whether an image that a line names is unchanged."""
    now = read_state(one.path)
    if isinstance(one, Known) and catalog.is_missing(one.number):
        return now == NO_FILE
    return now == catalog.states.get(one.path, (one.size, one.mtime))
