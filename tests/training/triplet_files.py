"""Write files of triplets, and tell which rows could not be read."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e5v.training.triplets import Triplet, Triplets

DOG = Triplet("A dog runs.", "An animal moves.", ("A dog sleeps.",))
CAT = Triplet("A cat sits.", "A pet rests.")
ROWS: list[dict[str, Any]] = [
    {"sent0": "A dog runs.", "sent1": "An animal moves.", "hard_neg": "A dog sleeps."},
    {"sent0": "A cat sits.", "sent1": "A pet rests.", "hard_neg": None},
]


def write_csv(path: Path, text: str | bytes) -> Path:
    """Write a CSV as it stands, and return its path."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows in the format of the path's suffix."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def causes(read: Triplets) -> list[tuple[int, str]]:
    """Give row and cause of each broken row."""
    return [(one.row, one.cause) for one in read.broken]
