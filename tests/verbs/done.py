"""What a verb leaves behind: verb and arguments -> exit code, stdout and stderr."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


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
