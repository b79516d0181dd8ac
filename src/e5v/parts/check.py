"""Compare a folder of parts with its plan: what is missing, doubled, foreign or damaged.

plan.json + files -> Finding, one by one; without any, and if asked -> manifest.json: committed
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from e5v.errors import DataError, plural
from e5v.parts.part_file import PartFacts, read_facts, verify_part
from e5v.parts.part_folder import MANIFEST, SETTINGS, SUFFIX, PartFolder
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

    @property
    def content(self) -> str:
        """What its file has."""
        return json.dumps(asdict(self), indent=1) + "\n"


def check_parts(folder: PartFolder) -> Iterator[Finding]:
    """Yield what is wrong with a folder of parts; every part is read whole.

    The manifest is compared once every part is there and sound.

    Raises:
        DataError: the folder holds no parts.
    """
    plan = read_plan(folder)
    there = dict.fromkeys(folder.list_parts())  # in order, and quickly looked up
    sound = []
    for one in plan.parts:
        found = _check_part(folder, one) if one.file in there else _miss(one)
        if isinstance(found, Finding):
            yield found
        else:
            sound.append(found)
    planned = {one.file for one in plan.parts}
    yield from _find_strangers(folder, plan, [one for one in there if one not in planned])
    if len(sound) == len(plan.parts):
        yield from _check_manifest(folder, plan, sound)


def _check_part(folder: PartFolder, planned: PlannedPart) -> CommittedPart | Finding:
    file = planned.file
    try:
        facts = verify_part(folder, file)
    except DataError as error:
        return Finding("damaged", file, f"{error}; remove it and encode it again")
    if facts.rows != planned.count:
        return Finding("damaged", file, f"it has {facts.rows:,} of {planned.count:,} rows")
    return CommittedPart(facts, folder.size_of(file))


def _miss(planned: PlannedPart) -> Finding:
    return Finding("missing", planned.file, f"rows {planned.start:,} and on of {planned.source}")


def _check_manifest(
    folder: PartFolder, plan: Plan, parts: Sequence[CommittedPart]
) -> Iterator[Finding]:
    """Yield what is wrong with the settings, or with the manifest of sound parts."""
    try:
        settings = read_settings(folder)
    except DataError as error:
        yield Finding("damaged", SETTINGS, str(error))
        return
    content = folder.read(MANIFEST)
    if settings is None:
        yield Finding("missing", SETTINGS, "no worker can go on; encode into another folder")
    elif content is None:
        yield Finding("missing", MANIFEST, "the parts are not committed")
    elif content != PartManifest(settings.digest, plan.digest, tuple(parts)).content:
        yield Finding("damaged", MANIFEST, "it is of another state of the folder; commit it again")


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


def commit(folder: PartFolder, own: Plan | None = None) -> PartManifest:
    """Write the manifest of a complete folder: counts and digests of every part.

    Raises:
        DataError: the folder holds no parts, some are missing or damaged, or its plan is not a
            worker's `own`: another one has read other inputs since.
    """
    if own is not None and read_plan(folder).digest != own.digest:
        raise DataError(
            f"{folder} has another plan by now: the inputs changed while workers read them, or "
            "are not the same for all; run this again"
        )
    manifest = _take_stock(folder)
    if folder.read(MANIFEST) != manifest.content:
        folder.write(MANIFEST, manifest.content)
    folder.remove_unfinished()
    return manifest


def _take_stock(folder: PartFolder) -> PartManifest:
    """Return the manifest of a folder as it is now."""
    plan, settings = read_plan(folder), read_settings(folder)
    if settings is None:
        raise DataError(f"{folder} holds no parts: it has no {SETTINGS}")
    if missing := list_missing(folder, plan):
        raise DataError(
            f"{folder} lacks {len(missing):,} of {plural(len(plan.parts), 'part')}, the first is "
            f"{missing[0]}; encode them"
        )
    parts = tuple(_read_part(folder, one) for one in plan.parts)
    return PartManifest(settings.digest, plan.digest, parts)


def _read_part(folder: PartFolder, planned: PlannedPart) -> CommittedPart:
    try:
        with folder.open_part(planned.file) as file:
            facts = read_facts(file, planned.file)
    except DataError as error:
        raise DataError(f"{error}; remove {folder / planned.file} and encode it again") from None
    if facts.rows != planned.count:
        raise DataError(f"{folder / planned.file} has {facts.rows:,} of {planned.count:,} rows")
    return CommittedPart(facts, folder.size_of(planned.file))


def read_committed(folder: PartFolder) -> PartManifest:
    """Read the manifest of a folder, and see that it is of its plan and settings, and all there.

    Raises:
        DataError: the folder is not committed, has changed since, or a part is missing or damaged.
    """
    if (content := folder.read(MANIFEST)) is None:
        plan = read_plan(folder)
        missing = len(list_missing(folder, plan))
        raise DataError(
            f"{folder} is not committed: {missing:,} of {plural(len(plan.parts), 'part')} missing; "
            "encode the rest and commit it"
        )
    manifest = _take_stock(folder)
    if content != manifest.content:
        raise DataError(f"{folder} has changed since it was committed; commit it again")
    return manifest
