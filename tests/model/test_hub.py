"""What the hub answers, or does not: one line in a few seconds, and nothing left behind."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from e5v import ModelError
from e5v.model import downloads, hub
from e5v.model.locating import find_model
from tests.model.fake_hub import Answer, Hub, record, refusing, serve, silent

BUNDLED = "nano, nano-base, photos, photos-base"
MODEL = {"config.json": 1_000, "tokenizer.json": 9_000, "README.md": 500}


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Ask a hub at another address; return its cache, which is empty."""

    def ask(url: str) -> Path:
        cache = tmp_path / "cache"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        hub.model_info.cache_clear()
        return cache

    return ask


def _cached(cache: Path, name: str, *files: str) -> Path:
    """Put empty files of a model into the hub's cache."""
    home = cache / f"models--{name.replace('/', '--')}"
    folder = _folder(home / "snapshots" / ("a" * 40), *files)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("a" * 40)
    return folder


def _folder(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_text("{}")
    return folder


def _refusal(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        find_model(name)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    return message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("./nanno", "nano"),
        ("./models/tund", "models/tuned"),
        ("https://huggingface.co/royokong/e5-v", "royokong/e5-v"),
        ("../nothing/like/it", None),
        ("/nowhere/at/all", None),
        ("a/b/c", None),
        ("model.gguf", None),
        ("", None),
    ],
)
def test_a_path_is_not_looked_for_on_the_hub(
    at: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    meant: str | None,
) -> None:
    """A mistyped path that is sent to the hub, and waited for."""
    _folder(tmp_path / "models" / "tuned", "config.json")
    monkeypatch.chdir(tmp_path)
    with serve({}) as running:
        at(running.url)
        message = _refusal(name)
        assert message.startswith("there is no folder ")
        assert message.endswith(f"; did you mean {meant}?" if meant else name or "(empty name)")
        assert running.asked == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nanno", "nano"),
        ("Nano", "nano"),
        ("nano_base", "nano-base"),
        ("royokong/e5v", "royokong/e5-v"),
    ],
)
def test_the_nearest_name_is_suggested(
    at: Callable[[str], Path], tmp_path: Path, name: str, meant: str
) -> None:
    """A typing mistake that is answered with a page about connections."""
    cache = at(refusing())
    message = _refusal(name)
    assert message.startswith(f"{name} is neither bundled ({BUNDLED}), nor a folder, nor ")
    assert message.endswith(f"; did you mean {meant}?")
    assert not cache.exists()


