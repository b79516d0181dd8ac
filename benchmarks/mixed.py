"""Search a collection of images and texts: by cosine, and by standard scores, one order of both.

    python -m benchmarks.mixed

scenes + sentences -> one index (nano) -> captions, sentences, and queries that nothing answers
    -> rank by cosine | by standard score -> recall by kind, share of images among the first ten
                                          -> how many are called strong, weak or none
                                          -> results/mixed-cpu.json

The images are those of examples/scenes without their captions; the texts are the right sentences of
its graded pairs. A caption should find its image, and the left sentence of a pair with a grade of
0.9 or more the right one. Sentences of examples/nli are about things that no scene shows.
"""

import csv
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro

import e5v
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import say, write_down
from e5v.search.entries import Hit
from e5v.search.query import Query, QueryVectors, embed_query, find

EXAMPLES = Path("examples")
FIRST = 10  # hits
ALIKE = 0.9  # grade of a pair that is a query and its answer
NOTES = (
    "recall: share of queries whose answer is among the first 10 hits",
    "images: mean share of images among the first 10 hits",
    "right: how the answers that are found are rated; best: how the first hit is rated",
)


@dataclass(frozen=True)
class Settings:
    """Measure search in a collection of images and texts.

    Args:
        model: a name or folder.
        queries: of each kind, at most.
        images: that are indexed, at most.
        texts: that are indexed, at most; those that answer a query first.
        out: where the result is written, as JSON.

    """

    model: str = "nano"
    queries: int = 200
    images: int = 500
    texts: int = 600
    out: Path = Path("benchmarks/results/mixed-cpu.json")


@dataclass(frozen=True)
class Asked:
    """Words, and what tells their answer among the entries; None if there is none."""

    words: str
    answers: Callable[[Hit], bool] | None


@dataclass(frozen=True)
class Outcome:
    """What was measured for one set of queries, ranked in one way."""

    recall: float | None
    images: float
    right: dict[str, int]
    best: dict[str, int]


def _read_pairs() -> list[tuple[str, str]]:
    with (EXAMPLES / "scenes" / "pairs.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row["text1"], row["text2"]) for row in rows if float(row["grade"]) >= ALIKE]


def _list_notes(settings: Settings) -> list[str]:
    with (EXAMPLES / "scenes" / "pairs.tsv").open(encoding="utf-8") as file:
        every = [row["text2"] for row in csv.DictReader(file, delimiter="\t")]
    answers = [right for _, right in _read_pairs()[: settings.queries]]
    return list(dict.fromkeys([*answers, *every]))[: settings.texts]


def _list_captions() -> list[tuple[str, str]]:
    lines = (EXAMPLES / "scenes" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [(row["image"], row["text"]) for row in rows]


def _list_unanswered() -> list[str]:
    with (EXAMPLES / "nli" / "held_out.csv").open(encoding="utf-8") as file:
        return [row["sent0"] for row in csv.DictReader(file)]


def _is_image(name: str, hit: Hit) -> bool:
    return Path(hit.entry.path).name == name


def _is_text(text: str, hit: Hit) -> bool:
    return hit.entry.text == text


def _list_queries(most: int) -> dict[str, list[Asked]]:
    captions = dict(reversed(_list_captions()))  # the first of each image
    return {
        "of images": [
            Asked(text, partial(_is_image, image))
            for image, text in sorted(captions.items())[:most]
        ],
        "of texts": [Asked(left, partial(_is_text, right)) for left, right in _read_pairs()[:most]],
        "without an answer": [Asked(text, None) for text in _list_unanswered()[:most]],
    }


def _make_index(folder: Path, model: e5v.E5V, settings: Settings) -> e5v.Index:
    notes, images = folder / "notes", folder / "images"
    notes.mkdir()
    images.mkdir()
    for image in sorted((EXAMPLES / "scenes" / "images").glob("*.png"))[: settings.images]:
        shutil.copy(image, images)
    lines = "".join(json.dumps({"text": note}) + "\n" for note in _list_notes(settings))
    (notes / "notes.jsonl").write_text(lines, encoding="utf-8")
    e5v.index([str(images), str(notes)], index=folder / "index", model=model)
    return e5v.Index.open(folder / "index", model=model)


def _measure(asked: Sequence[Asked], ranked: Iterator[list[Hit]]) -> Outcome:
    found = 0
    images: list[float] = []
    right: Counter[str] = Counter()
    best: Counter[str] = Counter()
    for one, hits in zip(asked, ranked, strict=True):
        images.append(sum(hit.entry.kind == "image" for hit in hits) / len(hits))
        best[hits[0].match or "unknown"] += 1
        answer = next((hit for hit in hits if one.answers and one.answers(hit)), None)
        found += answer is not None
        if answer is not None:
            right[answer.match or "unknown"] += 1
    recall = found / len(asked) if asked[0].answers else None
    return Outcome(recall, round(float(np.mean(images)), 3), dict(right), dict(best))


def measure(settings: Settings) -> dict[str, dict[str, Outcome]]:
    """Rank all queries in both ways."""
    model = e5v.E5V(settings.model)
    outcomes: dict[str, dict[str, Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        index = _make_index(Path(folder), model, settings)
        say(f"{index.kinds()}")
        for name, asked in _list_queries(settings.queries).items():
            vectors = [embed_query(model, Query(one.words)) for one in asked]
            plain = (find(index, QueryVectors(one.query), k=FIRST) for one in vectors)
            standard = (find(index, one, k=FIRST) for one in vectors)
            outcomes[name] = {
                "by cosine": _measure(asked, plain),
                "by standard score": _measure(asked, standard),
            }
            say(f"{name}: {outcomes[name]}")
    return outcomes


def main(settings: Settings) -> None:
    """Measure, and write the result."""
    outcomes = measure(settings)
    write_down(
        settings.out,
        {
            "notes": NOTES,
            "machine": asdict(describe_machine()),
            "versions": describe_versions(),
            "settings": asdict(settings) | {"out": str(settings.out)},
            "outcomes": {
                queries: {way: asdict(outcome) for way, outcome in ways.items()}
                for queries, ways in outcomes.items()
            },
        },
    )
    say(f"wrote {settings.out}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
