"""`e5v mine` as a user meets it: pairs and a corpus in, data for training out."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e5v import E5V
from e5v.cli import main
from e5v.training.reading import read_triplets
from tests.verbs.done import Run
from tests.work import count_work

TEXTS = [f"{who} {does}" for who in ("a dog", "two cats", "a man") for does in ("runs", "sleeps")]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Give pairs in which the first anchor has two positives."""
    rows = [*((text, f"{text} outside") for text in TEXTS), (TEXTS[0], "an animal runs")]
    file = tmp_path / "pairs.csv"
    file.write_text("anchor,positive\n" + "".join(f"{a},{b}\n" for a, b in rows))
    return file


@pytest.fixture
def things(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """Give a folder of photos and texts to index."""
    folder = tmp_path / "things"
    folder.mkdir()
    for name, photo in zip(("a.png", "b.png", "c.png"), photos, strict=False):
        photo.save(folder / name)
    photos[0].save(folder / "copy.png")
    long = "a very long text " * 100
    lines = [*TEXTS, "a dog runs outside", "a boat", f"{long}1", f"{long}2"]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in lines))
    return folder


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows that were written."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_margins_hold_and_the_file_trains(
    run: Run, pairs: Path, model: E5V, tmp_path: Path
) -> None:
    """A negative that is a positive or too near, a row that is lost, and a file no one can read."""
    out = tmp_path / "out.jsonl"
    options = ["--negatives", 2, "--margin", 0.001, "--ranks", "1:6", "--json"]
    done = run("mine", "--data", pairs, "--out", out, *options)
    assert done.code == 0, done.err
    rows = read(out)
    assert [(row["anchor"], row["positive"]) for row in rows] == [
        (row.anchor, row.positive) for row in read_triplets([pairs]).rows
    ]
    found = 0
    for row in rows:
        own = [other["positive"] for other in rows if other["anchor"] == row["anchor"]]
        chosen = [value for name, value in row.items() if name.startswith("negative")]
        anchor, *others = model.encode([row["anchor"], *own, *chosen])
        scores = np.array(others) @ anchor
        assert not set(chosen) & set(own)
        assert (scores[len(own) :] <= scores[: len(own)].min() - 0.001 + 1e-5).all()
        found += len(chosen)
    assert found
    [report] = done.lines
    counts = {int(count): anchors for count, anchors in report["anchors_by_count"].items()}
    assert (report["rows"], report["anchors"], report["candidates"]) == (7, 6, 7)
    assert sum(counts.values()) == 6
    assert report["left_out"]["positive"] == 7
    assert report["positive_score"] - report["negative_score"] > 0.001
    short = ["--steps", 1, "--batch", 4, "--rank", 2, "--warmup", 0]
    trained = run("train", "--data", out, "--out", tmp_path / "run", *short)
    assert trained.code == 0, trained.err


def test_instructions_stay_with_their_rows(run: Run, tmp_path: Path) -> None:
    """Rows that lose what they ask for: training on the mined file would be another training."""
    data, out = tmp_path / "asked.jsonl", tmp_path / "out.jsonl"
    asked = {"instruction": "Find a reply", "positive_instruction": "A reply"}
    rows = [{"anchor": text, "positive": f"{text} outside"} for text in TEXTS]
    rows[1:] = [row | asked for row in rows[1:]]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("mine", "--data", data, "--out", out, "--margin", -2)
    assert done.code == 0, done.err
    assert "candidates are compared without" in done.err
    before, after = (read_triplets([file]).rows for file in (data, out))
    assert [row.instruction for row in after] == ["", *["Find a reply"] * 5]
    assert [row.items[:2] for row in after] == [row.items[:2] for row in before]


