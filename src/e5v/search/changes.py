"""What is new, changed or gone, by size and time of change alone: nothing is read but JSON lines.

roots -> Found -> not as the ledger has it -> to read; in the ledger and not found -> gone
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from e5v.errors import DataError
from e5v.search.faults import Fault
from e5v.search.lines import Line, read_lines
from e5v.search.passages import LONGEST
from e5v.search.reading import look
from e5v.search.sources import Known, Ledger
from e5v.search.walking import Found, Unlisted, is_gone, walk, within

Faults = dict[str, list[Fault]]  # by the path of the source


@dataclass(frozen=True)
class Changes:
    """Files to read, records to remove, sources whose faults are past, and what was not seen.

    `lost` are the roots that are there no more.
    """

    fresh: tuple[Found, ...]
    gone: tuple[Known, ...]
    cured: tuple[str, ...]
    unlisted: tuple[Unlisted, ...]
    unchanged: int
    lost: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """About how many things there are to embed."""
        return sum(map(weight, self.fresh))


def weight(found: Found) -> int:
    """Guess how many things a file holds."""
    return 1 if found.form == "image" else 1 + found.size // LONGEST


def compare(
    roots: Sequence[str], ledger: Ledger, faults: Faults, *, emptied: bool = False
) -> Changes:
    """Compare folders with what is known of them; if `emptied`, a folder may be gone as a whole.

    Raises:
        DataError: a folder of which there are entries is empty, and `emptied` is not set.
    """
    seen: dict[str, Found] = {}
    unlisted: list[Unlisted] = []
    lost = tuple(filter(is_gone, roots)) if emptied else ()
    for root in (root for root in roots if root not in lost):
        before = len(seen), len(unlisted)
        for one in walk(root):
            if isinstance(one, Found):
                seen.setdefault(one.path, one)
            else:
                unlisted.append(one)
        if (len(seen), len(unlisted)) == before and not emptied:
            _check_emptied(root, ledger, seen)
    changed = {path for path, found in seen.items() if not _is_as_known(found, ledger, faults)}
    lines = [found.path for found in seen.values() if found.form == "lines"]
    hidden = [one.path for one in unlisted]
    unseen = _missing(roots, set(seen), hidden)
    claimed = _claimed(ledger, faults, changed.intersection(lines), unseen)
    kept = {path for path in seen if path not in claimed}
    missing = _missing(roots, kept, hidden)
    return Changes(
        fresh=tuple(
            found
            for found in sorted(seen.values(), key=lambda found: found.form != "lines")
            if found.path in changed and found.path in kept
        ),
        gone=tuple(
            known for path in filter(missing, ledger.by_source) for known in ledger.of_source(path)
        ),
        cured=tuple(filter(missing, faults)),
        unlisted=tuple(unlisted),
        unchanged=len(kept - changed),
        lost=lost,
    )


def _check_emptied(root: str, ledger: Ledger, seen: Iterable[str]) -> None:
    held = sum(within(path, root) for path in ledger.by_source if path not in seen)
    if held:
        raise DataError(
            f"{root} holds nothing to index, but {held} files of it are in the index; is its disk "
            "there? Give --emptied if they are to be removed"
        )


def _is_as_known(found: Found, ledger: Ledger, faults: Faults) -> bool:
    """Tell whether a file, and what its lines name, is as it was when it was read whole."""
    known, wrong = ledger.of_source(found.path), faults.get(found.path, [])
    sources = {one.source for one in known} | {one.source for one in wrong}
    if len(sources) != 1:
        return False
    source = sources.pop()
    if (source.size, source.mtime) != (found.size, found.mtime):
        return False
    parts: list[Known | Fault] = [*known, *(fault for fault in wrong if fault.part)]
    if len(parts) != source.parts:  # cut short, or there is only what is wrong with all of it
        return found.form != "lines" and any(not fault.part for fault in wrong)
    named = [one for one in parts if one.path != found.path]
    return all(look(one.path) == (one.size, one.mtime) for one in named)


def _claimed(
    ledger: Ledger, faults: Faults, reread: set[str], unseen: Callable[[str], bool]
) -> set[str]:
    """Return the images that JSON lines tell of, which are not entries of their own."""
    told: list[Known | Fault] = [one for some in faults.values() for one in some]
    told += ledger.by_id.values()
    claimed = {
        one.path
        for one in told
        if one.path != one.source.path
        and one.source.path not in reread
        and not unseen(one.source.path)
    }
    for path in reread:
        try:
            claimed |= {
                line.image
                for line in read_lines(path)
                if isinstance(line, Line) and line.image is not None
            }
        except OSError:  # told of when it is read
            continue
    return claimed


def _missing(
    roots: Sequence[str], kept: set[str], unlisted: Sequence[str]
) -> Callable[[str], bool]:
    def is_missing(path: str) -> bool:
        return (
            path not in kept
            and any(within(path, root) for root in roots)
            and not any(within(path, folder) for folder in unlisted)
        )

    return is_missing
