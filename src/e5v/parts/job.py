"""Encode a collection in parts, this worker's share of it: `e5v.encode_parts`.

inputs -> settings, fixed by the first worker -> plan -> this shard's parts that are not there
       -> the model, opened if there are any -> one part after another -> the last shard commits

An engine that hands out parts needs the pieces alone: `PartJob.plan` names them, `PartJob.read`
gives those to do, with their rows, and `e5v.parts.encoding.encode_part` encodes one, anywhere.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack, cast

from e5v.extras import need
from e5v.inputs import RawItem
from e5v.model.embedder import E5V
from e5v.model.fingerprint import how_opened
from e5v.model.locating import absolute_name
from e5v.model.opening import Opening, OpenOptions, follow
from e5v.parts.check import PartManifest, commit, list_missing
from e5v.parts.encoding import PartTally, encode_part
from e5v.parts.folders import open_folder
from e5v.parts.part_folder import PartFolder
from e5v.parts.plan import Part, Plan, cut, make_plan, write_plan
from e5v.parts.settings import (
    PartOptions,
    Settings,
    adapt,
    fix_settings,
    make_settings,
    read_settings,
)
from e5v.parts.shards import Shard
from e5v.parts.sources import Source, make_sources
from e5v.vectors import Precision


@dataclass(frozen=True)
class PartsProgress:
    """How far a worker is: `done` of its `total` rows, those of parts that were there left out.

    `parts` were encoded, `skipped` were there; `errors` rows have no vector, `cut` texts were
    truncated. `missing` parts are still to be encoded, by this worker or others; once there are
    none, `manifest` is what was committed. `restarts` counts processes of an engine that died with
    a part, which was then begun again.
    """

    total: int = 0
    done: int = 0
    parts: int = 0
    skipped: int = 0
    errors: int = 0
    cut: int = 0
    missing: int = 0
    restarts: int = 0
    manifest: PartManifest | None = field(default=None, repr=False)


class PartModel:
    """The model of a worker, opened when there is something to encode.

    `open_as` opens it, as was asked for until another worker is followed.
    """

    def __init__(self, name: str, open_as: Callable[[Opening], E5V], how: Opening) -> None:
        self._name, self._open_as, self._how = name, open_as, how

    @cached_property
    def opened(self) -> E5V:
        """The open model."""
        return self._open_as(self._how)

    def follow(self, there: Settings) -> bool:
        """Open it as the first worker did, unless asked otherwise; return whether it seems so."""
        kept = follow(self._how, there)
        self._how = replace(self._how, **kept)
        same = all(value == getattr(there, name) for name, value in kept.items())
        return same and self._name == there.model


def find_model(model: str | Path | E5V, max_tokens: int | None, how: OpenOptions) -> PartModel:
    """Return the model of a worker, by its name or open."""
    if isinstance(model, E5V):
        asked = Opening(**how_opened(model.loaded))
        return PartModel(absolute_name(model.loaded.name), lambda _: model, asked)

    def open_as(opening: Opening) -> E5V:
        return E5V(model, max_tokens=max_tokens, **asdict(opening))

    return PartModel(absolute_name(model), open_as, Opening(**how))


def find_settings(
    folder: PartFolder, model: PartModel, options: PartOptions, fix: Callable[[], Settings]
) -> Settings:
    """Return the settings of a folder, which `fix` fixes if they are not there, or seem others.

    Raises:
        DataError: the folder was begun with other settings.
    """
    there = read_settings(folder)
    if there is not None:
        there.check(adapt(there, options), folder)
    return there if there is not None and model.follow(there) else fix()


class PartJob:
    """One collection, one folder, one set of options: the same in every worker.

    The first worker's settings are fixed in the folder; the others are checked against them.

    Raises:
        DataError: the folder was begun with other settings.
    """

    def __init__(
        self, sources: Sequence[Source], folder: PartFolder, model: PartModel, options: PartOptions
    ) -> None:
        self.sources, self.folder = sources, folder
        self._model, self._options = model, options
        self.settings = find_settings(folder, model, options, self._fix)

    def _fix(self) -> Settings:
        return fix_settings(self.folder, make_settings(self._model.opened, self._options))

    @cached_property
    def model(self) -> E5V:
        """The open model, which is the one of the first worker.

        Raises:
            DataError: it is not.
        """
        self._fix()
        return self._model.opened

    def plan(self) -> Plan:
        """Read the inputs once, and write down which parts they have."""
        return list_parts(self.sources, self.folder, self.settings)

    def read(self, names: Collection[str]) -> Iterator[Part]:
        """Read the inputs again, and yield the parts of these names with their rows."""
        every = cut(self.sources, self.settings)
        return (part for part in every if part.planned.name in names)


def list_parts(sources: Sequence[Source], folder: PartFolder, settings: Settings) -> Plan:
    """Read the inputs once, and write down which parts they have."""
    plan = make_plan(sources, settings)
    write_plan(folder, plan)
    return plan


def run(
    job: PartJob,
    shard: Shard,
    *,
    batch_tokens: int | None = None,
    step: Callable[[], object] = lambda: None,
) -> Generator[PartsProgress, None, None]:
    """Encode a shard's parts that are not there; commit if no part is missing after that.

    Yields how far it is before the first part and after each; `step` is called after each row.

    Raises:
        DataError: the inputs or the folder cannot be used, or a file changed meanwhile.
        ModelError: the model cannot be opened.
    """
    plan = job.plan()
    to_do, done = find_work(plan, job.folder, shard)
    yield done
    for part in job.read(to_do) if to_do else ():
        if job.folder.size_of(part.planned.file) >= 0:
            done = _leave(done, part)
        else:
            done = count_part(done, _encode(part, job, batch_tokens, step))
        yield done
    yield finish(done, plan, job.folder)


def find_work(plan: Plan, folder: PartFolder, shard: Shard) -> tuple[frozenset[str], PartsProgress]:
    """Return the names of a shard's parts that are not there, and how far it is."""
    own = [one for place, one in enumerate(plan.parts) if shard.has(place)]
    missing = {one.name for one in list_missing(folder, plan)}
    to_do = {one.name: one.count for one in own if one.name in missing}
    done = PartsProgress(sum(to_do.values()), skipped=len(own) - len(to_do), missing=len(missing))
    return frozenset(to_do), done


