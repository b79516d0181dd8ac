"""Results that are kept: each made once, under what conditions, and never mixed with others.

what a result depends on -> the one that is there | made anew, and written when it is whole
planes of results        -> Figure 3
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, describe_versions
from e5v import E5V
from e5v.errors import UsageError
from e5v.evaluation.plane import Plane, draw_planes
from e5v.files import write_file

Record = dict[str, Any]


def is_kept(file: Path, of: Record) -> bool:
    """Tell whether a result is there; `of` is what it depends on.

    Raises:
        UsageError: it is one of something else.
    """
    if not file.exists():
        return False
    kept = json.loads(file.read_text(encoding="utf-8"))["of"]
    other = [name for name in of if of[name] != kept.get(name, of[name])]
    if other:
        raise UsageError(f"{file} is of other {', '.join(other)}; remove it, and it is made anew")
    return True


def describe_conditions(model: E5V) -> Record:
    """Return under what conditions a model is measured, now."""
    return {
        "parameters": sum(one.numel() for one in model.loaded.model.parameters()),
        "machine": asdict(describe_machine()),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "versions": describe_versions(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def draw_gap(shown: Mapping[str, tuple[str, str]], planes: Path, out: Path) -> bool:
    """Draw the panels of Figure 3 beside each other, if all of them were measured here.

    `shown` has, by the title of a panel, the name of a result and its variant; `planes` is the
    folder of their planes.
    """
    found: dict[str, Plane] = {}
    for title, (label, variant) in shown.items():
        file = planes / f"{label}.json"
        if not file.exists():
            return False
        found[title] = Plane(**json.loads(file.read_text(encoding="utf-8"))[variant])
    write(out, draw_planes(found))
    return True


def write(file: Path, content: str | bytes) -> None:
    """Write a file that appears when it is whole, in a folder that may have to be made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, content)
