"""`e5v evaluate` as a user meets it."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image, features

from e5v.cli import main
from tests.evaluation.asked import write_cirr

Checkpoints = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """Give a folder of four captioned images."""
    (tmp_path / "own" / "images").mkdir(parents=True)
    rows = []
    for number, photo in enumerate(photos):
        photo.save(tmp_path / "own" / "images" / f"{number}.png")
        rows.append(json.dumps({"image": f"{number}.png", "text": f"photo {number}"}))
    (tmp_path / "own" / "captions.jsonl").write_text("\n".join(rows))
    return tmp_path / "own"


def test_figures_and_a_report(
    folder: Path, checkpoints: Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures on the terminal that are not those of the report."""
    model, out = str(checkpoints("llava_next_llama3")), tmp_path / "report"
    command = ["evaluate", model, "--data", str(folder), "--out", str(out), "--ablate", "prompt"]
    assert main([*command, "--cache", str(tmp_path / "cache.db"), "--gap"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert len(lines) == 3 * 6
    assert {line["benchmark"] for line in lines} == {
        f"own folder, {label}" for label in ("no prompt", "prompt", "one word")
    }
    assert "no gap was measured" in printed.err
    report = json.loads((out / "report.json").read_text())
    assert len(report["figures"]) == len(lines)
    assert (out / "report.html").read_text().startswith("<!")
    assert report["setting"]["prompts"]["no prompt: retrieval, image"] == "<image>"


def test_a_set_of_the_hub(
    checkpoints: Checkpoints,
    photos: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Data sets that a user cannot reach, or figures of another model beside ours."""
    datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")
    cells = {"image": photos, "text": [[f"photo {n}", "a photo"] for n in range(len(photos))]}
    table = datasets.Dataset.from_dict(cells).cast_column("image", datasets.Image())
    asked: list[object] = []

    def load(name: str, _subset: str | None = None, **options: object) -> object:
        asked.extend((name, options["split"]))
        return table

    monkeypatch.setattr(datasets, "load_dataset", load)
    command = ["evaluate", str(checkpoints("llava_next_llama3")), "--benchmark", "coco"]
    assert main([*command, "--paper", "untuned"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert asked == ["royokong/coco_test", "test"]
    assert "e5v: reading COCO 5K from the hub" in printed.err
    papers = {(line["task"], line["metric"]): line["paper"] for line in lines}
    assert papers["image retrieval", "R@5"] == 60.3
    assert papers["image retrieval", "R@1"] is None


def test_a_font_of_ones_own(
    folder: Path, checkpoints: Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A font that is passed over; a font that is none, found out after the model is opened."""
    model = str(checkpoints("llava_next_llama3"))
    command = ["evaluate", model, "--data", str(folder), "--benchmark"]
    font = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    assert main([*command, "i2i-coco", "--font", str(font), "--out", str(tmp_path / "out")]) == 0
    assert "DejaVu Sans Book" in (tmp_path / "out" / "report.md").read_text()
    capsys.readouterr()
    assert main([*command, "i2i-coco", "--font", str(folder / "captions.jsonl")]) == 2
    assert main([*command, "coco", "--font", str(font)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "captions.jsonl cannot be read" in first
    assert "--font draws the captions of" in second


def test_a_report_says_how_images_were_tiled(
    folder: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Catches figures with the errors of another library that look like the usual ones."""
    command = ["evaluate", str(checkpoints("llava_next_llama3")), "--data", str(folder)]
    for name, options in (("usual", []), ("old", ["--tiling", "transformers-4.41"])):
        assert main([*command, *options, "--out", str(tmp_path / name)]) == 0
    usual, old = (
        json.loads((tmp_path / one / "report.json").read_text()) for one in ("usual", "old")
    )
    assert [one["setting"]["tiling"] for one in (usual, old)] == ["correct", "transformers-4.41"]
    assert usual["setting"]["fingerprint"] != old["setting"]["fingerprint"]
    assert "transformers-4.41" in (tmp_path / "old" / "report.md").read_text()
    assert "tiling" not in (tmp_path / "usual" / "report.md").read_text()


def test_fewer_tokens_of_an_image_are_told(folder: Path, tmp_path: Path) -> None:
    """Catches figures of small images that look like those of the model as it is."""
    command = ["evaluate", "nano", "--data", str(folder), "--image-tokens", "26"]
    assert main([*command, "--out", str(tmp_path / "few")]) == 0
    setting = json.loads((tmp_path / "few" / "report.json").read_text())["setting"]
    assert (setting["image_tokens"], setting["weights"]) == (26, "full")
    told = (tmp_path / "few" / "report.md").read_text()
    assert "tokens of an image" in told
    assert "26 at most" in told


def test_a_layout_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches captions drawn in another layout than was asked for, found out after hours."""
    monkeypatch.setattr(features, "check", lambda feature: False)
    command = ["evaluate", "nano", "--data", str(folder), "--benchmark", "i2i-coco"]
    assert main([*command, "--layout", "raqm"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "layout is raqm, which Pillow does not have" in line
    assert "--layout" in line


def test_a_submission_is_written(
    checkpoints: Checkpoints, photos: list[Image.Image], tmp_path: Path
) -> None:
    """A night's work for a test server that is thrown away, or overwritten by a variant's."""
    cirr = write_cirr(tmp_path / "cirr")
    for number, path in enumerate(sorted(cirr.glob("dev/*.png"))):
        photos[number % 4].rotate(number).save(path)
    command = ["evaluate", str(checkpoints("llava_next_llama3")), "--data", str(cirr)]
    command += ["--benchmark", "cirr-test"]
    assert main(command) == 2
    out = tmp_path / "out"
    assert main([*command, "--out", str(out), "--ablate", "prompt"]) == 0
    files = sorted(path.name for path in out.glob("*CIRR*"))
    assert files == [
        f"{label}-CIRR-{metric}.json"
        for label in ("no-prompt", "one-word", "prompt")
        for metric in ("recall", "recall_subset")
    ]
    assert set(json.loads((out / files[0]).read_text())) == {"version", "metric", "12", "13"}


def test_mistakes_are_told_in_a_line(
    folder: Path, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is opened for minutes before a name turns out to be wrong."""
    model = str(checkpoints("llava_next_llama3"))
    assert main(["evaluate", model, "--data", str(folder), "--benchmark", "coc"]) == 2
    assert main(["evaluate", model, "--data", str(folder / "none")]) == 2
    taken = folder / "captions.jsonl"
    assert main(["evaluate", "no-such-model", "--data", str(folder), "--out", str(taken)]) == 2
    (folder / "images" / "2.png").unlink()
    assert main(["evaluate", model, "--data", str(folder)]) == 1
    assert main(["evaluate", model]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 5, errors
    assert "captions.jsonl is a file; name a folder" in errors[2]
    assert "2.png" in errors[3]
    assert "benchmark folder is not on the hub; give a folder of its data" in errors[4]


def damaged_model(folder: Path) -> str:
    """Make a folder that looks like a model, and cannot be opened."""
    model = folder / "damaged"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"damaged")
    return str(model)


def test_a_gap_that_nobody_would_be_told_is_warned_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A measure that is taken for a night and thrown away: told before a model is opened."""
    assert main(["evaluate", damaged_model(folder), "--data", str(folder), "--gap"]) == 1
    warning, _ = capsys.readouterr().err.splitlines()
    assert warning.endswith("give --out for it")


def test_what_is_left_out_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches files beside the images of a folder left out without a word."""
    for name in ("a.mov", "b.mov", "c.psd", ".hidden.mov"):
        (folder / "images" / name).write_bytes(b"")
    assert main(["evaluate", damaged_model(folder), "--data", str(folder)]) == 1
    assert f"e5v: left out of {folder / 'images'}: 2 .mov, 1 .psd\n" in capsys.readouterr().err


def test_a_report_is_written_whatever_becomes_of_the_figures(
    folder: Path, checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's report that is lost because somebody's `head -1` had seen enough."""

    def closed(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("e5v.verbs.evaluate.show_line", closed)
    out = tmp_path / "out"
    command = ["evaluate", str(checkpoints("llava_next_llama3")), "--data", str(folder)]
    assert main([*command, "--out", str(out)]) == 1
    assert len(json.loads((out / "report.json").read_text())["figures"]) == 6
