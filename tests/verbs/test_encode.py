"""`e5v encode`: formats, inputs, and what becomes of items that cannot be read."""

import base64
import io
import json
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import e5v
import e5v.model.verify
from e5v import E5V
from e5v.errors import EncodeWarning
from e5v.model.loading import DTypeName
from e5v.vectors import Precision
from e5v.verbs import vector_files
from e5v.verbs.encode import Encode
from e5v.verbs.model_options import Opening
from tests.verbs.done import PHOTOS, Run


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put text on stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def read(path: Path) -> NDArray[Any]:
    """Read the vectors of a file, whatever its format."""
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    if path.suffix == ".jsonl":
        return np.array([json.loads(line)["vector"] for line in path.read_text().splitlines()])
    column = pq.read_table(path)["vector"].combine_chunks()
    return np.asarray(column.flatten().to_numpy()).reshape(len(column), -1)


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("suffix", [".npy", ".jsonl", ".parquet"])
def test_a_file_holds_the_vectors_in_order(
    run: Run, model: E5V, tmp_path: Path, suffix: str, precision: Precision
) -> None:
    """Catches a format that loses order, digits or type."""
    items: list[Any] = ["one", PHOTOS / "cat.jpg", "two", "one", PHOTOS / "rocket.jpg"]
    out = tmp_path / f"vectors{suffix}"
    done = run("encode", *items, "--out", out, "--precision", precision)
    assert (done.code, done.out, done.err) == (0, "", "")
    expected = model.encode(items, precision=precision)
    if suffix != ".jsonl":
        assert read(out).dtype == expected.dtype
    np.testing.assert_array_equal(read(out).astype(expected.dtype), expected)
    assert list(tmp_path.iterdir()) == [out]


