"""Serving on a CPU: requests that share passes, one at a time, and sentence-transformers.

    python -m benchmarks.serve --sentences nli.csv [--requests 100 --clients 1 8 32]

    random checkpoint -> a server in a fresh process -> clients, each with one sentence at a time
    -> results/serve-cpu.json and a table

`--sentences` is a CSV with a column sent0 (SimCSE's nli_for_simcse.csv, say). The model is a
LLaVA-NeXT with SmolLM-135M's text shape. Servers take turns, so that a slow spell of the machine
hits all. The clients run on the same cores as the server, and take their share of them.
"""

import base64
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Literal

import httpx2
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.agreement import lowest_cosine
from benchmarks.clients import Turn, take_turn
from benchmarks.encode import QUIET, ST, BuildJob, build
from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.sizes import SIZES
from benchmarks.work import read_sentences
from e5v.web.serving import listen

NOTES = (
    "a request is one sentence by HTTP on loopback, answered in base64; a client asks again as "
    "soon as it is answered",
    "one at a time: the same server, told to put one item in a pass (batch_tokens=1)",
    "sentence-transformers: the same checkpoint behind a FastAPI route that encodes what a request "
    "brings, one request at a time: two at once are slower on these cores",
    "seconds of a turn are from its first request to its last answer; one request goes before it",
)
SHARED, ALONE = "e5v", "e5v, one at a time"
DType = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Settings:
    """Compare servers of one model on this machine's CPU.

    Args:
        sentences: a CSV with a column sent0; its first distinct ones are asked for.
        out: where the result is written, as JSON.
        requests: how many in a turn.
        clients: how many ask at one time.
        dtype: what all compute in.
        repeats: how often every turn is repeated; the median counts.
        model: "small" is the one to report; "tiny" rehearses.

    """

    sentences: Path
    out: Path = Path("benchmarks/results/serve-cpu.json")
    requests: int = 100
    clients: tuple[int, ...] = (1, 8, 32)
    dtype: DType = "bfloat16"
    repeats: int = 3
    model: Literal["small", "tiny"] = "small"

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if min(self.requests - 1, self.repeats, *self.clients) < 1:
            raise SystemExit("requests must be at least 2, repeats and clients at least 1")


@dataclass(frozen=True)
class Job:
    """A server to run."""

    contender: str
    checkpoint: Path
    dtype: DType


def _e5v(job: Job) -> Any:
    from e5v import E5V
    from e5v.model.malloc import keep_freed_memory
    from e5v.web.app import create_app
    from e5v.web.index_view import Collection
    from e5v.web.service import Settings as Served

    keep_freed_memory()
    model = E5V(job.checkpoint, device="cpu", dtype=job.dtype)
    alone = job.contender == ALONE
    collection = Collection(job.checkpoint / "no-index", model)
    return create_app(collection, Served(batch_tokens=1 if alone else None))


def _sentence_transformers(job: Job) -> Any:
    import torch
    from fastapi import FastAPI
    from sentence_transformers import SentenceTransformer

    options: Any = {"dtype": getattr(torch, job.dtype)}
    model = SentenceTransformer(str(job.checkpoint), device="cpu", model_kwargs=options)
    app, turn = FastAPI(), Lock()

    @app.post("/v1/embeddings")
    def embeddings(body: dict[str, Any]) -> dict[str, Any]:
        with turn:
            rows: Any = model.encode(body["input"], normalize_embeddings=True)
        packed = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
        return {"data": [{"embedding": one} for one in packed]}

    @app.get("/livez")
    def livez() -> str:
        return "ok"

    return app


CONTENDERS: dict[str, Callable[[Job], Any]] = {
    SHARED: _e5v,
    ALONE: _e5v,
    ST: _sentence_transformers,
}


def serve(job: Job, listening: socket.socket) -> None:
    """Serve until killed; call it in a fresh process."""
    import uvicorn

    app = CONTENDERS[job.contender](job)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run([listening])


Serving = Callable[[Job], AbstractContextManager[str]]


