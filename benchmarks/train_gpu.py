"""Training on a CUDA machine: steps of the paper's recipe at LLaVA-NeXT-8B's shape.

    PYTHONPATH=src python -m benchmarks.train_gpu [--chunk-tokens 8192 16384] [--recompute] [--tiny]

    random language model made on the GPU -> LoRA -> packed gradient equals the plain one?
    -> matrix products -> steps on 768 triplets, per chunk size -> results/train-gpu.json

A chunk is how many tokens' activations are held at once; too large a one is written down as such.
Two counts of operations are given per step: what the gradient needs, and what gradient caching
computes, which takes the forward pass twice; both at the best measured rate of bf16 matrix
products. `--tiny` runs the same code on a CPU, with numbers that mean nothing.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import gpu
from benchmarks.encode_gpu import WORDS, open_random
from benchmarks.machine import Rate, describe_versions, wait
from benchmarks.result import write_down
from benchmarks.sizes import SIZES, Sizes
from benchmarks.training_flops import Work, count_work
from benchmarks.training_step import backward, check, prepare
from e5v.model.loading import Loaded
from e5v.model.partial import take_out
from e5v.training.recipe import Recipe
from e5v.training.trainer import Trainer
from e5v.training.triplets import Triplet

FEW = 4  # triplets of that comparison
STEPS = 1_000  # the paper's
TARGET_HOURS = 1.5
ANCHOR, OTHER = (4, 22), (3, 11)  # fewest and most words of a text: NLI's means of 13 and 7


@dataclass(frozen=True)
class Speed:
    """Steps with one chunk size; `words` are the seconds of a step before the model is called."""

    seconds: tuple[float, ...]
    words: float
    loss: float
    peak_gib: float


def make_triplets(count: int) -> tuple[Triplet, ...]:
    """Write triplets as long as NLI's."""
    draw = random.Random(0)

    def text(words: tuple[int, int]) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(*words)))

    return tuple(Triplet(text(ANCHOR), text(OTHER), (text(OTHER),)) for _ in range(count))


def open_language(sizes: Sizes, device: torch.device) -> Loaded:
    """Make a frozen language model with random bfloat16 weights, as `load(..., part="language")`.

    The vision tower is made with it, and taken out.
    """
    loaded = open_random(sizes, device)
    take_out(loaded.model, "language")
    loaded.model.requires_grad_(requires_grad=False)
    return replace(loaded, part="language")


def measure_speed(
    trainer: Trainer, triplets: Sequence[Triplet], chunk_tokens: int, steps: int
) -> Speed | None:
    """Time whole steps, after one for warmth; None if the chunk does not fit into memory."""
    device = trainer.embedder.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        timed = list(_timed_steps(trainer, triplets, chunk_tokens, steps + 1))[1:]
    except torch.OutOfMemoryError:
        trainer.optimiser.zero_grad()
        return None
    return Speed(
        seconds=tuple(one.seconds for one in timed),
        words=median(one.words for one in timed),
        loss=timed[-1].loss,
        peak_gib=gpu.peak_gib(device),
    )


@dataclass(frozen=True)
class _Timed:
    seconds: float
    words: float
    loss: float


def _timed_steps(
    trainer: Trainer, triplets: Sequence[Triplet], chunk_tokens: int, steps: int
) -> Iterator[_Timed]:
    device = trainer.embedder.device
    for step in range(steps):
        wait(device)
        start = time.perf_counter()
        texts = prepare(trainer, triplets)
        words = time.perf_counter() - start
        loss = backward(trainer, texts, triplets, chunk_tokens)
        trainer.update(step)
        wait(device)
        yield _Timed(time.perf_counter() - start, words, float(loss.value.detach()))


def record(work: Work, speed: Speed | None, rate: Rate) -> dict[str, Any]:
    """Set a speed against the limits."""
    if speed is None:
        return {"fits": False}
    seconds = median(speed.seconds)
    return {
        "fits": True,
        "seconds": [round(one, 3) for one in speed.seconds],
        "seconds_median": round(seconds, 3),
        "seconds_of_words": round(speed.words, 3),
        "triplets_per_second": round(work.triplets / seconds, 2),
        "tokens_per_second": round(work.tokens / seconds, 1),
        "teraflops_per_second": round(work.cached / seconds / 1e12, 2),
        "share_of_matmul_rate": round(work.cached / seconds / rate.best, 4),
        "needed_share_of_matmul_rate": round(work.needed / seconds / rate.best, 4),
        "peak_gpu_gib": round(speed.peak_gib, 2),
        "hours_of_the_papers_steps": round(STEPS * seconds / 3600, 3),
        "loss": round(speed.loss, 4),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; the one story of this file."""
    sizes = SIZES["tiny" if options.tiny else "llava-next-8b"]
    device = torch.device("cpu" if options.tiny else "cuda")
    recipe = Recipe(batch=options.batch, recompute=options.recompute)
    trainer = Trainer(open_language(sizes, device), recipe)
    triplets = make_triplets(options.batch)
    work = count_work(sizes, prepare(trainer, triplets), recipe.adapter.rank)
    cosine = check(trainer, triplets[:FEW])
    rate = gpu.matmul_rate(sizes, device)
    chunks = [
        {"chunk_tokens": tokens, "recompute": options.recompute}
        | record(work, measure_speed(trainer, triplets, tokens, options.steps), rate)
        for tokens in options.chunk_tokens
    ]
    return {
        "what": "steps of text-only training in bfloat16, against the limit of the arithmetic",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": gpu.describe(device),
        "versions": describe_versions() | {"peft": version("peft")},
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
        "recipe": recipe.told() | {"learned_weights": sum(w.numel() for w in trainer.weights)},
        "model": asdict(sizes),
        "packed_to_plain_gradient_cosine": cosine,
        "matmul": asdict(rate) | {"best": rate.best},
        "work": asdict(work),
        "hours_at_the_matmul_rate": {
            "needed": round(STEPS * work.needed / rate.best / 3600, 3),
            "cached": round(STEPS * work.cached / rate.best / 3600, 3),
        },
        "target_hours": TARGET_HOURS,
        "chunks": chunks,
    }


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    parser.add_argument("--batch", type=int, default=Recipe().batch)
    parser.add_argument("--steps", type=int, default=3, help="timed ones, per chunk size")
    parser.add_argument("--chunk-tokens", type=int, nargs="+", default=[4096, 8192, 16_384])
    parser.add_argument("--recompute", action="store_true", help="activation checkpointing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/train-gpu.json"))
    return parser.parse_args(words)


def main() -> None:
    """Measure, write the result down and say it in short."""
    options = parse()
    result = measure(options)
    write_down(options.out, result)
    for chunk in result["chunks"]:
        sys.stdout.write(
            f"chunks of {chunk['chunk_tokens']}: {chunk['seconds_median']:.2f} s a step, "
            f"{chunk['share_of_matmul_rate']:.0%} of the matmul rate, "
            f"{chunk['peak_gpu_gib']:.1f} GiB, {chunk['hours_of_the_papers_steps']:.2f} h for "
            f"{STEPS:,} steps\n"
            if chunk["fits"]
            else f"chunks of {chunk['chunk_tokens']} do not fit into memory\n"
        )


if __name__ == "__main__":
    main()
