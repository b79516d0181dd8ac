"""Encode the parts of a collection with Ray: here with all cores, or on the cluster of RAY_ADDRESS.

inputs -> settings, fixed where the actors are -> plan -> a task that reads the parts to do
       -> actors (`e5v.parts.actor`), a part at a time -> an outcome of each -> PartsProgress

Only this file imports Ray. Each row is there once because a part is done when its file is there:
Ray only has to hand out every part at least once, and hands one out again whose actor died.
"""

import logging
import os
import pickle
import signal
import socket
import warnings
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import current_thread, main_thread
from typing import Any

from e5v.errors import E5VError, EncodeWarning, first_line
from e5v.extras import imported
from e5v.parts.actor import Encoder, Outcome, Work
from e5v.parts.attempts import Attempts
from e5v.parts.fleet import Fleet, Node, find_fleet
from e5v.parts.job import (
    PartJob,
    PartsProgress,
    count_part,
    find_settings,
    find_work,
    finish,
    list_parts,
)
from e5v.parts.plan import cut
from e5v.parts.settings import Settings
from e5v.parts.shards import Shard
from e5v.parts.sources import Source

with imported("the engine ray"):
    import pyarrow as pa
    import ray
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata
    from ray.exceptions import RayError

ADDRESS = "RAY_ADDRESS"
LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
ANSWER = 10.0  # seconds until a cluster must answer
DIED = {"max_restarts": -1, "max_task_retries": -1}  # as Ray has it for a pool of actors


def run_on_ray(
    sources: Sequence[Source],
    work: Work,
    *,
    actors: int | None = None,
    device: str | None = None,
) -> Generator[PartsProgress, None, None]:
    """Encode the parts that are not there; commit if no part is missing after that.

    Starts Ray with all cores of this machine, or connects to the cluster of the environment
    variable RAY_ADDRESS, whose nodes need e5v, the model, the inputs and the folder under the same
    absolute paths. If Ray is initialised already, it is used as it is.

    Args:
        sources: the inputs (`e5v.parts.sources.make_sources`).
        work: folder, model and options; names in them are absolute.
        actors: how many; by default one for each GPU, or for every four cores.
        device: "cpu" or "cuda"; by default a GPU if there is any.

    Yields:
        How far it is before the first part and after each, in no particular order.

    Raises:
        UsageError: there are fewer cores than actors, or every actor was to have the same GPU.
        DataError: the folder was begun with another model or other options, a file changed
            meanwhile, or the process of a part dies each time. In the last two cases, the other
            parts are encoded first.
        ModelError: the model cannot be opened.
        E5VError: Ray cannot be started, there is no cluster, or it fails.
    """
    with _connected():
        fleet = find_fleet(_list_nodes(), actors, device)
        fix = partial(_fix_remotely, work, fleet)
        settings = find_settings(work.folder, work.model, work.options, fix)
        plan = list_parts(sources, work.folder, settings)
        to_do, begun = find_work(plan, work.folder, Shard())
        yield begun
        outcomes = _encode(PartsToDo(sources, settings, to_do), work, fleet) if to_do else ()
        done = begun
        for done in _follow(outcomes, begun):
            yield done
        yield finish(done, plan, work.folder)


def _follow(outcomes: Iterable[Outcome], done: PartsProgress) -> Iterator[PartsProgress]:
    """Count outcomes and pass warnings on; raise what ends a run at once, the rest at the end."""
    failed: list[E5VError] = []
    for outcome in outcomes:
        done = replace(done, restarts=done.restarts + outcome.tries - 1)
        for message in outcome.warnings:
            warnings.warn(EncodeWarning(message, ()), stacklevel=2)
        if outcome.error and outcome.fatal:
            raise outcome.error
        if outcome.tally:
            done = count_part(done, outcome.tally)
        elif outcome.error:
            failed.append(outcome.error)
        yield done
    if failed:
        raise failed[0]


@contextmanager
def _connected() -> Iterator[None]:
    """Start Ray, or connect to a cluster, unless that is done already; and stop it again."""
    if ray.is_initialized():
        yield
        return
    try:
        _start()
        yield
    finally:
        ray.shutdown(wait_for_processes=True)


def _start() -> None:
    address = os.environ.get(ADDRESS)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    before = signal.getsignal(signal.SIGTERM)  # Ray sets its own
    try:
        with _logging_less():
            if address:
                _check_address(address)
                ray.init(address, **quiet)
            else:  # on a busy machine, workers of Ray's own niceness, 15, would starve
                local = {"include_dashboard": False, "_system_config": {"worker_niceness": 0}}
                ray.init("local", **local, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        place = f"no cluster at {ADDRESS}={address}" if address else "Ray cannot be started"
        raise E5VError(f"{place}: {first_line(error)}") from error
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, before)