@contextmanager
def _unreachable(kind: str) -> Iterator[str]:
    if kind == "refused":
        yield refusing()
    else:
        with silent() as url:
            yield url


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_an_unreachable_hub_takes_no_time_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    """Forty seconds of retries, a line about each, and an empty folder in the cache."""
    script = (
        "import sys, time; from e5v.errors import ModelError; began = time.monotonic()\n"
        "from e5v.model.locating import find_model\n"
        "try: find_model('no/such-model')\n"
        "except ModelError as error: print(error)\n"
        "print('torch' in sys.modules, time.monotonic() - began)"
    )
    with _unreachable(kind) as url:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={
                "PATH": "",
                "PYTHONPATH": ":".join(sys.path),
                "HF_ENDPOINT": url,
                "HF_HOME": str(tmp_path / "home"),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
    message, last = done.stdout.splitlines()
    assert message.startswith(f"no/such-model is neither bundled ({BUNDLED}), nor a folder")
    assert "nor reachable: 127.0.0.1:" in message
    assert done.stderr == ""
    imported, seconds = last.split()
    assert imported == "False"
    assert float(seconds) < 5 + hub.TIMEOUT  # on a loaded machine; alone it is below 5
    assert list(tmp_path.iterdir()) == []


def test_the_hub_has_the_time_it_is_given(
    at: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that takes a connection and never answers, waited for without an end."""
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "2")
    with silent() as url:
        at(url)
        assert "did not answer in 2 seconds" in _refusal("no/such-model")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(404, "RepoNotFound"), "nor a model on 127.0.0.1:PORT that you may see"),
        (Answer(401, "RepoNotFound"), "nor a model on 127.0.0.1:PORT that you may see"),
        (Answer(403, "GatedRepo"), "request access at http://127.0.0.1:PORT/some/model"),
        (
            Answer(record=record("some/model", MODEL, gated="manual"), gated=True),
            "request access at http://127.0.0.1:PORT/some/model",
        ),
        (Answer(503), "nor available: 127.0.0.1:PORT answered with HTTP status 503"),
        (
            Answer(record=record("some/model", {"adapter_config.json": 1})),
            "some/model is an adapter, not a model; merge it into its model with e5v merge FOLDER",
        ),
        (Answer(record=record("some/model", {"a.gguf": 1})), "some/model contains GGUF weights"),
        (
            Answer(record=record("some/model", {"README.md": 1})),
            "is on the hub without config.json",
        ),
    ],
)
def test_what_the_hub_answers_is_one_line(
    at: Callable[[str], Path], answer: Answer, message: str
) -> None:
    """A gated, private, missing or broken model, all answered with the same page."""
    with serve({"some/model": answer}) as running:
        at(running.url)
        port = running.url.rpartition(":")[2]
        assert message.replace("PORT", port) in _refusal("some/model")


def test_a_model_on_the_hub_is_its_id(at: Callable[[str], Path]) -> None:
    """A model that is there, and refused."""
    files = MODEL | {"model.safetensors": 64}
    with serve({"some/model": Answer(record=record("some/model", files))}) as running:
        at(running.url)
        assert find_model("some/model") == "some/model"


def test_a_cached_model_opens_without_the_hub(
    at: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model on this disk that needs a network; or half of one that is taken for whole."""
    cache = at(refusing())
    folder = _cached(cache, "some/model", "config.json", "model.safetensors")
    assert find_model("some/model") == str(folder)
    half = _cached(cache, "half/model", "config.json", "model.safetensors.index.json")
    listed = json.dumps({"weight_map": {"w": "model-00001-of-00002.safetensors"}})
    (half / "model.safetensors.index.json").write_text(listed)
    assert "half/model is neither bundled" in _refusal("half/model")
    assert "did you mean some/model?" in _refusal("some/modell")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_model("some/model") == str(folder)


def _size(running: Hub, at: Callable[[str], Path], **options: Any) -> downloads.Download | None:
    at(running.url)
    return downloads.download_size("some/model", **options)


def test_the_size_of_a_download(at: Callable[[str], Path]) -> None:
    """Sixteen gigabytes fetched without a warning, or counted with files that nobody reads."""
    files = MODEL | {
        "model-00001-of-00002.safetensors": 4_000_000,
        "model-00002-of-00002.safetensors": 2_000_000,
        "pytorch_model.bin": 6_000_000,
        "onnx/model.onnx": 3_000_000,
        "consolidated.safetensors": 6_000_000,
    }
    values = {"parameters": {"BF16": 3_000_000}, "total": 3_000_000}
    answer = Answer(record=record("some/model", files, safetensors=values))
    with serve({"some/model": answer}) as running:
        found = _size(running, at, dtype="float32", device="cpu")
        assert found == downloads.Download(files=4, size=6_010_000, memory=12_000_000)
        found = _size(running, at, dtype="bfloat16", device="cpu", weights="4bit")
        assert found is not None
        assert found.memory == 1_500_000
        _cached(at(running.url), "some/model", "config.json", "model-00001-of-00002.safetensors")
        found = downloads.download_size("some/model", dtype="bfloat16", device="cpu")
        assert found == downloads.Download(files=2, size=2_009_000, memory=6_000_000)


def test_nothing_is_fetched_for_what_is_here(at: Callable[[str], Path], tmp_path: Path) -> None:
    """A size for a model that is bundled, in a folder, or in the cache."""
    here = _folder(tmp_path / "here", "config.json", "model.safetensors")
    files = {"config.json": 1, "model.safetensors": 64}
    with serve({"some/model": Answer(record=record("some/model", files))}) as running:
        _cached(at(running.url), "some/model", *files)
        for name in ("nano", str(here), "some/model"):
            assert downloads.download_size(name) is None