@contextmanager
def serving(job: Job) -> Iterator[str]:
    """Run a server in a process of its own, and give its address once it answers."""
    with listen("127.0.0.1", 0) as listening:
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        process = get_context("spawn").Process(target=serve, args=(job, listening), daemon=True)
        process.start()
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.join()


def _wait(url: str, process: BaseProcess) -> None:
    while process.is_alive():
        with suppress(httpx2.TimeoutException):
            httpx2.get(f"{url}/livez", timeout=1).raise_for_status()
            return
    raise SystemExit("the server ended before it answered; its error is above")


def measure(
    settings: Settings, runner: Runner = fresh, served: Serving = serving
) -> Iterator[list[Turn]]:
    """Measure everything, and yield what is known after each round; the one story of this file."""
    sentences = read_sentences(settings.sentences)
    turns: list[Turn] = []
    with TemporaryDirectory(prefix="e5v-benchmark-") as folder:
        checkpoint = Path(folder)
        say(f"writing a {settings.model} model with random weights")
        runner(build, BuildJob(checkpoint, settings.model, settings.sentences))
        for repeat in range(settings.repeats):
            for contender in CONTENDERS:
                job = Job(contender, checkpoint, settings.dtype)
                with served(job) as url:
                    for clients in settings.clients:
                        turn = take_turn(contender, clients, sentences[: settings.requests], url)
                        turns.append(turn)
                        rate = settings.requests / turn.seconds
                        say(f"{repeat + 1}: {contender}, {clients} clients: {rate:.1f} /s")
            yield turns


def summary(turns: Sequence[Turn], contender: str, clients: int) -> dict[str, Any]:
    """Sum up the turns of a contender with so many clients; latencies are in milliseconds."""

    def of(name: str) -> list[Turn]:
        return [one for one in turns if (one.contender, one.clients) == (name, clients)]

    def middle(name: str) -> float:
        return median(one.seconds for one in of(name))

    own = of(contender)
    parts = quantiles([1000 * one for turn in own for one in turn.latencies], n=100)
    cosine = min(lowest_cosine(turns[0].vectors, one.vectors) for one in own)
    return {
        "contender": contender,
        "clients": clients,
        "seconds": [round(one.seconds, 3) for one in own],
        "requests_per_second": round(len(own[0].latencies) / middle(contender), 2),
        "p50_ms": round(parts[49], 2),
        "p95_ms": round(parts[94], 2),
        "p99_ms": round(parts[98], 2),
        "rate_of_e5v_over_this": round(middle(contender) / middle(SHARED), 3),
        "lowest_cosine_to_e5v": round(cosine, 6),
    }


def summaries(settings: Settings, turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Sum up everything."""
    return [summary(turns, one, clients) for clients in settings.clients for one in CONTENDERS]


def report(settings: Settings, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the result as it is written down."""
    kept = ("requests", "clients", "dtype", "repeats", "model")
    packages = {name: version(name) for name in ("fastapi", "uvicorn", "orjson")}
    return {
        "what": "embeddings of single sentences over HTTP; seconds exclude opening the model",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "versions": describe_versions() | packages,
        "settings": {key: getattr(settings, key) for key in kept},
        "notes": list(NOTES),
        "model": asdict(SIZES[settings.model]),
        "series": summaries(settings, turns),
    }


def show(settings: Settings, turns: Sequence[Turn], console: Console) -> None:
    """Draw the comparison."""
    drawn = Table(title=f"{settings.requests} requests of one sentence, in {settings.dtype}")
    drawn.add_column("contender", no_wrap=True)
    for column in ("clients", "requests/s", "p50 ms", "p99 ms", "e5v is x as quick", "cosine"):
        drawn.add_column(column, justify="right", no_wrap=True)
    for one in summaries(settings, turns):
        kept = ("clients", "requests_per_second", "p50_ms", "p99_ms", "rate_of_e5v_over_this")
        cells = [str(one[key]) for key in (*kept, "lowest_cosine_to_e5v")]
        drawn.add_row(one["contender"], *cells)
    console.print(drawn)


def main() -> None:
    """Measure, write the result down after each round, and draw it."""
    os.environ |= QUIET
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, partial(report, settings), partial(show, settings))


if __name__ == "__main__":
    main()
