"""The tensors in a checkpoint's files: where each one is, reading it, writing over it.

folder -> headers of its safetensors files -> name -> Place -> tensor, or bytes

A file is copied whole and what changes in it is written over its own place, so that all else stays
as it was, bit for bit, and memory holds one tensor at a time.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from e5v.errors import ModelError, UsageError
from e5v.files import beside

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SIZE_BYTES = 8  # the length of the header, before it


@dataclass(frozen=True)
class Place:
    """Where a tensor stands: its file, and its bytes there."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint folder, by name."""

    folder: Path
    places: Mapping[str, Place]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold them, in order of name."""
        return tuple(sorted({place.file for place in self.places.values()}))

    def tensor(self, name: str) -> Tensor:
        """Read one tensor."""
        with safe_open(self.folder / self.places[name].file, "pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor

    def content(self, name: str) -> bytes:
        """Read the bytes of one tensor."""
        place = self.places[name]
        with (self.folder / place.file).open("rb") as file:
            file.seek(place.start)
            return file.read(place.size)

    def overwrite(self, name: str, tensor: Tensor) -> None:
        """Write a tensor of the same shape and type over the one of that name."""
        place = self.places[name]
        content = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        if len(content) != place.size:
            raise ValueError(f"{name} has {place.size} bytes; got {len(content)}")
        with (self.folder / place.file).open("r+b") as file:
            file.seek(place.start)
            file.write(content)


def open_weights(folder: Path) -> Weights:
    """Read where the tensors of a checkpoint are.

    Raises:
        ModelError: a file is missing or cut short, or the weights are no safetensors.
    """
    files = _listed(folder)
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise ModelError(
            f"{folder} lacks {len(absent)} of {len(files)} files of weights ({absent[0]}, ...); "
            "get the whole checkpoint"
        )
    return Weights(folder, {name: place for file in files for name, place in _header(folder, file)})


def _listed(folder: Path) -> list[str]:
    if (folder / INDEX).is_file():
        try:
            listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
            return sorted({str(Path(file)) for file in listed.values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{folder / INDEX} is broken: {error!r}; get it again") from None
    if (folder / SINGLE).is_file():
        return [SINGLE]
    others = sorted(path.name for path in folder.glob("*.bin"))
    if others:
        raise ModelError(
            f"{folder} holds its weights in {others[0]}; expected safetensors: open it with "
            "transformers and save it again with save_pretrained"
        )
    raise ModelError(f"{folder} has neither {SINGLE} nor {INDEX}; expected a model checkpoint")


def _header(folder: Path, name: str) -> Iterator[tuple[str, Place]]:
    """Read the header of one file: a length, then JSON."""
    path = folder / name
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(SIZE_BYTES), "little")
            entries = json.loads(file.read(min(length, path.stat().st_size)))
        entries.pop("__metadata__", None)
        first = SIZE_BYTES + length
        for key, entry in entries.items():
            start, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            yield key, Place(name, entry["dtype"], shape, first + start, end - start)
        last = first + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{path} is no safetensors file: {error!r}; get it again") from None
    if last != path.stat().st_size:
        raise ModelError(
            f"{path} has {path.stat().st_size} bytes; expected {last}: get it again, it was cut"
        )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside `target` that gets its name if the block ends well; else it is removed.

    Raises:
        UsageError: the target is there already, or has no folder to stand in.
    """
    whole = target.resolve()
    if not whole.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist; make it first")
    if whole.exists() and not (whole.is_dir() and not any(whole.iterdir())):
        raise UsageError(f"{target} is there already; name a new folder")
    part = beside(whole)
    part.mkdir()
    try:
        yield part
        if whole.is_dir():
            whole.rmdir()
        part.replace(whole)
    finally:
        shutil.rmtree(part, ignore_errors=True)