def finish(done: PartsProgress, plan: Plan, folder: PartFolder) -> PartsProgress:
    """Commit if no part is missing."""
    left = len(list_missing(folder, plan))
    return replace(done, missing=left, manifest=None if left else commit(folder, plan))


def _encode(
    part: Part, job: PartJob, batch_tokens: int | None, step: Callable[[], object]
) -> PartTally:
    return encode_part(
        part, job.settings, job.folder, job.model, batch_tokens=batch_tokens, step=step
    )


def _leave(done: PartsProgress, part: Part) -> PartsProgress:
    """Count a part that another worker with this shard has encoded meanwhile."""
    total = done.total - len(part.rows)
    return replace(done, total=total, skipped=done.skipped + 1, missing=done.missing - 1)


def count_part(done: PartsProgress, tally: PartTally) -> PartsProgress:
    """Count a part that was encoded."""
    return replace(
        done,
        done=done.done + tally.rows,
        parts=done.parts + 1,
        errors=done.errors + tally.errors,
        cut=done.cut + tally.cut,
        missing=done.missing - 1,
    )


class EncodePartsOptions(OpenOptions, total=False):
    """The options of `encode_parts` that say how items are encoded and the model is opened."""

    prompt: str
    dim: int | None
    precision: Precision
    max_tokens: int | None
    batch_tokens: int | None


def encode_parts(
    inputs: Iterable[RawItem],
    out: str | Path,
    model: str | Path | E5V,
    *,
    part_rows: int,
    shard: str | Shard = "0/1",
    **options: Unpack[EncodePartsOptions],
) -> Iterator[PartsProgress]:
    """Encode a collection in parts: any number of workers, each row once.

    Each worker makes the same call with its own `shard`, on a folder that all can write to. A part
    is a Parquet file, named by a digest of the model, the options, its rows and every file that
    they name; one that is there is not encoded again. So a worker that was killed is just started
    again, and so is one whose inputs have changed. The last worker commits the folder.

    An item that cannot be read becomes a row with its error and without a vector.

    Args:
        inputs: a `Path` of a folder stands for its images, one of a .jsonl file for its lines;
            everything else is an item, as `E5V.encode` takes it, but no PIL image.
        out: the folder of the parts.
        model: an open model, or its name: "nano", a hub id, or a folder.
        part_rows: the most rows of a part.
        shard: "i/N": which of N workers this is, from 0; by default the only one.
        prompt: as in `E5V.encode`, like `dim`, `precision` and `batch_tokens`.
        dtype: as in `E5V`, like all other options; they are of a model that is opened here. "auto"
            is the dtype of the first worker.

    Yields:
        How far this worker is, before the first part and after each.

    Raises:
        UsageError: an input, the shard or an option cannot be used.
        DataError: the folder was begun with another model or other options, or a file changed.
        ModelError: the model cannot be opened.
        MissingExtraError: pyarrow is not installed.
    """
    need("encode_parts", "pyarrow")
    given: dict[str, Any] = {**options}
    batch_tokens = given.pop("batch_tokens", None)
    asked = PartOptions(part_rows, **{key: given.pop(key) for key in ENCODING if key in given})
    worker = Shard.read(shard) if isinstance(shard, str) else shard
    sources, folder = make_sources(inputs), open_folder(out)
    opened = find_model(model, asked.max_tokens, cast("OpenOptions", given))
    return run(PartJob(sources, folder, opened, asked), worker, batch_tokens=batch_tokens)


ENCODING = ("prompt", "dim", "precision", "max_tokens")
