"""Cut inputs into parts, each named by a digest of all that its vectors depend on.

sources -> Row, `part_rows` at a time -> Part, named by settings, rows and their files -> Plan

The name covers size and mtime of every file, or size and tag of every object at a store, so a
changed photo of the same name is a new part, and no file is opened. Only one part is in memory at a
time.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from e5v.errors import DataError
from e5v.files import read_state
from e5v.inputs import Item, Text
from e5v.parts.object_states import add_states
from e5v.parts.part_folder import PLAN, SUFFIX, PartFolder
from e5v.parts.settings import Settings
from e5v.parts.sources import Row, Source
from e5v.places import StoreUrl, TarMember


@dataclass(frozen=True)
class PlannedPart:
    """A range of an input: `count` rows from number `start`, counted from 0."""

    name: str
    source: str
    start: int
    count: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}{SUFFIX}"

    @property
    def place(self) -> tuple[str, int]:
        """The range that it is, whatever its content."""
        return self.source, self.start

    def __str__(self) -> str:
        """Say which rows it has."""
        last = self.start + self.count - 1
        return f"{self.file} (rows {self.start:,} to {last:,} of {self.source})"


@dataclass(frozen=True)
class Part:
    """A part with its rows, ready to be encoded."""

    planned: PlannedPart
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PlannedSource:
    """An input of a plan: its name, and how it is read (`e5v.parts.sources.Source`)."""

    kind: str
    name: str


@dataclass(frozen=True)
class Plan:
    """All parts of a run, in order, and the inputs that they are of."""

    sources: tuple[PlannedSource, ...]
    parts: tuple[PlannedPart, ...]

    @property
    def digest(self) -> str:
        """A digest of the names, in order."""
        return hash_lines(one.name for one in self.parts)

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(one.count for one in self.parts)


def cut(sources: Sequence[Source], settings: Settings) -> Iterator[Part]:
    """Yield the parts of all inputs, in order; a part has rows of one input only."""
    for source in sources:
        rows, start = iter(source), 0
        while chunk := add_states(tuple(islice(rows, settings.part_rows))):
            name = name_part(settings, source.name, start, chunk)
            yield Part(PlannedPart(name, source.name, start, len(chunk)), chunk)
            start += len(chunk)


def make_plan(sources: Sequence[Source], settings: Settings) -> Plan:
    """Read the inputs once and return the plan.

    Raises:
        DataError: the inputs have no rows.
    """
    parts = tuple(part.planned for part in cut(sources, settings))
    if not parts:
        raise DataError("nothing to encode: the inputs have no items", argument="inputs")
    return Plan(tuple(PlannedSource(one.kind, one.name) for one in sources), parts)


def name_part(settings: Settings, source: str, start: int, rows: Iterable[Row]) -> str:
    """Return the name of a part: 32 hexadecimal digits."""
    return hash_lines([settings.digest, source, str(start), *map(_describe_row, rows)])


def hash_lines(lines: Iterable[str]) -> str:
    """Return a digest of lines, each with its length, as 32 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=16)
    for line in lines:
        content = line.encode("utf-8", "surrogatepass")
        state.update(b"%d " % len(content) + content)
    return state.hexdigest()


def _describe_row(row: Row) -> str:
    content = row.fault if row.item is None else list(_describe_item(row.item))
    return json.dumps([row.id, content])


def _describe_item(item: Item) -> Iterator[object]:
    yield [item.system, item.instruction]
    for part in item.parts:
        if isinstance(part, Text):
            yield part.text
        elif isinstance(part.source, TarMember):
            place, member = part.source.archive, part.source
            yield [str(member), member.offset, member.size, *_describe_file(place)]
        elif isinstance(part.source, Path | StoreUrl):
            yield _describe_file(part.source)
        else:
            assert isinstance(part.source, bytes)  # as sources give it
            yield [hashlib.blake2b(part.source, digest_size=16).hexdigest()]


def _describe_file(place: Path | StoreUrl) -> list[object]:
    if isinstance(place, Path):
        return [str(place), *read_state(place)]
    assert place.state is not None  # as `add_states` and tars give it
    return [str(place), *place.state]


def write_plan(folder: PartFolder, plan: Plan) -> None:
    """Write the plan, unless it is there already: every worker has the same."""
    content = json.dumps(asdict(plan), indent=1) + "\n"
    if folder.read(PLAN) != content:
        folder.write(PLAN, content)


def read_plan(folder: PartFolder) -> Plan:
    """Read the plan of a folder of parts.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    content = folder.read(PLAN)
    if content is None:
        raise DataError(f"{folder} holds no parts: it has no {PLAN}")
    try:
        stored = json.loads(content)
        parts = tuple(_read_planned(**one) for one in stored["parts"])
        return Plan(tuple(PlannedSource(**one) for one in stored["sources"]), parts)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / PLAN} cannot be read as a plan: {error!r}") from None


def _read_planned(name: str, source: str, start: object, count: object) -> PlannedPart:
    if not (isinstance(start, int) and isinstance(count, int)):
        raise TypeError(f"start and count are {start!r} and {count!r}; expected integers")
    return PlannedPart(str(name), str(source), start, count)
