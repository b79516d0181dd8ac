"""Runs from end to end on a real small model: they learn, stop cleanly and go on exactly."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from e5v.errors import DataError, TrainingError, UsageError
from e5v.training import trainer as trainer_module
from e5v.training.adapter import WEIGHTS
from e5v.training.checkpoint import OPTIMISER
from e5v.training.gradcache import GradCache
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Begun, Measured, Run, Step
from e5v.training.trainer import Trainer, fit, train

Checkpoints = Callable[[str], Path]


@pytest.fixture
def run(checkpoints: Checkpoints, nli: Path, short: Recipe, tmp_path: Path) -> Run:
    """Give a run of four steps, a checkpoint every two."""
    model = str(checkpoints("llava_next_llama3"))
    return Run(model, (nli,), tmp_path / "run", short, every=2, dtype="float32", device="cpu")


def _weights(run: Run) -> dict[str, Any]:
    return load_file(run.out / "adapter" / WEIGHTS)


def _same(left: Run, right: Run) -> bool:
    pairs = ((value, _weights(right)[key]) for key, value in _weights(left).items())
    return all(bool((a == b).all()) for a, b in pairs)


def _losses(run: Run) -> list[tuple[int, float]]:
    lines = map(json.loads, (run.out / "log.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"]) for line in lines]


def _stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let a run be killed in the middle of a step."""
    real = Trainer.update

    def update(self: Trainer, now: int) -> float:
        if now == step:
            raise KeyboardInterrupt
        return real(self, now)

    monkeypatch.setattr(Trainer, "update", update)


def test_a_run_learns(run: Run) -> None:
    """A loop that runs and changes nothing, or that climbs."""
    recipe = replace(run.recipe, steps=25, batch=16)
    events = list(fit(replace(run, recipe=recipe, every=100)))
    steps = [event for event in events if isinstance(event, Step)]
    assert isinstance(events[0], Begun)
    assert [step.step for step in steps] == list(range(1, 26))
    assert sum(step.loss for step in steps[-5:]) < 0.8 * sum(step.loss for step in steps[:5])
    assert max(step.lr for step in steps) == pytest.approx(recipe.lr)
    assert steps[-1].lr < 0.1 * recipe.lr
    assert all(step.tokens > 0 and step.cut == 0 for step in steps)


