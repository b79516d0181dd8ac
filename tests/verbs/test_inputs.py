"""What the verbs take: texts, image files, folders, and JSON lines on stdin or in a file."""

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from e5v import E5V
from e5v.errors import EncodeWarning
from tests.verbs.done import PHOTOS, Run, put_on_stdin


def test_lines_on_stdin(run: Run, model: E5V, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an id that is lost or embedded, and a line that is taken for another kind."""
    cat = str(PHOTOS / "cat.jpg")
    mixture = {"image": cat, "text": "as a dog"}
    lines = ["a dog", cat, {"id": 7, "text": "with id"}, mixture, [cat, "and"], {"text": cat}]
    labels = [
        {"text": "a dog"},
        {"path": cat},
        {"id": 7},
        mixture,
        {"item": [cat, "and"]},
        {"text": cat},
    ]
    put_on_stdin(monkeypatch, "\n\n".join(map(json.dumps, lines)) + "\n")
    done = run("encode")
    vectors = [line.pop("vector") for line in done.lines]
    assert done.lines == labels
    items: list[Any] = ["a dog", cat, "with id", mixture, [cat, "and"], {"text": cat}]
    np.testing.assert_array_equal(np.array(vectors, np.float32), model.encode(items))


def test_dash_and_a_file_of_lines(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches inputs of several kinds that lose their order."""
    (tmp_path / "more.jsonl").write_text('"three"\n{"text": "four"}\n')
    put_on_stdin(monkeypatch, '"two"\n')
    done = run("encode", "one", "-", tmp_path / "more.jsonl", "--text", "five.jpg")
    assert [line["text"] for line in done.lines] == ["one", "two", "three", "four", "five.jpg"]


def test_a_folder_is_walked_in_order(run: Run, tmp_path: Path) -> None:
    """Catches the order of the file system, hidden files, and files that are no images."""
    for name in (
        "b.png",
        "a/z.JPG",
        "a/c/d.png",
        ".hidden.png",
        ".git/e.png",
        "notes.txt",
        "A.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (8, 8)).save(tmp_path / name, format="PNG")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    done = run("encode", tmp_path)
    found = [Path(line["path"]).relative_to(tmp_path).as_posix() for line in done.lines]
    assert found == ["A.png", "a/c/d.png", "a/z.JPG", "b.png"]


def test_what_a_folder_holds_beside_images(run: Run, tmp_path: Path) -> None:
    """Catches videos that are left out of a folder without a word, and images that are."""
    for name in ("a.avif", "b.JP2", "c.jfif"):
        form = {".avif": "AVIF", ".jp2": "JPEG2000"}.get(Path(name).suffix.lower(), "JPEG")
        PIL.Image.new("RGB", (32, 32), "red").save(tmp_path / name, format=form)
    for name in ("x.mov", "y.MOV", "sub/z.psd", ".hidden.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    done = run("encode", tmp_path)
    assert [Path(line["path"]).name for line in done.lines] == ["a.avif", "b.JP2", "c.jfif"]
    assert done.err == "e5v: left out of the folders: 2 .mov, 1 .psd\n"
    done = run("encode", tmp_path / "sub")
    assert (done.code, done.lines) == (2, [])
    assert "holds no images" in done.err
    assert "it has 1 .psd" in done.err


def test_names_that_are_written_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a file URL or a padded path embedded as words, and nobody is warned."""
    cat = PHOTOS / "cat.jpg"
    done = run("encode", cat.resolve().as_uri(), f" {cat}\n")
    assert [line.keys() for line in done.lines] == [{"path", "vector"}] * 2
    assert done.lines[0]["vector"] == done.lines[1]["vector"]
    done = run("encode", "https://example.com/cat.jpg")
    assert (done.code, done.out) == (2, "")
    assert "https://example.com/cat.jpg is a URL, which is not supported" in done.err
    assert run("encode", "file:///nowhere/cat.jpg").code == 2
    put_on_stdin(monkeypatch, '"typo/cat.jpg"\n{"text": "cat.jpg"}\n')
    with warnings.catch_warnings():
        warnings.simplefilter("always", EncodeWarning)
        done = run("encode")
    assert len(done.lines) == 2
    assert done.err.count("\n") == 1
    assert "warning: 1 of 2 texts look like images: 'typo/cat.jpg' (no such file)" in done.err


def test_a_missing_image_is_told(run: Run) -> None:
    """Catches a mistyped path that is embedded as a text."""
    done = run("encode", "one", "photos/nope.jpg", "two")
    message = "photos/nope.jpg does not exist; check the path, or mark a text with --text"
    assert (done.code, done.out, done.err) == (2, "", f"e5v: {message}\n")


def test_a_file_of_another_kind_is_told(run: Run, tmp_path: Path) -> None:
    """Catches a document whose name is embedded in place of what it says."""
    (tmp_path / "notes.txt").write_text("what it says")
    done = run("encode", tmp_path / "notes.txt")
    assert done.code == 2
    assert "notes.txt is a file, but no image and no .jsonl, .parquet or .tar; put its" in done.err
    assert run("encode", "--text", tmp_path / "notes.txt").code == 0


def test_bulk_is_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches megabytes of base64 that are written back beside the vector."""
    put_on_stdin(
        monkeypatch, json.dumps({"image": f"data:image/png;base64,{'A' * 10_000}", "text": "x"})
    )
    done = run("encode", "a", "-", "--skip-errors")
    assert len(done.out) + len(done.err) < 5_000


@pytest.mark.parametrize("nest", ["%s", '{"image": %s}', '[{"image": [%s]}]'])
def test_base64_is_bulk_under_its_own_key(
    run: Run, monkeypatch: pytest.MonkeyPatch, nest: str
) -> None:
    """Catches an image that is repeated because it does not start as a data URI does."""
    image = base64.b64encode((PHOTOS / "cat.jpg").read_bytes()).decode()
    put_on_stdin(monkeypatch, nest % json.dumps({"base64": image}))
    (line,) = run("encode").lines
    del line["vector"]
    assert len(image) > 1_000
    assert len(json.dumps(line)) < 200
