"""Run the verbs on small things and reduce what they compute to numbers that can be compared.

python -m tests.golden.measure RECORD              run everything and write the record
python -m tests.golden.measure RECORD --against B  and compare it with another, to the byte

Two records of one machine must agree in every digest. Another machine may round differently: so
a record also keeps a few values of every array, which tests/test_golden.py compares with the
committed record within a tolerance.
"""

import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from e5v.cli import main
from tests.families import build

ROOT = Path(__file__).parents[2]
SCENES = ROOT / "examples" / "scenes"
PHOTOS = ROOT / "tests" / "photos"
FAMILIES = ("llava_next_llama3", "llava_15", "qwen2_5_vl", "qwen3_vl", "gemma3", "internvl")
PRECISIONS = ("float32", "float16", "int8", "binary")
FEW = 40  # scenes
ANSWER = ("path", "kind", "part", "text", "score")
SHORT_TEXT = 6_000  # characters
KEPT = 6  # values of an array that a record shows

Golden = dict[str, Any]


def measure(folder: Path) -> dict[str, Golden]:
    """Run everything, in a folder for its files; the record has one entry per array or answer."""
    record: dict[str, Golden] = {}
    for part in (encode, train, merge, evaluate, search):
        record |= dict(part(folder))
    return record


def encode(folder: Path) -> Iterator[tuple[str, Golden]]:
    """Encode texts, images and both, with the small model of each family and the bundled one."""
    items = _write_items(folder / "items.jsonl")
    for family in FAMILIES:
        model = str(build(family, folder / family))
        vectors = _encode(folder, items, "--model", model)
        yield f"encode {family}", _array(vectors)
    for precision in PRECISIONS:
        vectors = _encode(folder, items, "--model", "nano", "--precision", precision)
        yield f"encode nano {precision}", _array(vectors)
    yield (
        "encode nano sts 32",
        _array(_encode(folder, items, "--model", "nano", "--prompt", "sts", "--dim", "32")),
    )
    for item in ("a cat on a table", str(PHOTOS / "cat.jpg")):
        answers = _run("words", item, "--model", "nano", "--json", "--dtype", "float32")
        yield f"words {Path(item).name}", _text(answers)


def train(folder: Path) -> Iterator[tuple[str, Golden]]:
    """Train a few steps in several ways: losses, what a validation measures, the adapter."""
    data, held_out = _write_triplets(folder / "nli.csv", 40), _write_triplets(folder / "v.csv", 9)
    whole = _write_triplets(folder / "whole.csv", 40, without_negative=0)
    teacher = folder / "teacher.npy"
    cosines = np.random.default_rng(0).uniform(-1, 1, (40, 40)).astype(np.float32)
    np.save(teacher, cosines)
    ways = {
        "fixed": ("--evaluation", str(held_out), "--every", "2"),
        "images": ("--evaluation", str(_write_scenes(folder / "few")), "--every", "2"),
        "faithful": ("--template", "faithful", "--mask", "faithful", "--data", str(whole)),
        "chunked": ("--chunk-tokens", "64", "--symmetric", "--dims", "16", "8"),
        "taught": ("--teacher", str(teacher), "--distil", "0.5", "--recompute"),
    }
    small, qwen = str(folder / "llava_next_llama3"), str(folder / "qwen2_5_vl")
    for way, options in ways.items():
        data_of_way = () if "--data" in options else ("--data", str(data))
        yield from _train(folder, f"train {way}", small, *data_of_way, *options)
    yield from _train(folder, "train nano", "nano-base", "--data", str(data), "--dropout", "0")
    yield from _train(folder, "train qwen", qwen, "--data", str(data))


def merge(folder: Path) -> Iterator[tuple[str, Golden]]:
    """Merge two of the adapters: every tensor and every file of the merged checkpoint."""
    for run in ("train fixed", "train qwen", "train nano"):
        out = folder / f"merged {run}"
        _run("merge", str(folder / run), "--out", str(out), "--dtype", "float32")
        tensors = _tensors(out)
        yield f"merge {run} tensors", _array(np.concatenate([one.ravel() for one in tensors]))
        for file in sorted(out.rglob("*.json")):
            if file.name != "model.safetensors.index.json":
                yield f"merge {run} {file.relative_to(out)}", _text(_without_paths(file, folder))
        vectors = _encode(folder, folder / "items.jsonl", "--model", str(out))
        yield f"merge {run} vectors", _array(vectors)


