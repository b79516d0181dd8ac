"""Find the records of a changed file that can stay.

records, present content of the file -> the same content, in the same place or another -> Plan

So a record of 1 to 20 KB is not rewritten because a line was added to its file or inserted above
it: only its size, mtime and part are (`state_updates.py`).
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from e5v.search.catalog import Fault
from e5v.search.pieces import Piece, id_of
from e5v.search.records import Known

Key = tuple[str, ...]


@dataclass
class Plan:
    """What to do with the records of a file.

    `kept` are those whose content is still in the file, by part; `missing` are of missing images
    that lines name, or of all lines if the file is empty; `stale` are of content that is no longer
    in the file. Those of content that is `unread`, as of an `unfinished` file, stay.
    """

    kept: dict[int, Known] = field(default_factory=dict)
    missing: list[Known] = field(default_factory=list)
    stale: list[Known] = field(default_factory=list)
    unread: list[Known] = field(default_factory=list)
    unfinished: bool = False

    def __post_init__(self) -> None:
        """Collect the ids in use."""
        self._taken = {one.id for one in (*self.kept.values(), *self.missing, *self.unread)}

    def record_of(self, piece: Piece) -> Known | None:
        """Return the record of an unchanged piece, or None if it needs a new one."""
        known = self.kept.get(piece.part)
        return known if known is not None and known.digest == piece.digest else None

    def named(self, piece: Piece) -> Piece:
        """Return a piece with an id that is not in use."""
        again = 0
        while piece.id in self._taken:
            again += 1
            piece = replace(piece, id=id_of(piece.source.path, piece.part, again))
        self._taken.add(piece.id)
        return piece


def match(
    known: Sequence[Known], captions: Mapping[int, str], parts: Iterable[Piece | Fault]
) -> Plan:
    """Match the records of a file with its present content; `captions` are by record number."""
    left = {one.number: one for one in sorted(known, key=lambda one: (one.part, one.number))}
    keys: dict[int, Key] = {}
    faults: list[Fault] = []
    for piece in parts:
        if isinstance(piece, Fault):
            faults.append(piece)
        else:
            keys[piece.part] = _key(piece, piece.text)
    own = {one.number: _key(one, captions.get(one.number, "")) for one in known}
    in_place = {(one.part, own[one.number]): one for one in left.values()}
    kept = {part: in_place[part, key] for part, key in keys.items() if (part, key) in in_place}
    for one in kept.values():
        del left[one.number]
    moved: dict[Key, deque[Known]] = defaultdict(deque)
    for number, one in left.items():
        moved[own[number]].append(one)
    for part, key in keys.items():
        if part not in kept and moved[key]:
            kept[part] = moved[key].popleft()
            del left[kept[part].number]
    missing, unread = _take_unreadable(left, faults)
    unfinished = any(one.is_retried and not one.part for one in faults)
    return Plan(kept, missing, list(left.values()), unread, unfinished)


def _take_unreadable(
    left: dict[int, Known], faults: Sequence[Fault]
) -> tuple[list[Known], list[Known]]:
    """Remove unreadable content from `left`; return missing records, and the others."""
    missing: list[Known] = []
    unread: list[Known] = []
    by_path: dict[str, list[Known]] = defaultdict(list)
    for one in left.values():
        by_path[one.path].append(one)
    for fault in (fault for fault in faults if fault.away):
        if not fault.part:  # of the whole file
            (missing if fault.away == "missing" else unread).extend(left.values())
            left.clear()
            return missing, unread
        some = by_path[fault.path]
        if not some:
            continue
        one = next((one for one in some if one.part == fault.part), some[0])
        some.remove(one)
        del left[one.number]
        (missing if fault.away == "missing" else unread).append(one)
    return missing, unread


def _key(one: Known | Piece, caption: str) -> Key:
    """Return the key that is equal if a record can stay."""
    return (one.digest, one.path, caption) if one.kind == "image" else (one.digest,)