def test_a_data_set_of_the_hub(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that e5v train takes, and e5v mine calls a missing file."""
    datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "set").mkdir(parents=True)
    rows = [{"anchor": text, "positive": f"{text} outside"} for text in TEXTS]
    datasets.Dataset.from_list(rows).to_parquet("org/set/train-00000-of-00001.parquet")
    done = run("mine", "--data", "hub:org/set:train", "--out", "out.jsonl", "--margin", -2)
    assert done.code == 0, done.err
    assert [row["anchor"] for row in read(tmp_path / "out.jsonl")] == TEXTS
    done = run("mine", "--data", "hub:set", "--out", "out.jsonl")
    assert (done.code, "expected hub:ORG/NAME:SPLIT" in done.err) == (2, True)


def test_an_index_embeds_nothing_again(
    run: Run, pairs: Path, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus embedded for a second time, and entries that are written as something else."""
    index, out = tmp_path / "index", tmp_path / "things" / "out.jsonl"
    assert run("index", things, "--index", index).code == 0
    done = count_work(monkeypatch)
    rule = ["--margin", -2, "--negatives", 12]
    mined = run("mine", "--data", pairs, "--corpus", index, "--out", out, *rule)
    assert mined.code == 0, mined.err
    assert (done["seen"], done["decoded"]) == (0, 0)
    assert done["items"] == 6 + 6  # anchors, and the positives that the index does not have
    [report] = mined.lines
    assert report["candidates"] == 3 + len(TEXTS) + 4  # without the copy of a photo
    assert report["left_out"] == {"positive": 1, "equal": 6, "margin": 0}
    negatives = [value for name, value in read(out)[0].items() if name.startswith("negative")]
    images = {value["image"] for value in negatives if isinstance(value, dict)}
    texts = {value for value in negatives if isinstance(value, str)}
    assert {name.replace("copy", "a") for name in images} == {"a.png", "b.png", "c.png"}
    assert texts == {*TEXTS[1:], "a boat", *("a very long text " * 100 + n for n in "12")}
    assert not read_triplets([out]).broken
    other = main(["mine", "--data", str(pairs), "--corpus", str(index), "--out", str(out),
                  "--model", "nano"])  # fmt: skip
    assert other == 1


def test_a_folder_and_lines_as_corpus(run: Run, pairs: Path, things: Path, tmp_path: Path) -> None:
    """An image by a path that leads nowhere, a broken image that ends the run, another file."""
    (things / "broken.png").write_bytes(b"no image")
    out, same = tmp_path / "out.jsonl", tmp_path / "same.jsonl"
    rule = ["--margin", -2, "--negatives", 2, "--sampling", "random"]
    done = run("mine", "--data", pairs, "--corpus", things, "--out", out, *rule)
    assert done.code == 0, done.err
    assert "left out of" in done.err
    assert "1 item of the corpus cannot be used: " in done.err
    assert {row["negative_1"]["image"][:7] for row in read(out)} == {"things/"}
    assert not read_triplets([out]).broken
    assert run("mine", "--data", pairs, "--corpus", things, "--out", same, *rule).code == 0
    assert same.read_bytes() == out.read_bytes()
    lines = things / "mixed.jsonl"
    lines.write_text('{"image": "a.png", "text": "make it red"}\n"a boat"\n')
    assert run("mine", "--data", pairs, "--corpus", lines, "--out", out, *rule).code == 0
    kinds = Counter(json.dumps(row["negative_1"]) for row in read(out))
    assert set(kinds) <= {'"a boat"', '{"image": "things/a.png", "text": "make it red"}'}
    assert not read_triplets([out]).broken


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('["a text", {"image": "a.png"}]\n', "line 1: item cannot be written as training data"),
        ('"a"\n{"text": \n', "line 2 is not JSON"),
        ('"a"\n{"image": "gone.png"}\n', "line 2 names an image that"),
        ('{"role": "system", "content": "x"}\n', "line 1"),
        ("\n", "the corpus has no items; give another (--corpus)"),
    ],
)
def test_a_corpus_that_cannot_be_used(
    run: Run, pairs: Path, things: Path, content: str, message: str
) -> None:
    """A corpus whose fault is found after it was embedded, and a file half written."""
    lines = things / "corpus.jsonl"
    lines.write_text(content)
    out = things / "out.jsonl"
    out.write_text("before")
    done = run("mine", "--data", pairs, "--corpus", lines, "--out", out)
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
    assert message in done.err
    assert out.read_text() == "before"


def test_data_that_cannot_be_used(run: Run, pairs: Path, tmp_path: Path) -> None:
    """Nothing to mine for, and data that the result would replace."""
    empty = tmp_path / "empty.csv"
    empty.write_text("anchor,positive\n")
    done = run("mine", "--data", empty, "--out", tmp_path / "out.jsonl")
    assert (done.code, "has no usable row" in done.err) == (1, True)
    lines = tmp_path / "pairs.jsonl"
    lines.write_text('{"anchor": "a", "positive": "b"}\n')
    done = run("mine", "--data", lines, "--out", lines)
    assert (done.code, "is read, too; name another file" in done.err) == (2, True)
