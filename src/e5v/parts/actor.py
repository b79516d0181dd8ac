"""A worker of an engine: one process with one open model, which is handed part after part.

bytes of a Part -> Encoder -> bytes of an Outcome: a tally, or the error why there is none

No engine is imported here. A part may be handed out again: one that is there is not encoded again.
"""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from e5v.errors import DataError, E5VError, EncodeWarning, first_line
from e5v.parts.encoding import PartTally, encode_part
from e5v.parts.job import PartJob, PartModel
from e5v.parts.part_file import read_facts
from e5v.parts.part_folder import PartFolder
from e5v.parts.plan import Part
from e5v.parts.settings import PartOptions

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

TRIES = 3  # of a part whose process dies with it


@dataclass(frozen=True)
class Work:
    """What every worker is told; `model` is not open yet."""

    folder: PartFolder
    model: PartModel
    options: PartOptions
    batch_tokens: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a part: a tally or an error, and warnings.

    `tries` counts how often it was begun. An `error` of the part alone is not `fatal`.
    """

    tally: PartTally | None = None
    error: E5VError | None = None
    fatal: bool = False
    tries: int = 1
    warnings: tuple[str, ...] = ()


class Encoder:
    """A worker: opens the model with its first part, and keeps it open.

    `threads` are those of a forward pass on a CPU; `begin` counts how often a part was begun.
    """

    def __init__(self, work: Work, threads: int, begin: Callable[[str], int]) -> None:
        self._work, self._threads, self._begin = work, threads, begin

    def encode(self, pickled: bytes) -> bytes:
        """Encode a part, and return its outcome."""
        part = pickle.loads(pickled)
        assert isinstance(part, Part)
        tries = self._begin(part.planned.name)
        return pickle.dumps(replace(self._try(part, tries), tries=tries))

    def _try(self, part: Part, tries: int) -> Outcome:
        if tries > TRIES:
            message = f"{part.planned} was begun {TRIES} times, and each time its process died"
            return Outcome(error=DataError(f"{message}, as it does for want of memory"))
        try:
            model = self._model
            return self._encode(part, model)
        except E5VError as error:
            return Outcome(error=error, fatal=True)
        except Exception as error:  # it would come back as a page of traces
            said = f"a worker failed: {type(error).__name__}: {first_line(error)}"
            return Outcome(error=E5VError(said), fatal=True)

    def _encode(self, part: Part, model: "E5V") -> Outcome:
        tokens = self._work.batch_tokens
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EncodeWarning)
            try:
                tally = self._find_tally(part) or encode_part(
                    part, self._job.settings, self._work.folder, model, batch_tokens=tokens
                )
            except DataError as error:
                return Outcome(error=error)
        told = [str(one.message) for one in caught if issubclass(one.category, EncodeWarning)]
        return Outcome(tally, warnings=tuple(told))

    def _find_tally(self, part: Part) -> PartTally | None:
        """Return the tally of a part whose process died before it could be told."""
        folder, file = self._work.folder, part.planned.file
        if folder.size_of(file) < 0:
            return None
        with folder.open_part(file) as opened:
            return PartTally.of(read_facts(opened, file))

    @cached_property
    def _job(self) -> PartJob:
        return PartJob((), self._work.folder, self._work.model, self._work.options)

    @cached_property
    def _model(self) -> "E5V":
        import torch

        from e5v.model.malloc import keep_freed_memory

        keep_freed_memory()
        torch.set_num_threads(self._threads)
        return self._job.model