def test_a_resumed_run_ends_with_the_same_weights(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that forgets its optimiser, its place in the data or its dropout when it is killed."""
    dropout = replace(run.recipe, steps=6, adapter=Adapter(rank=4, alpha=8, dropout=0.2))
    whole = replace(run, recipe=dropout, out=tmp_path / "whole")
    broken = replace(run, recipe=dropout, out=tmp_path / "broken")
    list(fit(whole))
    with monkeypatch.context() as patch:
        _stop_at(patch, 3)  # after the checkpoint at 2, and one step beyond it
        with pytest.raises(KeyboardInterrupt):
            list(fit(broken))
    assert not (broken.out / "adapter").exists()

    resumed = list(fit(replace(broken, resume=True)))
    assert isinstance(resumed[0], Begun)
    assert resumed[0].step == 2
    assert _same(whole, broken)
    assert _losses(whole) == _losses(broken)


def test_bfloat16_learns_in_float32(run: Run, nli: Path) -> None:
    """Steps too small for bfloat16, which the adapter never makes: what auto is on a GPU."""
    list(fit(replace(run, dtype="bfloat16", evaluation=nli)))
    assert {value.dtype for value in _weights(run).values()} == {torch.float32}


def test_a_run_moves_to_a_machine_without_its_gpu(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that opens on the device it was saved on alone; eight ranks on one GPU."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        list(fit(run))
    assert isinstance(next(iter(fit(replace(run, resume=True)))), Begun)


@pytest.mark.parametrize("name", [OPTIMISER, WEIGHTS])
def test_a_damaged_checkpoint_is_told(run: Run, name: str) -> None:
    """A traceback for a file that was copied by half."""
    list(fit(run))
    (run.out / "checkpoint-000004" / name).write_bytes(b"")
    with pytest.raises(TrainingError, match=r"checkpoint-000004 cannot be read: .*; delete it to"):
        list(fit(replace(run, resume=True)))


def test_a_second_process_keeps_out(run: Run) -> None:
    """Two runs that delete one another's checkpoints, and both end well."""
    first = fit(run)
    next(first)
    with pytest.raises(DataError, match=r"is being written by process \d+ on .*; wait for it"):
        list(fit(replace(run, resume=True)))
    assert [one.step for one in first if isinstance(one, Step)] == [1, 2, 3, 4]


def test_a_step_beyond_the_memory_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback for the commonest of failures on a GPU."""

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(GradCache, "backward", full)
    with pytest.raises(TrainingError, match=r"step 1 does not fit .*; use fewer tokens per chunk"):
        list(fit(run))


def test_a_run_on_the_cpu_leaves_the_gpu_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback from a GPU that is full, where the CPU was asked for because it is."""

    def full(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", full)
    assert [one.step for one in fit(run) if isinstance(one, Step)] == [1, 2, 3, 4]


def test_seeds_differ(run: Run, tmp_path: Path) -> None:
    """Three seeds that are one run, reported with a spread of nothing."""
    other = replace(run, recipe=replace(run.recipe, seed=7), out=tmp_path / "other")
    list(fit(run))
    list(fit(other))
    assert not _same(run, other)


def test_a_loss_that_is_no_number_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of NaN, written over the last good ones."""
    real = Recipe.learning_rate
    monkeypatch.setattr(
        Recipe, "learning_rate", lambda self, step: 1e30 if step == 2 else real(self, step)
    )
    with pytest.raises(
        TrainingError, match=r"step 4 has.*checkpoint-000002 is kept; lower the learning rate"
    ):
        list(fit(run))
    latest = run.out / "checkpoint-000002"
    assert all(bool(value.isfinite().all()) for value in load_file(latest / WEIGHTS).values())
    assert not (run.out / "adapter").exists()


def test_data_shorter_than_a_batch_is_told(run: Run) -> None:
    """A run of no steps, or of ever the same rows."""
    with pytest.raises(DataError, match="has 40 usable rows, fewer than a batch of 41"):
        list(fit(replace(run, recipe=replace(run.recipe, batch=41))))
    assert not run.out.exists()


def test_a_recipe_that_does_not_fit_leaves_no_folder(run: Run) -> None:
    """A folder that must be removed by hand before the next try."""
    objective = replace(run.recipe.objective, dims=(10**6,))
    with pytest.raises(UsageError, match="dims has 1000000; the vectors have"):
        list(fit(replace(run, recipe=replace(run.recipe, objective=objective))))
    assert not run.out.exists()


@pytest.mark.parametrize("template", ["fixed", "faithful"])
def test_faithful_runs_are_other_runs(run: Run, template: Any, tmp_path: Path) -> None:
    """A switch that switches nothing."""
    rows = [f"a {n} dog runs,a dog {n},a cat {n} sleeps" for n in range(40)]
    data = tmp_path / "full.csv"
    data.write_text("\n".join(["anchor,positive,negative", *rows]))
    base = replace(run, data=(data,))
    recipe = replace(run.recipe, template=template, mask="faithful")
    faithful = replace(base, recipe=recipe, out=tmp_path / "faithful")
    list(fit(base))
    list(fit(faithful))
    assert not _same(base, faithful)


def test_faithful_mask_needs_negatives(run: Run) -> None:
    """Rows that are taken for those of another kind."""
    with pytest.raises(DataError, match="needs one hard negative in every row"):
        list(fit(replace(run, recipe=replace(run.recipe, mask="faithful"))))


def test_held_out_data_are_measured(run: Run, nli: Path) -> None:
    """A best step that nobody saw."""
    events = list(fit(replace(run, evaluation=nli)))
    measured = [event for event in events if isinstance(event, Measured)]
    assert [event.step for event in measured] == [0, 2, 4]
    assert all(event.measures.text_recall is not None for event in measured)
    logged = [json.loads(line) for line in (run.out / "log.jsonl").read_text().splitlines()]
    assert sum("text_recall" in line for line in logged) == 3
    assert (run.out / "training.png").stat().st_size > 1000


def test_only_the_leader_writes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight processes that write one file."""
    from contextlib import contextmanager

    from e5v.training.ranks import Ranks

    @contextmanager
    def second(device: str | None, *, shard: bool) -> Iterator[tuple[Ranks, str | None]]:
        assert not shard
        yield Ranks(1, 1), device

    monkeypatch.setattr(trainer_module, "joined", second)
    assert list(fit(run)) == []
    assert not run.out.exists()


def test_four_bits_learn(run: Run) -> None:
    """QLoRA that trains the frozen weights, or nothing."""
    pytest.importorskip("bitsandbytes")
    recipe = replace(run.recipe, four_bit=True, steps=12)
    steps = [one for one in fit(replace(run, recipe=recipe)) if isinstance(one, Step)]
    assert sum(one.loss for one in steps[-3:]) < sum(one.loss for one in steps[:3])


def test_one_call_does_what_a_run_does(run: Run, tmp_path: Path) -> None:
    """A call from Python that trains otherwise, or keeps the records to itself."""
    plain = replace(run, every=50, dtype="auto", device=None, evaluation=None)
    events = [event for event in fit(plain) if isinstance(event, Step)]
    seen: list[object] = []
    folder = train(
        run.model, [str(*run.data)], tmp_path / "call", recipe=run.recipe, progress=seen.append
    )
    assert folder == tmp_path / "call" / "adapter"
    assert isinstance(seen[0], Begun)
    assert [one.loss for one in seen if isinstance(one, Step)] == [one.loss for one in events]
    assert _same(plain, replace(run, out=tmp_path / "call"))


@pytest.mark.parametrize("batches", ["mixed", "homogeneous"])
def test_a_mixture_is_resumed_where_it_was(
    run: Run, batches: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mixture that begins anew when it is resumed, or whose record forgets the weights."""
    other = tmp_path / "b:0.5.jsonl"
    rows = [{"anchor": f"b {n}", "positive": f"c {n}"} for n in range(20)]
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = replace(run.recipe, steps=6, batches=batches)
    mixed = replace(run, data=(*run.data, other), weights=(0.75, 0.25), recipe=recipe)
    whole, broken = (replace(mixed, out=tmp_path / name) for name in ("whole", "broken"))
    list(fit(whole))
    with monkeypatch.context() as patch:
        _stop_at(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            list(fit(broken))
    list(fit(replace(broken, resume=True)))
    assert _same(whole, broken)
    logs = [(one.out / "log.jsonl").read_text().splitlines() for one in (whole, broken)]
    counts = [[json.loads(line)["sources"] for line in log] for log in logs]
    assert counts[0] == counts[1]
    assert all(len(one) == (2 if batches == "mixed" else 1) for one in counts[0])
    assert json.loads((whole.out / "recipe.json").read_text())["weights"] == [0.75, 0.25]
    with pytest.raises(UsageError, match=r"was started with weights \[0.75, 0.25\], got \[1, 1\]"):
        list(fit(replace(broken, weights=(1, 1), resume=True)))
