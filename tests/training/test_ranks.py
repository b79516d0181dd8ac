"""Two processes that train as one: same losses, same adapter; whole and with divided layers."""

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import start_processes

from e5v.errors import TrainingError, UsageError
from e5v.model.failures import model_errors
from e5v.model.loading import load
from e5v.training.adapter import WEIGHTS
from e5v.training.checks import check_model
from e5v.training.ranks import Ranks, joined
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Run, Step
from e5v.training.trainer import fit
from e5v.training.triplets import Triplet
from tests.training.pictures import make_picture

Checkpoints = Callable[[str], Path]
NEAR = 1e-5
OPENING: dict[str, Any] = {"dtype": "float32", "device": "cpu"}
TEXTS = tuple(Triplet(f"a dog runs {n}", f"an animal {n}", (f"a cat {n}",)) for n in range(8))
MIXED = (
    Triplet(make_picture(0), "a dog runs", ("a dog sleeps",)),
    Triplet("two cats", make_picture(1)),
    Triplet({"image": make_picture(2), "text": "at night"}, make_picture(3), (make_picture(4),)),
    Triplet("an old man", "a man", ("a girl", "snow")),
    Triplet(make_picture(0), "the same dog runs on"),
)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _work(rank: int, runs: Sequence[Run], ports: Sequence[int]) -> None:
    """Train several runs as one of two processes, as torchrun starts them."""
    torch.set_num_threads(1)
    for run, port in zip(runs, ports, strict=True):  # each meets at a port of its own
        _join_at(rank, port)
        list(fit(run))


def _join_at(rank: int, port: int) -> None:
    """Make this process one of two that torchrun started."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}


def _train_in_two(runs: Sequence[Run]) -> None:
    spawn: Any = start_processes
    spawn(_work, args=(runs, _free_ports(len(runs))), nprocs=2, start_method="spawn")


def _log(run: Run) -> list[Mapping[str, float]]:
    """Read the log of a run, without the times and what was not measured."""
    lines = map(json.loads, (run.out / "log.jsonl").read_text().splitlines())
    timed = {"seconds", "seconds_left", "tokens_per_second"}
    return [
        {name: value for name, value in line.items() if value is not None and name not in timed}
        for line in lines
    ]


def _assert_same(one: Run, two: Run) -> None:
    """Check that two runs have the same losses, measurements and adapter."""
    for left, right in zip(_log(one), _log(two), strict=True):
        assert right == pytest.approx(left, rel=NEAR, abs=NEAR), two.out
    first, second = (load_file(run.out / "adapter" / WEIGHTS) for run in (one, two))
    assert first.keys() == second.keys()
    distance = max(float((first[name] - second[name]).abs().max()) for name in first)
    assert distance < NEAR, (two.out, distance)


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_two_processes_train_as_one(
    checkpoints: Checkpoints,
    folder: Path,
    short: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Candidates of one's own rank only, a gradient that shrinks with the number of ranks.

    Image tokens of another image; layers that are gathered by half; ranks that wait for ever.
    """
    # AdamW moves a weight by about the learning rate even where its gradient is all rounding.
    recipe = replace(
        short, batch=4, steps=2, lr=3e-4, chunk_tokens=64, adapter=Adapter(rank=4, dropout=0.1)
    )
    learned = replace(recipe, train="projector")
    faithful = replace(recipe, mask="faithful", template="faithful")
    cases = {
        "texts": ("llava_next_llama3", TEXTS, recipe, True),
        "packed": ("llava_next_llama3", MIXED, replace(recipe, steps=3), True),
        "padded": ("gemma3", MIXED, replace(recipe, recompute=True), True),
        "whole": ("aya_vision", MIXED, recipe, False),
        "learned": ("qwen3_vl", MIXED, learned, True),
        "faithful": ("llava_next_llama3", TEXTS, faithful, True),
    }
    pairs: list[tuple[Run, Run]] = []
    for name, (family, rows, how, divides) in cases.items():
        model = str(checkpoints(family))
        held_out = folder if name in {"packed", "learned"} else None
        run = Run(model, rows, tmp_path / name, how, held_out, every=2, **OPENING)
        list(fit(run))
        pairs.append((run, replace(run, out=tmp_path / f"{name}-2")))
        if divides:
            pairs.append((run, _divided(run, tmp_path / f"{name}-divided", monkeypatch)))
        if name == "packed":
            stopped = replace(run, out=tmp_path / "stopped")
            _stop_after_the_checkpoint(stopped)
            pairs.append((run, _divided(replace(stopped, resume=True), stopped.out, monkeypatch)))
    _train_in_two([two for _, two in pairs])
    for one, two in pairs:
        _assert_same(one, two)


def _divided(run: Run, out: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run with divided layers, made as one of torchrun's processes makes it."""
    with monkeypatch.context() as patch:
        patch.setenv("LOCAL_RANK", "0")
        return replace(run, out=out, shard=True)


def _stop_after_the_checkpoint(run: Run) -> None:
    events = fit(run)
    for event in events:
        if isinstance(event, Step) and event.step == 3:  # the checkpoint is that of step 2
            break
    events.close()


def _lose_a_rank(rank: int, port: int, told: Path) -> None:
    """Add as one of two processes, of which the second is killed."""
    _join_at(rank, port)
    try:
        with joined("cpu") as (ranks, _), model_errors("a model"):
            ranks.add(torch.ones(1))
            if rank:
                os._exit(0)
            ranks.add(torch.ones(1))
    except TrainingError as error:
        told.write_text(str(error))


@pytest.mark.usefixtures("warm")
def test_a_lost_rank_is_told(tmp_path: Path) -> None:
    """A rank that waits for ever for a killed one, or calls its end the model's fault."""
    spawn: Any = start_processes
    spawn(
        _lose_a_rank,
        args=(*_free_ports(1), tmp_path / "told"),
        nprocs=2,
        start_method="spawn",
    )
    assert (tmp_path / "told").read_text().startswith("another process of this training has ended")


def test_every_rank_gets_as_many_chunks_if_layers_are_divided() -> None:
    """A rank that waits for ever for others to gather a layer."""
    chunks = [[0, 1], [2], [3]]
    assert [Ranks(rank, 2).own(chunks) for rank in range(2)] == [
        [(0, [0, 1]), (2, [3])],
        [(1, [2])],
    ]
    mesh: Any = True  # of which nothing is asked here
    divided = [replace(Ranks(rank, 4), shards=mesh).own(chunks) for rank in range(4)]
    assert [len(own) for own in divided] == [1, 1, 1, 1]
    assert divided[3] == [(6, [])]
    assert replace(Ranks(0, 2), shards=mesh).own(chunks) == Ranks(0, 2).own(chunks)


def test_layers_that_cannot_be_divided_are_refused(
    checkpoints: Checkpoints, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process that divides nothing, 4 bits that are divided wrongly, ranks that hang."""
    with pytest.raises(UsageError, match="among several processes, and this is one; start them"):
        Run("nano-base", TEXTS, tmp_path / "run", short, shard=True)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(UsageError, match="4 bits cannot be divided"):
        Run("nano-base", TEXTS, tmp_path / "run", replace(short, four_bit=True), shard=True)
    loaded = load(checkpoints("aya_vision"), dtype="float32", device="cpu")
    with pytest.raises(UsageError, match="run on one image at a time"):
        check_model(loaded, short, sharded=True)
    check_model(loaded, short)
