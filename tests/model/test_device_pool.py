"""A model on several devices: the bits, order and errors of one, and no process left over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from e5v import E5V, ItemError, ModelError
from e5v.errors import UsageError
from e5v.model.device_pool import DevicePool
from e5v.model.devices import list_devices
from tests.warm_python import replacing

BUDGET = 64  # tokens of a batch: many batches, and more than one window of items
QUALITIES = ("small", "old", "quick", "wet", "happy", "loud", "tired")


@pytest.fixture(scope="module")
def folder(checkpoints: Callable[[str], Path]) -> Path:
    """Give a small LLaVA-NeXT."""
    return checkpoints("llava_next_llama3")


@pytest.fixture(scope="module")
def one(folder: Path) -> E5V:
    """Open it on one device."""
    return E5V(folder, dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def two(folder: Path, warm_python: Path) -> Iterator[E5V]:
    """Open it in two processes, for all tests that leave them alive."""
    with replacing(warm_python), _opened_twice(folder) as model:
        yield model


@contextmanager
def _opened_twice(folder: Path) -> Iterator[E5V]:
    model = E5V(folder, dtype="float32", device=["cpu", "cpu"])
    yield model
    for other in _pool(model).others:
        other.close()


def _pool(model: E5V) -> DevicePool:
    assert isinstance(model.encoder, DevicePool)
    return model.encoder


def _texts(count: int) -> list[str]:
    words = [QUALITIES[number % 7] for number in range(count)]
    return [f"{number} a {word} dog " * (1 + number % 5) for number, word in enumerate(words)]


def test_same_bits_and_order_as_one_device(one: E5V, two: E5V, photos: list[Any]) -> None:
    """Catches rows in the order of arrival, a row of another item, and other batches."""
    items = [*_texts(600), photos[0], {"image": photos[1], "text": "but red"}, *_texts(20)]
    expected = one.encode(items, batch_tokens=BUDGET)
    assert np.array_equal(two.encode(items, batch_tokens=BUDGET), expected)
    assert np.array_equal(two.states(items[:30]), one.states(items[:30]))
    assert two.words("a dog") == one.words("a dog")
    assert [device.pid for device in _pool(two).others] != [os.getpid()]


def test_both_processes_work(two: E5V, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a queue that one device empties alone."""
    asked: list[int] = []
    other = _pool(two).others[0]
    states = other.states

    def count(batch: Any) -> Any:
        asked.append(len(batch))
        return states(batch)

    monkeypatch.setattr(other, "states", count)
    two.encode(_texts(400), batch_tokens=BUDGET)
    assert 0 < sum(asked) < 400


@pytest.mark.parametrize("place", [0, 350])
def test_a_bad_item_is_named_after_the_items_before_it(two: E5V, place: int) -> None:
    """Catches items that were begun and are lost when a later one fails."""
    items: list[Any] = _texts(place)
    stream = two.encode_iter([*items, {"image": "missing.jpg"}, "a cat"], batch_tokens=BUDGET)
    seen: list[Any] = []
    with pytest.raises(ItemError, match=f"item {place}"):
        seen.extend(stream)
    assert place - len(seen) <= place // 2  # those of the window that it is in


@pytest.mark.usefixtures("warm")
def test_a_process_that_dies_is_an_error_that_names_it(folder: Path) -> None:
    """Catches a hang, or vectors that were never computed."""
    with _opened_twice(folder) as two:
        os.kill(_pool(two).others[0].pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ModelError, match="the process of cpu ended with status -9"):
                two.encode(_texts(400), batch_tokens=BUDGET)


@pytest.mark.usefixtures("warm")
def test_an_error_of_a_process_is_that_of_one_device(folder: Path, tmp_path: Path) -> None:
    """Catches errors that become tracebacks, and devices that nothing checks."""
    with pytest.raises(ModelError, match="there is no folder"):
        E5V(tmp_path / "nothing", device=["cpu", "cpu"])
    with pytest.raises(UsageError, match='device "gpu" cannot be used here'):
        E5V(folder, device=["cpu", "gpu"])


@pytest.mark.usefixtures("warm")
def test_processes_end_with_the_program(folder: Path) -> None:
    """Catches processes that keep a GPU's memory when the program was killed."""
    code = (
        "import sys, time; from e5v import E5V; "
        f"model = E5V({str(folder)!r}, dtype='float32', device=['cpu', 'cpu']); "
        "print(model.encoder.others[0].pid, flush=True); time.sleep(600)"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert program.stdout
    with program.stdout:
        pid = int(program.stdout.readline())
        program.kill()
        program.wait()
    deadline = time.monotonic() + 600
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline and not _is_zombie(pid):
            os.kill(pid, 0)
            time.sleep(0.05)
    assert time.monotonic() < deadline


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended and waits for init, which a container may not have."""
    with suppress(FileNotFoundError):
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            == "Z"
        )
    return True


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("cpu", ("cpu",)),
        ("cpu, cpu", ("cpu", "cpu")),
        (["cpu", "cpu"], ("cpu", "cpu")),
        (torch.device("cpu"), ("cpu",)),
        ([torch.device("cpu"), "cpu"], ("cpu", "cpu")),
        ("auto", None),
    ],
)
def test_devices(given: Any, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list that is read otherwise on the command line than in Python."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert list_devices(given) == expected
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert list_devices("auto") == ("cuda:0", "cuda:1")


@pytest.mark.parametrize("given", ["", "cpu,", [], ["cpu", ""]])
def test_no_device(given: Any) -> None:
    """Catches a comma too many that opens the model twice."""
    with pytest.raises(UsageError, match="expected one such as cuda"):
        list_devices(given)


def test_what_is_no_device() -> None:
    """Catches a traceback where a device is of another type."""
    given: Any = 1.5
    with pytest.raises(UsageError, match=r'device "1\.5" cannot be used here'):
        list_devices(given)
