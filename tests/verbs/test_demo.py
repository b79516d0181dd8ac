"""`e5v demo`: the path without the network; and photos that may be given away."""

import json
import shutil
from pathlib import Path

import pytest

from e5v.verbs.demo_collections import COLLECTIONS
from tests.verbs.done import PHOTOS, Run

EXAMPLES = Path(__file__).parents[2] / "examples"
SCENES = EXAMPLES / "scenes"


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Return a few of the scenes, among them those that the demo asks with."""
    few = tmp_path / "scenes"
    for folder, numbers in (("images", (1, 42, 58, 181)), ("targets", (1, 2))):
        (few / folder).mkdir(parents=True)
        names = [f"{number:04}.png" for number in numbers]
        for name in names:
            shutil.copy(SCENES / folder / name, few / folder)
        within = "" if folder == "images" else folder
        lines = (SCENES / within / "captions.jsonl").read_text().splitlines()
        kept = [line for line in lines if json.loads(line)["image"] in names]
        (few / within / "captions.jsonl").write_text("\n".join(kept))
    return few


def test_the_demo_indexes_and_finds(run: Run, scenes: Path, tmp_path: Path) -> None:
    """Catches a demo that finds nothing, shows no captions, or does not say how to go on."""
    done = run("demo", "--folder", scenes, "--index", tmp_path / "index")
    assert done.code == 0
    assert "6 images" in done.out
    example = done.out.split("By example")[1].split("Like")[0]
    assert example.index("0042.png") < example.index("three huge gowns")
    assert f"e5v serve --index {tmp_path / 'index'}" in done.out
    again = run("demo", "--folder", scenes, "--index", tmp_path / "index")
    assert "0 embedded" in again.out


def test_the_demo_asks_for_what_the_scenes_show() -> None:
    """Catches scenes that were drawn anew under a demo that names them."""
    rows = map(json.loads, (SCENES / "captions.jsonl").read_text().splitlines())
    captions = {row["image"]: row["text"] for row in rows}
    edits = [json.loads(line) for line in (SCENES / "edits.jsonl").read_text().splitlines()]
    assert "three huge gowns" in captions["0042.png"]
    assert any("panda" in text and "jack-o-lantern" in text for text in captions.values())
    assert {"image": "images/0181.png", "text": "a newspaper instead of the avocado"} in [
        {"image": edit["image"], "text": edit["text"]} for edit in edits
    ]


def test_the_demo_without_scenes(run: Run, tmp_path: Path) -> None:
    """Catches a traceback where the examples are not at hand."""
    done = run("demo", "--folder", tmp_path)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"{tmp_path}/captions.jsonl" in done.err


def test_the_demo_of_photos(run: Run, tmp_path: Path) -> None:
    """Catches five questions that are not asked, photos without words, or a wrong model."""
    done = run("demo", "photos", "--model", "nano", "--index", tmp_path / "index")
    assert done.code == 0, done.err
    assert "52 images" in done.out
    assert done.out.count("In words:") == 3
    assert done.out.count("By example,") == done.out.count("Like ") == 1
    said = done.out.split("In one word:")[1].splitlines()[1:7]
    assert all(line.split()[0].endswith(".jpg") and len(line.split()) == 7 for line in said)


def test_the_demo_of_photos_asks_for_what_they_show() -> None:
    """Catches photos that were numbered anew under a demo that names them."""
    collection = COLLECTIONS["photos"]
    rows = map(json.loads, (EXAMPLES / "photos" / "captions.jsonl").read_text().splitlines())
    captions = {f"images/{row['image']}": " ".join(row["captions"]) for row in rows}
    assert "mountain" in captions[next(iter(collection.examples))]
    assert "cat" in captions[next(iter(collection.edits))]
    assert "rooster" in captions["images/07.jpg"]
    assert set(collection.worded) <= captions.keys()


def test_the_photos_are_small_and_credited() -> None:
    """Catches a photo without its author and licence, or one that bloats the repository."""
    credits = (PHOTOS / "CREDITS.md").read_text()
    entries = [json.loads(line) for line in (PHOTOS / "captions.jsonl").read_text().splitlines()]
    assert sorted(entry["image"] for entry in entries) == sorted(
        path.name for path in PHOTOS.glob("*.jpg")
    )
    for path in PHOTOS.glob("*.jpg"):
        assert f"`{path.name}`" in credits
        assert path.stat().st_size < 25_000
