"""How fast models were: what counts as a measurement, and files that stay whole."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from e5v.errors import ItemError
from e5v.model import speeds
from e5v.model.encoded import Encoded, Skipped
from e5v.model.speeds import Meter, Speed, read_speeds, write_speed

SPEED = Speed("a/b", "e5-v", "cpu x, 2 threads", "float32", "photo", 120.0, 40)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E5V_CACHE", str(tmp_path))


def _results(photos: int, texts: int, *, same: bool = False) -> Iterator[Encoded | Skipped]:
    vector = np.zeros(2, np.float32)
    for number in range(photos + texts):
        digest = b"same" if same else str(number).encode()
        tokens = 10 if number >= photos else 100
        yield Encoded(number, vector, cut=False, is_text=tokens == 10, tokens=tokens, digest=digest)
    yield Skipped(photos + texts, ItemError(0, "broken"))


@pytest.mark.parametrize(
    ("photos", "texts", "kind"),
    [(20, 0, "photo"), (0, 20, "text"), (20, 5, "photo"), (20, 100, None), (3, 0, None)],
)
def test_what_counts(
    monkeypatch: pytest.MonkeyPatch, photos: int, texts: int, kind: str | None
) -> None:
    """Catches a speed of mixed items, or of too few, and results that are not passed on."""
    monkeypatch.setattr(speeds, "LEAST_SECONDS", 0.0)
    meter = Meter()
    assert len(list(meter.watch(_results(photos, texts)))) == photos + texts + 1
    found = meter.measured()
    assert (found[0] if found else None) == kind
    if found:
        assert found[1] > 0
        assert found[2] == max(photos, texts)


def test_equal_items_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a speed that nobody has, of items that were embedded once, and a run too short."""
    meter = Meter()
    list(meter.watch(_results(20, 0)))
    assert meter.measured() is None, "it took no time"
    monkeypatch.setattr(speeds, "LEAST_SECONDS", 0.0)
    assert meter.measured() is not None
    meter = Meter()
    list(meter.watch(_results(20, 0, same=True)))
    assert meter.measured() is None


WRITER = """
import sys
from e5v.model.speeds import Speed, write_speed
for _ in range(50):
    write_speed(Speed("a/b", "e5-v", "cpu", "float32", "photo", float(sys.argv[1]), 40))
"""


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Catches a file half of one process and half of the other, and temporary files left."""
    rates = ("1.5", "123456789.25")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, rate]) for rate in rates]
    assert [writer.wait() for writer in writers] == [0, 0]
    [file] = (tmp_path / speeds.FOLDER).iterdir()
    assert json.loads(file.read_text())["tokens_per_second"] in set(map(float, rates))


def test_only_what_fits_is_read(tmp_path: Path) -> None:
    """Catches a speed of another device or dtype, and a broken file that stops `e5v models`."""
    assert read_speeds(SPEED.device, SPEED.dtype) == {}
    others = (
        replace(SPEED, device="cuda"),
        replace(SPEED, dtype="bfloat16"),
        replace(SPEED, kind="text"),
    )
    for one in (SPEED, *others):
        write_speed(one)
    (tmp_path / speeds.FOLDER / "broken.json").write_text("{")
    (tmp_path / speeds.FOLDER / "old.json").write_text('{"model": "a/b"}')
    zero = asdict(SPEED) | {"model": "c", "tokens_per_second": 0}
    (tmp_path / speeds.FOLDER / "zero.json").write_text(json.dumps(zero))
    read = read_speeds(SPEED.device, SPEED.dtype)
    assert read == {("a/b", "photo"): SPEED, ("a/b", "text"): others[2]}