def evaluate(folder: Path) -> Iterator[tuple[str, Golden]]:
    """Evaluate the bundled models on a few scenes, with the gap and other prompts."""
    scenes, out = _write_scenes(folder / "scenes"), folder / "report"
    options = ("--data", str(scenes), "--gap", "--dtype", "float32")
    for model, more in (("nano", ("--ablate", "prompt")), ("nano-base", ("--ablate", "readout"))):
        _run("evaluate", model, *options, *more, "--out", str(out))
        report = json.loads((out / "report.json").read_text())
        yield f"evaluate {model} figures", _text(_lines(report["figures"]))
        for variant, gap in report["gaps"].items():
            plane = gap.pop("plane")
            yield f"evaluate {model} gap {variant}", _text(_lines(gap))
            yield f"evaluate {model} plane {variant}", _array(np.abs(plane["images"]))


def search(folder: Path) -> Iterator[tuple[str, Golden]]:
    """Index photos, scenes and texts, and ask in every way."""
    things, index = _write_things(folder / "things"), str(folder / "index")
    _run("index", str(things), "--index", index, "--model", "nano", "--dtype", "float32")
    asked: dict[str, tuple[str, ...]] = {
        "text": ("a cat",),
        "image": ("--image", str(PHOTOS / "cat.jpg")),
        "composed": ("on a red background", "--image", str(things / "0003.png")),
        "without": ("a cat", "--without", "a red background"),
        "where": ("a rocket", "--where", "kind = 'image' AND width > 100"),
        "duplicates": ("--duplicates", "--min-score", "0.9"),
    }
    for name, query in asked.items():
        lines = _run("search", *query, "--index", index, "--json", "--dtype", "float32")
        hits = [json.loads(line.replace(str(folder), ".")) for line in lines.splitlines()]
        told = [{key: hit[key] for key in ANSWER} for hit in hits]
        told.sort(key=lambda hit: (-hit["score"], hit["path"]))  # equal ones: as processors round
        yield f"search {name}", _text("\n".join(map(json.dumps, told)))


def _run(*arguments: str) -> str:
    """Run a verb in this process and return what it printed."""
    printed = StringIO()
    with redirect_stdout(printed):
        code = main(arguments)
    if code:
        raise SystemExit(f"e5v {' '.join(arguments)} ended with {code}")
    return printed.getvalue()


def _encode(folder: Path, items: Path, *options: str) -> "np.ndarray[Any, Any]":
    out = folder / "vectors.npy"
    _run("encode", str(items), *options, "--dtype", "float32", "--out", str(out))
    vectors: np.ndarray[Any, Any] = np.load(out)
    return vectors


def _train(folder: Path, name: str, model: str, *options: str) -> Iterator[tuple[str, Golden]]:
    out = folder / name
    short = ("--steps", "3", "--batch", "8", "--rank", "4", "--warmup", "1", "--dtype", "float32")
    _run("train", "--model", model, "--out", str(out), *short, *options)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    yield f"{name} log", _text(_lines(log))
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    yield (
        f"{name} adapter",
        _array(np.concatenate([adapter[key].ravel() for key in sorted(adapter)])),
    )
    yield f"{name} adapter names", _text("\n".join(sorted(adapter)))


def _write_items(file: Path) -> Path:
    """Write JSON lines of texts, photos and both, of several lengths and shapes."""
    photos = [str(PHOTOS / name) for name in ("cat.jpg", "rocket.jpg", "walruses.jpg")]
    rows: list[Any] = ["a cat", "a dog runs over the field " * 6, "Ünïcode 🐈 text"]
    rows += [{"image": photo} for photo in photos]
    rows += [{"image": photos[0], "text": "make it a dog"}]
    rows += [[{"text": "between"}, {"image": photos[1]}, {"text": "and after"}]]
    rows += [{"image": str(SCENES / "images" / "0001.png"), "text": ""}]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


def _write_triplets(file: Path, count: int, without_negative: int = 3) -> Path:
    """Write triplets of several lengths, every third without a hard negative."""
    with file.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["sent0", "sent1", "hard_neg"])
        for n in range(count):
            lacking = without_negative and n % without_negative == 0
            negative = "" if lacking else f"the {n} cats sleep on a mat, all of them"
            table.writerow([f"a dog number {n} runs " * (1 + n % 4), f"animal {n} moves", negative])
    return file