def _check_address(address: str) -> None:
    """Raise `OSError` if nobody answers at HOST:PORT: Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()


@contextmanager
def _logging_less() -> Iterator[None]:
    """Keep off the terminal what Ray says of Ray Data's own actors, unless a level is set.

    Ray reads the level while it starts, and says so on the file of stderr.
    """
    if LOG_LEVEL in os.environ:
        yield
        return
    os.environ[LOG_LEVEL] = "fatal"
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        del os.environ[LOG_LEVEL]


def _list_nodes() -> list[Node]:
    alive = [one["Resources"] for one in ray.nodes() if one["Alive"]]
    return [Node(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in alive]


def _fix_remotely(work: Work, fleet: Fleet) -> Settings:
    """Fix the settings where the actors are: the driver may have neither the memory nor a GPU."""
    fix = ray.remote(num_cpus=fleet.cores, num_gpus=fleet.gpus)(_fix)
    try:
        settings = ray.get(fix.remote(work))
    except RayError as error:
        raise _explain(error) from error
    assert isinstance(settings, Settings)
    return settings


def _fix(work: Work) -> Settings:
    return PartJob((), work.folder, work.model, work.options).settings


def _encode(parts: "PartsToDo", work: Work, fleet: Fleet) -> Iterator[Outcome]:
    """Yield what became of each part, as they come."""
    attempts = ray.remote(num_cpus=0, **DIED)(Attempts).remote()
    _keep_to_log_file()
    with DataContext.current(_make_context()):
        read = ray.data.read_datasource(parts, num_cpus=0, override_num_blocks=1)
        outcomes = read.map_batches(
            Actor,
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_args=(work, fleet.cores, partial(_begin, attempts)),
            compute=ActorPoolStrategy(size=fleet.actors, max_tasks_in_flight_per_actor=1),
            num_cpus=fleet.cores,
            num_gpus=fleet.gpus,
        )
    try:
        for one in outcomes.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=0):
            yield pickle.loads(one["outcome"][0].as_py())
    except RayError as error:
        raise _explain(error) from error


def _explain(error: RayError) -> E5VError:
    """Return the error of ours that an error of Ray is about, or one that tells Ray's."""
    for one in (error, getattr(error, "cause", None), error.__cause__):
        while one is not None:
            if isinstance(one, E5VError) and not isinstance(one, RayError):
                return one
            one = one.__cause__
    return E5VError(f"Ray failed: {first_line(error)}; run this again")


def _begin(attempts: Any, name: str) -> int:
    return int(ray.get(attempts.begin.remote(name)))


def _make_context() -> DataContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Ray's own defaults
        context = DataContext.get_current().copy()
    context.target_max_block_size = 1  # a part is a block of its own, however small
    context.execution_no_progress_timeout_s = -1  # a part may take an hour
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return context


def _keep_to_log_file() -> None:
    """Keep what Ray Data tells off the terminal; what matters is an error or a warning of ours."""
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)


class PartsToDo(Datasource):  # type: ignore[misc]  # mypy is not shown Ray's types
    """The parts of some names, read by one task, no faster than they are encoded."""

    def __init__(
        self, sources: Sequence[Source], settings: Settings, names: Collection[str]
    ) -> None:
        super().__init__()
        self._read = partial(_read_parts, sources, settings, names)
        self._count = len(names)

    def estimate_inmemory_data_size(self) -> int | None:
        """Say that it is not known."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """Return the one task."""
        del parallelism, per_task_row_limit, data_context
        metadata = BlockMetadata(num_rows=self._count, size_bytes=None, exec_stats=None)
        return [ReadTask(self._read, metadata)]


def _read_parts(
    sources: Sequence[Source], settings: Settings, names: Collection[str]
) -> Iterator[pa.Table]:
    for part in cut(sources, settings):
        if part.planned.name in names:
            yield pa.table({"part": pa.array([pickle.dumps(part)], pa.large_binary())})


class Actor:
    """An actor of Ray: a part in a table of one row, as bytes, and its outcome likewise."""

    def __init__(self, *told: Any) -> None:
        self._encoder = Encoder(*told)

    def __call__(self, batch: pa.Table) -> dict[str, list[bytes]]:
        """Encode the part."""
        return {"outcome": [self._encoder.encode(batch["part"][0].as_py())]}
