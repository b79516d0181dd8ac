"""A base model, scenes and results that are small enough for a test."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from nano.architecture import new_model, new_processor
from nano.art import LEVELS, Art
from nano.concepts import CONCEPTS
from nano.tokenizer import learn_tokenizer

SCENES = 12


@cache
def tokenizer() -> Any:
    """Return one of few words."""
    return learn_tokenizer(["a dog on a blue background", "Summary above sentence in one word: "])


def write_base(folder: Path, seed: int = 1) -> Path:
    """Write a base of random weights, in bfloat16 as the real one."""
    model = new_model("tiny", tokenizer(), seed=seed).to(torch.bfloat16)
    model.save_pretrained(folder)
    new_processor(tokenizer()).save_pretrained(folder)
    return folder


def write_scenes(folder: Path) -> Path:
    """Write a folder to evaluate on, of noise with captions."""
    noise = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    captions, edits = [], []
    for number in range(SCENES):
        name = f"{number}.png"
        pixels = noise.integers(0, 255, (60, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        captions.append({"image": name, "text": f"scene of {number} dogs"})
        edits.append({"image": name, "text": "one more", "target": f"{(number + 1) % SCENES}.png"})
    for file, rows in (("captions.jsonl", captions), ("edits.jsonl", edits)):
        (folder / file).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    pairs = [f"{n} dogs\t{n + n % 3} dogs\t{n % 3}\n" for n in range(SCENES)]
    (folder / "pairs.tsv").write_text("text1\ttext2\tgrade\n" + "".join(pairs))
    return folder


def gray() -> Art:
    """Return art without a package."""
    return Art({n: np.full((len(CONCEPTS), n, n, 4), 128, dtype=np.uint8) for n in LEVELS})


def firsts(recall: float, queries: int = 500) -> str:
    """Return which queries are answered, of so many: the same ones, and more, for a higher one."""
    order = np.random.default_rng(0).permutation(queries)
    return "".join("1" if place < queries * recall / 100 else "0" for place in order)


def result(setting: str, recall: float, *, seed: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a result in which every figure is the same."""
    sizes = {"queries": 500, "candidates": 500, "first": firsts(recall)}
    figures: dict[str, dict[str, Any]] = {
        task: {**sizes, "R@1": recall, "R@5": recall, "R@10": recall}
        for task in ("image retrieval", "text retrieval", "edits")
    }
    figures["pairs"] = {"queries": 600, "Spearman": recall}
    gap = {
        "centroid_distance": 0.5,
        "separability": 0.9,
        "texts_near_images": 0.4,
        "images_near_texts": 0.4,
        "cosine_true": 0.8,
        "cosine_others": 0.2,
    }
    variants = more.pop("variants", ("one word",))
    return {
        "setting": setting,
        "title": setting,
        "seed": seed,
        "of": {"scenes": "others"},
        "scores": {variant: {"figures": figures, "gap": gap} for variant in variants},
        "cost": None if seed is None else {"cpu_seconds": 90.0, "tokens": 1000, "steps": 100},
        "parameters": 10_000_000,
        "machine": {"cpu": "a processor"},
        "device": "cpu",
        "dtype": "bfloat16",
        "versions": {"torch": "2", "transformers": "5"},
        **more,
    }


def write_result(folder: Path, label: str, one: dict[str, Any]) -> None:
    """Keep a result as the study does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.json").write_text(json.dumps(one))
