"""`e5v push` as a user meets it, with a hub on this machine."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from huggingface_hub import constants

import e5v.model.verify
from e5v.cli import main
from e5v.model.verify import Check
from tests.adapters import write_adapter
from tests.model.fake_hub import refusing
from tests.verbs.taking_hub import Taken, serve

ID = "somebody/tuned"
CARD = '---\nbase_model: "somebody/base"\n---\n# A model\n'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Taken]:
    """Run a hub, logged in."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    with serve() as taken:
        monkeypatch.setattr(constants, "ENDPOINT", taken.url)
        yield taken


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Make the checks of e5v verify quick; they pass unless False is put into the list."""
    verdicts = [True]

    def verify(model: str, **_: object) -> Iterator[Check]:
        del model
        yield Check("made up", passed=verdicts[-1], figure="1", limit="1")

    monkeypatch.setattr(e5v.model.verify, "verify", verify)
    return verdicts


@pytest.fixture
def tuned(folder: str, tmp_path: Path) -> Path:
    """Give a checkpoint with its card, and hidden files beside it."""
    copytree(folder, tmp_path / "tuned")
    (tmp_path / "tuned" / "README.md").write_text(CARD)
    (tmp_path / "tuned" / ".cache").mkdir()
    (tmp_path / "tuned" / ".cache" / "secret").write_text("hidden")
    return tmp_path / "tuned"


@pytest.fixture
def trained(folder: str, tmp_path: Path) -> Path:
    """Give what a training run leaves."""
    run = tmp_path / "run"
    run.mkdir()
    write_adapter(run / "adapter", Path(folder))
    (run / "adapter" / "README.md").unlink()  # peft's; e5v train writes none
    (run / "recipe.json").write_text(json.dumps({"model": folder, "steps": 10, "data": ["/x"]}))
    return run


def push(*arguments: object) -> int:
    """Run the verb."""
    return main(["push", *map(str, arguments), "--dtype", "float32"])


@pytest.mark.usefixtures("quick")
def test_a_checkpoint_is_uploaded(
    hub: Taken, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is left out or changed, a hidden one that gets out, a model that all can see."""
    assert push(tuned, ID, "--private") == 0
    files = [path for path in tuned.iterdir() if path.is_file()]
    assert hub.files == {ID: {path.name: path.read_bytes() for path in files}}
    assert hub.private == {ID: True}
    assert hub.tokens == {"Bearer hf_made_up"}
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    shown = {line["file"]: line["bytes"] for line in lines if "file" in line}
    assert shown == {path.name: path.stat().st_size for path in files}
    assert f"to {hub.url}/{ID}" in printed.err
    (tuned / "README.md").write_text(f"{CARD}again\n")
    assert push(tuned, ID) == 0
    assert hub.files[ID]["README.md"].endswith(b"again\n")


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own
@pytest.mark.usefixtures("quick")
def test_large_files_go_by_lfs(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights that never arrive, or arrive cut off, while the commit says that they are there.

    This is how the client uploads without the package hf_xet, whose servers are not made here.
    """
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    content = (tuned / "model.safetensors").read_bytes()
    with serve(lfs=".safetensors") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert push(tuned, ID) == 0
        assert hub.files[ID]["model.safetensors"] == content
        [oid] = hub.stored
        assert oid == hashlib.sha256(content).hexdigest()
        assert hub.stored[oid] == content
        order = [one for one in hub.asked if "lfs" in one or "commit" in one]
        assert [one.split()[0] for one in order] == ["POST", "PUT", "POST", "POST"]
        assert order[1] == f"PUT /lfs/{oid}"
        assert order[3].endswith("/commit/main")
        assert hub.files[ID]["config.json"] == (tuned / "config.json").read_bytes()

        hub.asked.clear()  # what is there does not go a second time
        assert push(tuned, ID) == 0
        assert not [one for one in hub.asked if one.startswith("PUT")]
        hub.full = True
        hub.stored.clear()
        assert push(tuned, ID) == 1
    assert "the hub answered with HTTP status 507" in capsys.readouterr().err.splitlines()[-1]


def test_an_adapter_is_checked_and_gets_a_card(
    hub: Taken,
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An adapter that nobody can use, and paths of this machine in public."""
    assert push(trained, ID, "--dry-run") == 0
    printed = capsys.readouterr()
    assert '"name": "plain path, image", "passed": true' in printed.out
    assert "dry run: 3 files, " in printed.err
    assert "warning: adapter_config.json names its model by a path" in printed.err
    assert hub.asked == []
    monkeypatch.setattr(e5v.model.verify, "check", lambda _: iter(()))  # made once, above
    assert push(trained / "adapter", ID) == 0
    assert hub.files[ID].keys() == {
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    card = hub.files[ID]["README.md"].decode()
    assert "| steps | `10` |" in card
    assert str(trained.parent) not in card
    assert '"/x"' not in card
    assert not (trained / "adapter" / "README.md").exists()


def test_a_failed_check_uploads_nothing(
    hub: Taken, tuned: Path, quick: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken model in public."""
    quick.append(False)
    assert push(tuned, ID) == 1
    assert "a check failed" in capsys.readouterr().err
    assert hub.asked == []


@pytest.mark.usefixtures("quick")
def test_what_the_hub_refuses(
    hub: Taken,
    tuned: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A traceback, and a public model where a private one was asked for."""
    hub.private[ID] = False
    assert push(tuned, ID, "--private") == 2
    assert f"{ID} exists and is public" in capsys.readouterr().err
    assert hub.files == {}
    for status, words in ((403, "this token may not write there"), (401, "log in again with")):
        hub.refusal = status
        assert push(tuned, ID) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith(f"e5v: {ID} was not uploaded: ")
        assert words in last
    monkeypatch.setattr(constants, "ENDPOINT", refusing())
    assert push(tuned, ID) == 1
    assert "the hub cannot be reached" in capsys.readouterr().err


def test_what_cannot_be_uploaded(
    hub: Taken,
    tuned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistake that is found after minutes of checks."""

    def refuse(*arguments: object) -> str:
        code = push(*arguments)
        [line] = capsys.readouterr().err.splitlines()
        assert code == (1 if "config.json" in line else 2), line
        return str(line)

    assert "does not exist" in refuse(tmp_path / "none", ID)
    assert "'a//b' is not an id of the hub" in refuse(tuned, "a//b")
    assert "is not an id of the hub" in refuse(tuned, "https://huggingface.co/a/b")
    (tmp_path / "empty").mkdir()
    assert "without config.json" in refuse(tmp_path / "empty", ID)
    (tuned / "README.md").write_text("---\nbase_model: /home/me/model\n---\n")
    assert "base_model /home/me/model, a path on this machine" in refuse(tuned, ID)
    (tuned / "README.md").unlink()
    assert "has no README.md, the model card" in refuse(tuned, ID)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    assert "there is no token of the hub" in refuse(tuned, ID)
    assert hub.asked == []


def test_a_dry_run_needs_no_token(
    hub: Taken,
    quick: list[bool],
    tuned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Someone who looks at what would be uploaded before there is an account."""
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    assert push(tuned, ID, "--dry-run") == 0
    warning, *_, last = capsys.readouterr().err.splitlines()
    assert warning.startswith("e5v: warning: there is no token of the hub; log in with")
    assert last.startswith("e5v: dry run: ")
    assert (quick, hub.asked) == ([True], [])
