"""Encoding on a CUDA machine: LLaVA-NeXT-8B's shape against what the GPU's arithmetic allows.

    PYTHONPATH=src python -m benchmarks.encode_gpu [--tiny]

    random weights made on the GPU -> packed vectors equal the plain path's? -> matrix products
    -> texts/s and photos/s, whole way and model alone -> results/encode-cuda.json

Two limits are given per item: `limit` counts every layer at every token, as limits are mostly
stated, `need` what the vector depends on alone (benchmarks/flops.py); both at the best measured
rate of bf16 matrix products. `--tiny` runs the same code on a CPU, with numbers that mean nothing.
"""

import argparse
import io
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import LlavaNextForConditionalGeneration

from benchmarks import gpu
from benchmarks.agreement import lowest_cosine
from benchmarks.checkpoint import learn_tokenizer, make_config, make_processor, redraw
from benchmarks.flops import own_flops, plain_flops, vision_flops
from benchmarks.machine import Rate, describe_versions, wait
from benchmarks.result import write_down
from benchmarks.sizes import SIZES, Sizes
from e5v import E5V
from e5v.inputs import RawItem
from e5v.model.backbones import find_backbone
from e5v.model.encoder import Encoder
from e5v.model.loading import Loaded
from e5v.model.preparing import Prepared
from e5v.model.prompts import TURNS
from e5v.model.streaming import Stream

SAME = 0.999  # cosine of packed and plain vectors of one item in bfloat16, at least
TARGET = 0.6  # share of the limit
# fmt: off
WORDS = (
    "a", "man", "woman", "dog", "child", "ball", "boat", "house", "tree", "river", "street", "car",
    "horse", "bird", "table", "window", "garden", "kitchen", "bridge", "market", "field", "snow",
    "small", "large", "old", "young", "red", "blue", "green", "white", "running", "sitting",
    "standing", "holding", "looking", "walking", "in", "on", "near", "under", "with", "and", "the",
)
# fmt: on
LENGTH = 12  # words of a text; the prompt adds 20 tokens
PHOTO = (640, 480)  # width, height in pixels


@dataclass(frozen=True)
class Speed:
    """One kind of item: `whole` from raw items to rows, `alone` the model on prepared ones."""

    items: int
    tokens: int
    tiles: int
    whole: tuple[float, ...]
    alone: tuple[float, ...]


def make_texts(count: int) -> list[str]:
    """Write distinct texts of 32 tokens each, prompt included."""
    draw = random.Random(0)
    return list(dict.fromkeys(" ".join(draw.choices(WORDS, k=LENGTH)) for _ in range(count)))