def test_a_table_is_written_piece_by_piece(
    run: Run, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a writer that holds everything until the end, and columns that come apart."""
    monkeypatch.setattr(vector_files, "GROUP_BYTES", 3 * 5 * 4)
    texts = [f"text {number}" for number in range(7)]
    out = tmp_path / "vectors.table"
    run("encode", *texts, PHOTOS / "cat.jpg", "--out", out, "--format", "parquet", "--dim", 5)
    table = pq.read_table(out)
    assert pq.ParquetFile(out).num_row_groups == 3
    assert table["position"].to_pylist() == list(range(8))
    assert table["source"].to_pylist() == [*texts, str(PHOTOS / "cat.jpg")]
    assert table["kind"].to_pylist() == ["text"] * 7 + ["image"]
    expected = model.encode([*texts, PHOTOS / "cat.jpg"], dim=5)
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), expected)
    facts = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert facts["e5v.model"] == str(model.loaded.name)
    assert (facts["e5v.prompt"], facts["e5v.dim"]) == ("retrieval", "5")


def test_options_reach_the_model(run: Run, model: E5V) -> None:
    """Catches an option that is read and then forgotten."""
    text = "one two three four five six seven eight"
    small = E5V(model.loaded, max_tokens=30)
    done = run("encode", text, "--prompt", "sts", "--dim", 4, "--max-tokens", 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e5v.EncodeWarning)
        expected = small.encode([text], prompt="sts", dim=4)
    np.testing.assert_array_equal(np.array([done.lines[0]["vector"]], np.float32), expected)
    assert done.err == "e5v: 1 item was truncated to fit the model\n"


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
    give(monkeypatch, "\n\n".join(map(json.dumps, lines)) + "\n")
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
    give(monkeypatch, '"two"\n')
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
    give(monkeypatch, '"typo/cat.jpg"\n{"text": "cat.jpg"}\n')
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
    assert "notes.txt is a file, but no image and no .jsonl; put its text in a .jsonl" in done.err
    assert run("encode", "--text", tmp_path / "notes.txt").code == 0


def test_bulk_is_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches megabytes of base64 that are written back beside the vector."""
    give(monkeypatch, json.dumps({"image": f"data:image/png;base64,{'A' * 10_000}", "text": "x"}))
    done = run("encode", "a", "-", "--skip-errors")
    assert len(done.out) + len(done.err) < 5_000


def test_skipping_leaves_out_exactly_the_bad(
    run: Run, model: E5V, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches a good item left out, a bad one unmentioned, and positions that have shifted."""
    (tmp_path / "bad.png").write_bytes(b"no image")
    give(monkeypatch, '"three"\n{broken\n17\n{"image": "gone.png"}\n"seven"\n')
    out = tmp_path / "vectors.parquet"
    bad = [tmp_path / "bad.png", "nope.jpg"]
    done = run("encode", "zero", *bad, "-", "--text", " ", "--skip-errors", "--out", out)
    told = done.err.splitlines()
    starts = [
        f"item 1: {tmp_path}/bad.png is not an image",
        "item 2: nope.jpg does not exist",
        "item 4: line 2 is not JSON",
        "item 5: line 3 is of type int",
        "item 6: line 4 names an image that is missing from the current folder and its images/",
        "item 8: has an empty text",
    ]
    assert done.code == 0
    assert told[-1] == "e5v: 6 of 9 items skipped"
    for line, start in zip(told[:-1], starts, strict=True):
        assert line.startswith(f"e5v: {start}")
    assert pq.read_table(out)["position"].to_pylist() == [0, 3, 7]
    np.testing.assert_array_equal(read(out), model.encode(["zero", "three", "seven"]))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fine", "--text", " "], 2, "e5v: an item has an empty text"),
        (["nope.jpg", "--skip-errors"], 1, "e5v: nothing was encoded"),
        (["fine", "{broken}"], 1, "line 1 is not JSON"),
    ],
)
def test_an_error_leaves_the_old_file(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """Catches a target that is opened before it is known that there is something to write."""
    give(monkeypatch, arguments[1])
    arguments = ["-" if one == "{broken}" else one for one in arguments]
    out = tmp_path / "vectors.parquet"
    out.write_text("old")
    monkeypatch.setattr(vector_files, "GROUP_BYTES", 1)
    done = run("encode", *arguments, "--out", out, "--batch-tokens", 1)
    assert done.code == code
    assert message in done.err
    assert (out.read_text(), list(tmp_path.iterdir())) == ("old", [out])


def test_a_link_stays_a_link(run: Run, tmp_path: Path) -> None:
    """Catches a link that is replaced by a file, and its target left old."""
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert run("encode", "a", "--out", tmp_path / "link.npy").code == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert len(read(tmp_path / "real.npy")) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dim", "9999"], 2, "dim is 9999; expected 1 to 64"),
        (["--prompt", "none"], 2, "has no slot"),
        (["--out", "/dev/null", "--format", "npy"], 2, "is not a plain file"),
        (["--out", "gone/v.npy"], 2, "the folder gone does not exist"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str], code: int, message: str) -> None:
    """Catches a traceback, and an exit code that says nothing."""
    done = run("encode", "a", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert message in done.err
    assert done.err.startswith("e5v: ")


def test_nothing_on_a_terminal_is_misuse(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a command that waits, without a word, for somebody to type JSON."""
    give(monkeypatch, "")
    assert run("encode").code == 1
    give(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    done = run("encode")
    assert (done.code, "give INPUT" in done.err) == (2, True)
    monkeypatch.setattr(sys, "stdin", None)  # as in a shell's `<&-`
    for arguments in ((), ("-",)):
        done = run("encode", *arguments)
        assert (done.code, "give INPUT" in done.err) == (2, True)


def test_choices_are_those_of_the_library() -> None:
    """Catches an option that lags behind: the choices are written twice, to keep help quick."""
    assert get_args(get_type_hints(Encode)["precision"]) == get_args(Precision)
    assert get_args(get_type_hints(Opening)["dtype"]) == get_args(DTypeName)


def test_a_bar_is_for_terminals(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches a bar in a log, and one among the results."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "Encoding" in run("encode", "a", "--out", tmp_path / "v.npy").err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "Encoding" not in run("encode", "a").err


def test_small_vectors_are_written_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of names, held in memory for 16 MiB of signs."""
    monkeypatch.setattr(vector_files, "GROUP_ROWS", 2)
    file = io.BytesIO()
    with closing(vector_files.Parquet(file, {})) as table:
        for number in range(5):
            table.add(vector_files.VectorRow(number, {"text": "x"}, "text", np.zeros(1, np.uint8)))
    written = pq.ParquetFile(io.BytesIO(file.getvalue()))
    assert (written.num_row_groups, written.metadata.num_rows) == (3, 5)


@pytest.mark.parametrize("nest", ["%s", '{"image": %s}', '[{"image": [%s]}]'])
def test_base64_is_bulk_under_its_own_key(
    run: Run, monkeypatch: pytest.MonkeyPatch, nest: str
) -> None:
    """Catches an image that is repeated because it does not start as a data URI does."""
    image = base64.b64encode((PHOTOS / "cat.jpg").read_bytes()).decode()
    give(monkeypatch, nest % json.dumps({"base64": image}))
    (line,) = run("encode").lines
    del line["vector"]
    assert len(image) > 1_000
    assert len(json.dumps(line)) < 200
