"""Two processes that train as one: same loss, same gradient, same weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed
from torch.multiprocessing.spawn import start_processes

from e5v.model.loading import load
from e5v.training.ranks import Ranks
from e5v.training.recipe import Recipe
from e5v.training.run import Run
from e5v.training.sampler import Batches
from e5v.training.trainer import Trainer


def _gradient(run: Run, ranks: Ranks) -> tuple[float, list[torch.Tensor]]:
    loaded = load(run.model, dtype="float32", device="cpu", part="language")
    trainer = Trainer(loaded, run.recipe, ranks)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainer.weights:
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    batch = Batches(run.read_data(), run.recipe.batch, run.recipe.seed)[0]
    prompts = [one.prompted for one in trainer.prompts.prepare(batch.items)]
    loss = trainer.accumulate(prompts, batch)
    ranks.add_gradients(trainer.weights)
    return float(loss.value), [one.grad for one in trainer.weights if one.grad is not None]


def _one_of_two(rank: int, run: Run, meeting: Path, results: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    torch.save(_gradient(run, Ranks(rank, 2)), results / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(
    checkpoints: Any, nli: Path, short: Recipe, tmp_path: Path
) -> None:
    """Candidates of one's own rank only, or a gradient that shrinks with the number of ranks."""
    folder = checkpoints("llava_next_llama3")
    run = Run(str(folder), (nli,), tmp_path / "run", short, dtype="float32", device="cpu")
    loss, expected = _gradient(run, Ranks())
    spawn: Any = start_processes
    spawn(_one_of_two, args=(run, tmp_path / "meeting", tmp_path), nprocs=2, start_method="spawn")
    for rank in range(2):
        other, gradients = torch.load(tmp_path / f"{rank}.pt")
        assert abs(other - loss) < 1e-5
        assert len(gradients) == len(expected)
        for got, want in zip(gradients, expected, strict=True):
            assert float((got - want).abs().max()) < 1e-5