def make_photo(seed: int) -> bytes:
    """Draw blurred noise as a JPEG file."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(noise).resize(PHOTO, PIL.Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def open_random(sizes: Sizes, device: torch.device) -> Loaded:
    """Make a model with random bfloat16 weights where it will run."""
    tokenizer = learn_tokenizer(make_texts(2000), sizes.vocabulary)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            model: Any = LlavaNextForConditionalGeneration(make_config(sizes, tokenizer))
    finally:
        torch.set_default_dtype(before)
    redraw(model)
    return Loaded(
        name="random LLaVA-NeXT",
        model=model.eval(),
        processor=make_processor(sizes, tokenizer),
        backbone=find_backbone("llava_next"),
        turn=next(turn for turn in TURNS if turn.name == "llama3"),
        image_token_id=tokenizer.get_vocab()["<image>"],
        unexpected=(),
    )


@torch.inference_mode()
def plain_vector(model: Any, prepared: Prepared) -> np.ndarray[Any, Any]:
    """Run one item through the whole model, as its makers would."""
    arrays = {key: value for one in prepared.prompted.images for key, value in one.arrays.items()}
    inputs = {key: value.to(model.device) for key, value in arrays.items()}
    ids = torch.tensor([prepared.prompted.ids], device=model.device)
    output = model(input_ids=ids, **inputs, output_hidden_states=True, logits_to_keep=1)
    state: np.ndarray[Any, Any] = output.hidden_states[-1][0, -1].float().cpu().numpy()
    return state


def check(model: E5V, items: Sequence[RawItem]) -> float:
    """Compare packed vectors with the plain path's; return the lowest cosine.

    Raises:
        SystemExit: they differ.

    """
    plain = [plain_vector(model.loaded.model, model.prepare(item)) for item in items]
    cosine = lowest_cosine(model.encode(items), np.stack(plain))
    if cosine < SAME:
        raise SystemExit(f"packed vectors are not the plain path's: cosine {cosine:.5f} < {SAME}")
    return cosine


def measure_speed(model: E5V, items: Sequence[RawItem], batch_tokens: int, repeats: int) -> Speed:
    """Time a list of items of one kind, the whole way and the model alone."""
    prepared = [model.prepare(item) for item in items]
    stream = Stream(Encoder(model.loaded), batch_tokens, None, "raise")
    return Speed(
        items=len(items),
        tokens=sum(len(one.prompted.ids) for one in prepared),
        tiles=sum(_tiles(one) for one in prepared),
        whole=_times(model, repeats, lambda: model.encode(items, batch_tokens=batch_tokens)),
        alone=_times(model, repeats, lambda: stream.vectors(prepared)),
    )


def _tiles(prepared: Prepared) -> int:
    return sum(image.arrays["pixel_values"].shape[1] for image in prepared.prompted.images)


def _times(model: E5V, repeats: int, act: Callable[[], object]) -> tuple[float, ...]:
    """Time an act, after once for warmth."""
    seconds = []
    for _ in range(repeats + 1):
        wait(model.device)
        start = time.perf_counter()
        act()
        wait(model.device)
        seconds.append(time.perf_counter() - start)
    return tuple(seconds[1:])


def record(sizes: Sizes, speed: Speed, rate: Rate) -> dict[str, Any]:
    """Set a speed against the limits."""
    tokens, tiles = round(speed.tokens / speed.items), round(speed.tiles / speed.items)
    limit = rate.best / plain_flops(sizes, tokens, tiles)
    need = rate.best / (own_flops(sizes, tokens) + vision_flops(sizes, tiles))
    whole, alone = (speed.items / median(seconds) for seconds in (speed.whole, speed.alone))
    return {
        **asdict(speed),
        "tokens_each": tokens,
        "limit_per_second": limit,
        "need_per_second": need,
        "whole_per_second": whole,
        "alone_per_second": alone,
        "whole_share_of_limit": whole / limit,
        "alone_share_of_limit": alone / limit,
        "whole_share_of_need": whole / need,
        "reaches_target": whole / limit >= TARGET,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return it ready for JSON."""
    sizes = SIZES["tiny" if options.tiny else "llava-next-8b"]
    device = torch.device("cpu" if options.tiny else "cuda")
    model = E5V(open_random(sizes, device))
    texts = make_texts(options.texts)
    photos = [make_photo(seed) for seed in range(options.photos)]
    cosine = check(model, [*texts[:3], photos[0], texts[3].split()[0]])
    rate = gpu.matmul_rate(sizes, device)
    speeds = {
        name: record(
            sizes, measure_speed(model, items, options.batch_tokens, options.repeats), rate
        )
        for name, items in (("texts", texts), ("photos", photos))
    }
    return {
        "what": "texts and photos per second in bfloat16, against the limit of the arithmetic",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": gpu.describe(device),
        "versions": describe_versions(),
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
        "model": asdict(sizes),
        "packed_to_plain_lowest_cosine": cosine,
        "matmul": asdict(rate) | {"best": rate.best},
        "target_share_of_limit": TARGET,
        "speeds": speeds,
        "peak_gpu_gib": gpu.peak_gib(device),
    }


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    parser.add_argument("--texts", type=int, default=8192)
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=32_768)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/encode-cuda.json"))
    return parser.parse_args(words)


def main() -> None:
    """Measure, write the result down and say it in short."""
    options = parse()
    result = measure(options)
    write_down(options.out, result)
    for name, speed in result["speeds"].items():
        sys.stdout.write(
            f"{name}: {speed['whole_per_second']:.1f}/s whole, {speed['alone_per_second']:.1f}/s "
            f"model alone; limit {speed['limit_per_second']:.1f}/s, reached "
            f"{speed['whole_share_of_limit']:.0%} and {speed['alone_share_of_limit']:.0%}\n"
        )
    sys.stdout.write(f"packed to plain: cosine {result['packed_to_plain_lowest_cosine']:.5f}\n")


if __name__ == "__main__":
    main()
