"""`e5v index`: what it says it did, and what it refuses."""

import shutil
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from e5v import E5V
from e5v.cli import main
from e5v.errors import DataError
from e5v.files import locked
from e5v.search.index import Index
from e5v.search.index_model import manifest_of
from e5v.search.sync import FolderSync
from e5v.search.writer import writing
from e5v.verbs import index_report
from e5v.verbs.console import Bar
from tests.verbs.done import PHOTOS, Run


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """Give a folder of four photos with captions, and a file that cannot be read."""
    folder = tmp_path / "things"
    shutil.copytree(PHOTOS, folder)
    (folder / "CREDITS.md").unlink()
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def test_what_was_done_is_told(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches figures that are not those of the run, and a broken file kept quiet."""
    index = tmp_path / "index"
    done = run("index", things, "--index", index)
    fault = f"{things}/broken.png is not an image of a known format"
    told = {"index": str(index), "embedded": 4, "reused": 0, "removed": 0, "cut": 0, "offline": 0}
    told |= {"kept_until": None, "left_out": {}, "excluded": [], "included": [], "missing": []}
    told |= {"system_folders": {}, "installable": {}}
    told["unreadable"] = [fault]
    assert (done.code, done.err) == (0, "")
    assert done.lines == [told | {"items": 4}]
    (things / "cat.jpg").rename(things / "kitten.jpg")
    (things / "captions.jsonl").unlink()
    done = run("index", "--index", index)  # what was indexed before
    assert done.lines[0] == told | {"items": 4, "embedded": 0, "reused": 4, "removed": 4}


def test_on_a_terminal(run: Run, things: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a count that is wrong and faults in between the results."""
    monkeypatch.setenv("E5V_INDEX", str(things.parent / "index"))
    monkeypatch.setattr(index_report, "NAMED", 1)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    (things / "empty.txt").touch()
    for name in ("a.wav", "b.wav", "c.psd"):
        (things / name).touch()
    done = run("index", things)
    assert done.out.endswith("removed. Left out: 2 .wav, 1 .psd.\n")
    assert "4 items in" in done.out
    assert "4 embedded, 0 reused, 0 removed." in done.out
    assert done.err.splitlines()[-1].endswith(
        "and 1 more that cannot be indexed; --json names them all"
    )
    done = run("index", "--audit")
    assert "100.00% of the 10 nearest were found, asked with 4 of 4 items" in done.out


def test_audit(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches an audit that indexes, or falls over where there is nothing."""
    done = run("index", "--audit", "--index", tmp_path / "index")
    assert (done.code, "holds no index" in done.err) == (2, True)
    run("index", things, "--index", tmp_path / "index")
    (things / "cat.jpg").unlink()
    done = run("index", "--audit", "--index", tmp_path / "index")
    assert {"entries": 4, "queries": 4, "recall": 1.0}.items() <= done.lines[0].items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist; check the path"),
        ([], "nothing to index; give FOLDER"),
    ],
)
def test_what_cannot_be_indexed(
    run: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Catches a model opened, or an index made, for nothing."""
    done = run("index", *arguments, "--index", tmp_path / "index")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "index").exists()


def test_another_model_is_refused(
    run: Run, things: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """Catches an index of two models' vectors, also where nothing is new."""
    index = tmp_path / "index"
    run("index", things, "--index", index)
    code = main(["index", str(things), "--index", str(index), "--dtype", "bfloat16"])
    told = capsys.readouterr().err
    assert code == 1
    assert f"made with {folder} (fingerprint" in told
    assert "open it in float32, or use another index (--dtype)" in told


def test_a_second_writer_is_refused(run: Run, things: Path, tmp_path: Path, model: E5V) -> None:
    """Catches two processes writing one index, and a wait without a word."""
    with writing(tmp_path / "index", lambda: manifest_of(model, "small")):
        done = run("index", things, "--index", tmp_path / "index")
    assert done.code == 1
    assert "is being written by process" in done.err


def test_a_folder_that_is_missing(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches an index that cannot be updated, or loses entries, while a disk is not mounted."""
    more, index = tmp_path / "more", tmp_path / "index"
    more.mkdir()
    (more / "note.txt").write_text("words")
    run("index", things, more, "--index", index)
    aside = more.rename(tmp_path / "aside")
    done = run("index", "--index", index)
    assert (done.code, done.lines[0]["removed"], done.lines[0]["items"]) == (0, 0, 4)
    assert (done.lines[0]["offline"], done.lines[0]["missing"]) == (1, [str(more)])
    in_a_month = datetime.now() + timedelta(days=30)
    assert done.lines[0]["kept_until"] == in_a_month.date().isoformat()
    assert run("index", more, "--index", index).code == 0  # named, and still away
    aside.rename(more)
    done = run("index", "--index", index)
    assert (done.lines[0]["items"], done.lines[0]["embedded"], done.lines[0]["offline"]) == (
        5,
        0,
        0,
    )
    shutil.rmtree(more)
    done = run("index", "--forget", "--index", index)
    assert (done.code, done.lines[0]["removed"], done.lines[0]["missing"]) == (0, 1, [])
    assert run("index", "--index", index).lines[0]["missing"] == []


def test_how_long_missing_files_are_kept(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches days that are refused, not remembered, or taken for something else."""
    index = tmp_path / "index"
    run("index", things, "--index", index, "--keep-days", 90)
    (things / "captions.jsonl").unlink()
    (things / "cat.jpg").unlink()
    done = run("index", "--index", index)
    in_90_days = datetime.now() + timedelta(days=90)
    assert done.lines[0]["kept_until"] == in_90_days.date().isoformat()
    done = run("index", "--index", index, "--keep-days", 0)
    assert (done.lines[0]["offline"], done.lines[0]["kept_until"]) == (0, None)


def test_what_an_extra_would_take_is_told(
    run: Run, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches reports and clips that are passed over without a word about what would take them."""
    index = tmp_path / "index"
    (things / "@eaDir").mkdir()
    for name in ("a.pdf", "b.docx", "c.mp4"):
        (things / name).write_bytes(b"x")
    with monkeypatch.context() as patch:
        for place in ("media.kinds", "search.reading"):
            patch.setattr(f"e5v.{place}.can_read", lambda kind: False)
        told = run("index", things, "--index", index).lines[0]
        assert told["left_out"] == {".pdf": 1, ".docx": 1, ".mp4": 1}
        assert told["installable"] == {"documents": [".pdf", ".docx"], "video": [".mp4"]}
        assert (told["system_folders"], len(told["unreadable"])) == ({"@eaDir": 1}, 1)
        patch.setattr(sys.stdout, "isatty", lambda: True)
        line = run("index", "--index", index).out
        assert "To take .pdf, .docx, .mp4: pip install 'e5v[documents,video]'." in line
        assert "Folders passed over: 1 @eaDir." in line
    told = run("index", "--index", index, "--include", "*.mp4", "--frames", 2).lines[0]
    assert (told["included"], told["installable"], told["items"]) == (["*.mp4"], {}, 0)
    assert [f"{things}/c.mp4 is broken: " in line for line in told["unreadable"]] == [True]


def test_unfollow_and_exclude(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches a folder that cannot be given up, a slip of the pen, and a pattern not remembered."""
    more, index = tmp_path / "more", tmp_path / "index"
    (more / "drafts").mkdir(parents=True)
    for name in ("one.txt", "two.md", "drafts/three.txt", "film.wav"):
        (more / name).write_text(name)
    done = run("index", things, more, "--index", index)
    assert (done.lines[0]["items"], done.lines[0]["left_out"]) == (7, {".wav": 1})
    done = run("index", "--index", index, "--exclude", "*.md", "--exclude", "drafts/", more)
    assert (done.lines[0]["removed"], done.lines[0]["excluded"]) == (2, ["*.md", "drafts/"])
    assert run("index", "--index", index).lines[0]["items"] == 5
    done = run("index", "--index", index, "--clear-exclude", "--exclude", "*.txt")
    assert (done.lines[0]["items"], done.lines[0]["excluded"]) == (5, ["*.txt"])

    for folder, hint in ((tmp_path / "mroe", ""), (more / "drafts", "use --exclude")):
        done = run("index", "--index", index, "--unfollow", folder)
        assert done.code == 2
        assert f"{folder} is not followed; the followed folders are: {things}, {more}" in done.err
        assert hint in done.err
    done = run("index", "--index", index, "--unfollow", more)
    assert (done.lines[0]["removed"], done.lines[0]["items"]) == (1, 4)
    done = run("index", "--index", index, "--unfollow", things)
    assert (done.code, done.lines[0]["removed"], done.lines[0]["items"]) == (0, 4, 0)


def test_a_bad_pattern_is_refused(run: Run, things: Path, tmp_path: Path) -> None:
    """Catches an index made for a mistake, and a pattern that leaves out nothing it should."""
    done = run("index", things, "--index", tmp_path / "index", "--exclude", "!cat.jpg")
    assert (done.code, "begins with '!', which is not supported" in done.err) == (2, True)
    assert not (tmp_path / "index").exists()


def test_nothing_is_written_once_the_lock_is_gone(
    run: Run, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an interrupted run that commits while another may already be writing."""
    commit, held = FolderSync._commit, []

    def watched(sync: FolderSync) -> None:
        try:
            with locked(tmp_path / "index"):
                held.append(False)
        except DataError:
            held.append(True)
        commit(sync)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderSync, "_commit", watched)
    monkeypatch.setattr(Bar, "reach", interrupt)
    done = run("index", things, "--index", tmp_path / "index")
    assert (done.code, held) == (130, [True])
    assert len(Index.open(tmp_path / "index")) > 0


def test_watching(run: Run, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a change that is not followed, and a line for every look at nothing new."""
    index, looks = tmp_path / "index", []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            shutil.copy(things / "cat.jpg", things / "copy.jpg")
        if len(looks) == 4:
            assert len(Index.open(index)) == 5
            (things / "copy.jpg").unlink()
        if len(looks) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    done = run("index", things, "--index", index, "--watch", "--every", 7)
    assert (done.code, done.err, set(looks)) == (130, "e5v: interrupted\n", {7.0})
    assert [(line["items"], line["reused"], line["removed"]) for line in done.lines] == [
        (4, 0, 0),
        (5, 1, 0),
        (4, 0, 1),
    ]


def test_watching_outlives_a_folder_that_is_away(
    run: Run, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a watch that ends, or loses entries, because a disk was away for some seconds."""
    index, aside, looks = tmp_path / "index", tmp_path / "aside", []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            things.rename(aside)
        if len(looks) == 5:
            aside.rename(things)
        if len(looks) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    done = run("index", things, "--index", index, "--watch")
    away = f"e5v: {things} is missing; its entries are offline until it is back"
    assert done.code == 130
    assert done.err.splitlines() == [away, f"e5v: {things} is back", "e5v: interrupted"]
    assert [(line["items"], line["offline"], line["embedded"]) for line in done.lines] == [
        (4, 0, 4),
        (0, 4, 0),
        (4, 0, 0),
    ]