def _write_scenes(folder: Path) -> Path:
    """Copy some of the bundled scenes: those of a few edits, with captions, edits and pairs."""
    for name in ("images", "targets"):
        (folder / name).mkdir(parents=True)
    edits = (SCENES / "edits.jsonl").read_text().splitlines(keepends=True)[:FEW]
    shown = {json.loads(row)["image"] for row in edits}
    for place in shown | {json.loads(row)["target"] for row in edits}:
        copy(SCENES / place, folder / place)
    captions = (SCENES / "captions.jsonl").read_text().splitlines(keepends=True)
    kept = [row for row in captions if f"images/{json.loads(row)['image']}" in shown]
    pairs = (SCENES / "pairs.tsv").read_text().splitlines(keepends=True)[: FEW + 1]
    for name, rows in (("captions.jsonl", kept), ("edits.jsonl", edits), ("pairs.tsv", pairs)):
        (folder / name).write_text("".join(rows))
    return folder


def _write_things(folder: Path) -> Path:
    """Collect photos with their captions, scenes, and texts of several passages."""
    folder.mkdir()
    for source in (*sorted(PHOTOS.iterdir()), *sorted((SCENES / "images").iterdir())[:20]):
        if source.suffix in {".jpg", ".png", ".jsonl"}:
            copy(source, folder)
    for name in ("0003.png", "cat.jpg"):
        copy(folder / name, folder / f"again {name}")
    text = "\n\n".join(f"Note {n}. The cat sat on the mat, and slept there. " * 9 for n in range(5))
    (folder / "notes.md").write_text(text)
    return folder


def _tensors(folder: Path) -> list["np.ndarray[Any, Any]"]:
    """Read every tensor of a checkpoint, in the order of their names, as float32."""
    from safetensors.torch import load_file as load_torch

    tensors: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        tensors |= load_torch(file)
    return [tensors[name].float().numpy() for name in sorted(tensors)]


def _without_paths(file: Path, folder: Path) -> str:
    return file.read_text().replace(str(folder), ".")


def _lines(tree: Any, place: str = "") -> str:
    """List every number of a JSON value but times, with its place, a line each."""
    if isinstance(tree, dict | list):
        branches = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return "".join(_lines(branch, f"{place}.{name}") for name, branch in branches)
    is_number = isinstance(tree, int | float) and "second" not in place
    return f"{place[1:]} {float(tree)}\n" if is_number else ""


def _array(array: "np.ndarray[Any, Any]") -> Golden:
    """Reduce an array to its digest and a few of its values, spread over it."""
    flat = np.ascontiguousarray(array).ravel()
    places = np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)
    return {
        "sha256": hashlib.sha256(flat.tobytes()).hexdigest(),
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "values": [round(float(flat[place]), 6) for place in places],
        "norm": round(float(np.linalg.norm(flat.astype(np.float64))), 5),
    }


def _text(text: str) -> Golden:
    """Reduce a text to its digest; a short one is kept."""
    digest = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    return digest | ({"text": text} if len(text) < SHORT_TEXT else {})


def compare(ours: dict[str, Golden], theirs: dict[str, Golden]) -> list[str]:
    """List what differs between two records of one machine, a line each."""
    lost = [f"{name}: only in one record" for name in sorted(ours.keys() ^ theirs.keys())]
    both = sorted(ours.keys() & theirs.keys())
    return lost + [
        f"{name}: {theirs[name]} -> {ours[name]}" for name in both if ours[name] != theirs[name]
    ]


def record(arguments: list[str]) -> int:
    """Write a record; with `--against`, also compare it with another one."""
    torch.set_num_threads(1)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with TemporaryDirectory() as folder:
        ours = measure(Path(folder))
    Path(arguments[0]).write_text(json.dumps(ours, indent=1, ensure_ascii=False) + "\n")
    if "--against" not in arguments:
        return 0
    against = Path(arguments[arguments.index("--against") + 1])
    differences = compare(ours, json.loads(against.read_text()))
    differences.append(f"{len(ours)} compared, {len(differences)} differ\n")
    sys.stdout.write("\n".join(differences))
    return len(differences) > 1


if __name__ == "__main__":
    sys.exit(record(sys.argv[1:]))
