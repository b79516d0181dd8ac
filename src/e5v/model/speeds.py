"""How fast models were on this machine: a small file for each, in e5v's cache.

results of a run -> Meter -> Speed, if there were enough -> its file, replaced whole
files of a device and dtype -> Speed of each model

A file is written by one rename, and holds one measurement: of two processes that write the same
one, the later is kept, and neither can spoil it.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from e5v.files import write_file
from e5v.model.bundled import cache_folder

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

Kind = Literal["photo", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDER = "speeds"
LEAST_ITEMS, LEAST_SECONDS = 16, 5.0  # of a run that counts
MOST_ITEMS = 10_000  # after which nothing more is counted
LEAST_SHARE = 0.95  # of the tokens that are of one kind
DIGITS = 16  # of a digest that names a file

Result = TypeVar("Result")


@dataclass(frozen=True)
class Speed:
    """How fast a model read tokens of one kind, on a device (`machine.name_device`) in a dtype."""

    model: str
    recipe: str
    device: str
    dtype: str
    kind: Kind
    tokens_per_second: float
    items: int


class Meter:
    """Counts what a run embeds, and how long that takes; the same content counts once.

    It looks at the first 10,000 items.
    """

    def __init__(self) -> None:
        self._tokens = dict.fromkeys(KINDS, 0)
        self._items = dict.fromkeys(KINDS, 0)
        self._seen: set[bytes] = set()
        self._seconds = 0.0

    def watch(self, results: Iterable[Result]) -> Iterator[Result]:
        """Pass on the results of an embedder (`Encoded` or `Skipped`)."""
        begun, before = time.monotonic(), self._seconds
        for result in results:
            if len(self._seen) < MOST_ITEMS:
                self._count(result)
                self._seconds = before + time.monotonic() - begun
            yield result

    def _count(self, result: object) -> None:
        digest, tokens = getattr(result, "digest", b""), getattr(result, "tokens", 0)
        if tokens and digest not in self._seen:
            self._seen.add(digest)
            kind: Kind = "text" if getattr(result, "is_text", True) else "photo"
            self._items[kind] += 1
            self._tokens[kind] += tokens

    def measured(self) -> tuple[Kind, float, int] | None:
        """Return kind, tokens per second and items of the run; None if it does not count."""
        total = sum(self._tokens.values())
        for kind in KINDS:
            items, tokens = self._items[kind], self._tokens[kind]
            enough = items >= LEAST_ITEMS and self._seconds >= LEAST_SECONDS
            if enough and tokens >= LEAST_SHARE * total:
                return kind, tokens / self._seconds, items
        return None


def keep_speed(meter: Meter, model: "E5V", name: str) -> None:
    """Write down how fast a model was in a run, if the run counts.

    It does if the model ran here, on one device and with full weights. If the cache cannot be
    written, nothing is kept.
    """
    found = meter.measured()
    if found is None:
        return
    from e5v.model.encoder import Encoder
    from e5v.model.machine import name_device

    if not isinstance(model.encoder, Encoder) or model.loaded.weights != "full":
        return
    kind, rate, items = found
    dtype = str(model.dtype).removeprefix("torch.")
    recipe, device = model.loaded.recipe.name, name_device(model.device)
    with suppress(OSError):
        write_speed(Speed(name, recipe, device, dtype, kind, rate, items))


def write_speed(speed: Speed) -> None:
    """Write a measurement into the file of its model, device, dtype and kind."""
    key = (speed.model, speed.recipe, speed.device, speed.dtype, speed.kind)
    name = hashlib.blake2b("\n".join(key).encode()).hexdigest()[:DIGITS]
    folder = cache_folder() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / f"{name}.json", json.dumps(asdict(speed), indent=2) + "\n")


def read_speeds(device: str, dtype: str) -> dict[tuple[str, Kind], Speed]:
    """Return what was measured on a device in a dtype, by model and kind.

    A file that is broken, or of another version, is passed over.
    """
    found: dict[tuple[str, Kind], Speed] = {}
    for file in sorted((cache_folder() / FOLDER).glob("*.json")):
        speed = _read_speed(file)
        if speed and (speed.device, speed.dtype) == (device, dtype):
            found[speed.model, speed.kind] = speed
    return found


def _read_speed(file: Path) -> Speed | None:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        speed = Speed(**{one.name: held[one.name] for one in fields(Speed)})
        usable = speed.tokens_per_second > 0 and speed.kind in KINDS
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return speed if usable else None
