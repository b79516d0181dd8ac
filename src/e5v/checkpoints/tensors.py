"""Locate, read and overwrite tensors in a checkpoint's safetensors files.

folder -> headers of its safetensors files -> name -> TensorPlace -> tensor, or bytes

A file is copied whole and changed tensors are overwritten in place, so that everything else stays
bit-identical and only one tensor at a time is in memory.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from e5v.errors import ModelError, UsageError
from e5v.files import replace_folder

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SIZE_BYTES = 8  # of the header's length, which comes first


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor is stored: its file, and its bytes in it."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint folder, by name."""

    folder: Path
    places: Mapping[str, TensorPlace]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the tensors, sorted by name."""
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
        """Overwrite the tensor of that name with one of the same shape and dtype."""
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
        ModelError: a file is missing or truncated, or the weights are not safetensors.
    """
    files = _list_files(folder)
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise ModelError(
            f"{folder} lacks {len(absent)} of {len(files)} files of weights ({absent[0]}, ...); "
            "download the whole checkpoint"
        )
    return Weights(
        folder, {name: place for file in files for name, place in _read_header(folder, file)}
    )


def _list_files(folder: Path) -> list[str]:
    if (folder / INDEX).is_file():
        try:
            listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
            return sorted({str(Path(file)) for file in listed.values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{folder / INDEX} is broken: {error!r}; download it again") from None
    if (folder / SINGLE).is_file():
        return [SINGLE]
    others = sorted(path.name for path in folder.glob("*.bin"))
    if others:
        raise ModelError(
            f"{folder} has its weights in {others[0]}; expected safetensors: open it with "
            "transformers and save it again with save_pretrained"
        )
    raise ModelError(f"{folder} has neither {SINGLE} nor {INDEX}; expected a model checkpoint")


def _read_header(folder: Path, name: str) -> Iterator[tuple[str, TensorPlace]]:
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
            yield key, TensorPlace(name, entry["dtype"], shape, first + start, end - start)
        last = first + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{path} is not a safetensors file: {error!r}; download it again"
        ) from None
    if last != path.stat().st_size:
        raise ModelError(
            f"{path} has {path.stat().st_size} bytes; expected {last}: download it again"
        )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder, renamed to `target` if the block succeeds; otherwise it is removed.

    Raises:
        UsageError: the target exists, or its parent folder does not.
    """
    whole = target.resolve()
    if not whole.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist; create it first")
    if whole.exists() and not (whole.is_dir() and not any(whole.iterdir())):
        raise UsageError(f"{target} already exists; choose a new folder")
    with replace_folder(whole) as part:
        yield part
