"""What a verb leaves behind: verb and arguments -> exit code, stdout and stderr."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

PHOTOS = Path(__file__).parents[1] / "photos"


@dataclass(frozen=True)
class Done:
    """What a verb wrote; `lines` are the JSON objects on stdout."""

    code: int
    out: str
    err: str
    lines: list[dict[str, Any]]


class Run(Protocol):
    """Runs a verb with the small model, in float32."""

    def __call__(self, verb: str, *arguments: object) -> Done:
        """Run it."""


def put_on_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put text on stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def read_vectors(path: Path) -> NDArray[Any]:
    """Read the vectors of a file, whatever its format."""
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    if path.suffix == ".jsonl":
        return np.array([json.loads(line)["vector"] for line in path.read_text().splitlines()])
    column = pq.read_table(path)["vector"].combine_chunks()
    return np.asarray(column.flatten().to_numpy()).reshape(len(column), -1)
