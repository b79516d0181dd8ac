"""Compare a folder of parts with its plan: what is missing, doubled, foreign or damaged.

plan.json + files -> Finding, one by one; without any, and if asked -> manifest.json: committed
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from e5v.errors import DataError, plural
from e5v.parts.part_file import PartFacts, read_facts, verify_part
from e5v.parts.part_folder import MANIFEST, SUFFIX, PartFolder
from e5v.parts.plan import Plan, PlannedPart, read_plan
from e5v.parts.settings import read_settings

Trouble = Literal["missing", "doubled", "foreign", "damaged"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with one file of a folder of parts."""

    trouble: Trouble
    file: str
    reason: str

    def __str__(self) -> str:
        """Return file, trouble and reason."""
        return f"{self.trouble} {self.file}: {self.reason}"


@dataclass(frozen=True)
class CommittedPart:
    """A part of a manifest: what it says of itself, and the bytes of its file."""

    facts: PartFacts
    size: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.facts.name}{SUFFIX}"


@dataclass(frozen=True)
class PartManifest:
    """What a committed folder has: its settings and plan, by digest, and every part in order."""

    settings: str
    plan: str
    parts: tuple[CommittedPart, ...]

    @property
    def rows(self) -> int:
        """The number of rows, with those that have an error."""
        return sum(one.facts.rows for one in self.parts)

    @property
    def errors(self) -> int:
        """The number of rows without a vector."""
        return sum(one.facts.errors for one in self.parts)


def check_parts(folder: PartFolder) -> Iterator[Finding]:
    """Yield what is wrong with a folder of parts; every part is read whole.

    Raises:
        DataError: the folder holds no parts.
    """
    plan = read_plan(folder)
    planned = {one.file: one for one in plan.parts}
    there = dict.fromkeys(folder.list_parts())  # in order, and quickly looked up
    for file, one in planned.items():
        if file not in there:
            yield Finding("missing", file, f"rows {one.start:,} and on of {one.source}")
            continue
        try:
            facts = verify_part(folder, file)
        except DataError as error:
            yield Finding("damaged", file, str(error))
            continue
        if facts.rows != one.count:
            yield Finding("damaged", file, f"it has {facts.rows:,} of {one.count:,} rows")
    yield from _find_strangers(folder, plan, [one for one in there if one not in planned])


def _find_strangers(folder: PartFolder, plan: Plan, files: list[str]) -> Iterator[Finding]:
    """Yield files that the plan does not name: other states of its ranges, or of something else."""
    places = {one.place: one for one in plan.parts}
    for file in files:
        try:
            with folder.open_part(file) as opened:
                place = read_facts(opened, file).place
        except DataError:
            yield Finding("foreign", file, "it is not a part")
            continue
        if place in places:
            reason = f"an earlier state of {places[place]}; remove it"
            yield Finding("doubled", file, reason)
        else:
            yield Finding("foreign", file, f"a part of another plan: of {place[0]}; remove it")


def list_missing(folder: PartFolder, plan: Plan) -> list[PlannedPart]:
    """Return the parts of a plan that have no file."""
    there = set(folder.list_parts())
    return [one for one in plan.parts if one.file not in there]


def commit(folder: PartFolder) -> PartManifest:
    """Write the manifest of a complete folder: counts and digests of every part.

    Raises:
        DataError: the folder holds no parts, or some are missing or cut short.
    """
    plan, settings = read_plan(folder), read_settings(folder)
    if settings is None:
        raise DataError(f"{folder} holds no parts: it has no settings")
    if missing := list_missing(folder, plan):
        raise DataError(
            f"{folder} lacks {len(missing):,} of {plural(len(plan.parts), 'part')}, the first is "
            f"{missing[0]}; encode them"
        )
    parts = tuple(_take_stock(folder, one) for one in plan.parts)
    manifest = PartManifest(settings.digest, plan.digest, parts)
    content = json.dumps(asdict(manifest), indent=1) + "\n"
    if folder.read(MANIFEST) != content:
        folder.write(MANIFEST, content)
    folder.remove_unfinished()
    return manifest


def _take_stock(folder: PartFolder, planned: PlannedPart) -> CommittedPart:
    with folder.open_part(planned.file) as file:
        facts = read_facts(file, planned.file)
    if facts.rows != planned.count:
        raise DataError(f"{folder / planned.file} has {facts.rows:,} of {planned.count:,} rows")
    return CommittedPart(facts, folder.size_of(planned.file))


def read_committed(folder: PartFolder) -> PartManifest:
    """Read the manifest of a folder, and see that it is of its plan and settings, and all there.

    Raises:
        DataError: the folder is not committed, or a file is missing or of another size.
    """
    plan, settings, content = read_plan(folder), read_settings(folder), folder.read(MANIFEST)
    if content is None:
        missing = len(list_missing(folder, plan))
        raise DataError(
            f"{folder} is not committed: {missing:,} of {plural(len(plan.parts), 'part')} missing; "
            "encode the rest and commit it"
        )
    try:
        stored = json.loads(content)
        parts = tuple(
            CommittedPart(PartFacts(**one["facts"]), one["size"]) for one in stored.pop("parts")
        )
        manifest = PartManifest(**stored, parts=parts)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / MANIFEST} cannot be read: {error!r}") from None
    if settings is None or (settings.digest, plan.digest) != (manifest.settings, manifest.plan):
        raise DataError(f"{folder} has changed since it was committed; commit it again")
    for one in manifest.parts:
        if (size := folder.size_of(one.file)) != one.size:
            what = "is missing" if size < 0 else f"has {size:,} bytes, not {one.size:,}"
            raise DataError(f"{folder / one.file} {what}; remove it and encode it again")
    return manifest
