"""What an engine's vectors must be, where the weights of its model are on this machine, too.

name -> its files -> kept since the last time | a process of its own, which opens the model and ends
     -> Reference: fingerprint, and vectors of a text and an image

So the process that uses an engine never holds the weights.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from e5v.errors import ModelError
from e5v.files import write_file
from e5v.inputs import RawItem
from e5v.model.bundled import adapter_of, cache_folder
from e5v.model.hub import cached_folder
from e5v.model.locating import WEIGHTS, absolute_name, find_model

ITEMS: Mapping[str, RawItem] = {
    "text": {"text": "Two dogs run through the grass."},
    "image": PIL.Image.linear_gradient("L").resize((97, 64)).convert("RGB"),
}
CHILD = "e5v.model.engine_reference_rows"  # the module of the other process


@dataclass(frozen=True)
class Reference:
    """A model's fingerprint, and its unit vectors (n, d) of `ITEMS`."""

    fingerprint: str
    rows: NDArray[np.float32]


def find_reference(
    name: str, dtype: str, *, trust_remote_code: bool = False, recipe: str | None = None
) -> Reference | None:
    """Return what the engine's vectors must be; None if the model's weights are not here.

    Raises:
        ModelError: the model cannot be opened.
    """
    folder = find_weights(name)
    if folder is None:
        return None
    kept = cache_folder() / "engine" / f"{_digest_files(name, folder, dtype, recipe)}.json"
    if kept.is_file():
        return _read(kept.read_text(encoding="utf-8"))
    how: dict[str, object] = {"model": absolute_name(name), "dtype": dtype, "recipe": recipe}
    how["trust_remote_code"] = trust_remote_code
    done = subprocess.run(
        [sys.executable, "-m", CHILD, json.dumps(how)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise ModelError(f"{name} cannot be compared with the engine: {told[-1]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_file(kept, done.stdout)
    return _read(done.stdout)


def _read(written: str) -> Reference:
    read = json.loads(written)
    return Reference(read["fingerprint"], np.array(read["rows"], np.float32))


def find_weights(name: str) -> Path | None:
    """Return the folder of a model if its weights are on this machine.

    Raises:
        ModelError: there is no such model.
    """
    found = Path(find_model(name))
    if not found.is_dir():
        return cached_folder(name)
    return found if any(path.suffix in WEIGHTS for path in found.iterdir()) else None


def _digest_files(name: str, folder: Path, dtype: str, recipe: str | None) -> str:
    """Digest all that vectors depend on: names, sizes and times of files, dtype and recipe."""
    adapter = adapter_of(name)
    state = blake2b(f"{version('e5v')} {name} {dtype} {recipe}\n".encode(), digest_size=16)
    for place in (folder, *([adapter] if adapter else [])):
        for path in _list_files(place):
            about = path.stat()
            state.update(f"{path.resolve()} {about.st_size} {about.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
