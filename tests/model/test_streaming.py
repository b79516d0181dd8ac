"""What a stream holds of the items that went through it, and lets go."""

import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from e5v import E5V
from e5v.model import streaming
from e5v.model.encoded import Skipped
from e5v.model.preparing import AHEAD

Photos = list[Image.Image]


@pytest.fixture(scope="module")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """A small LLaVA-NeXT with the LLaMA-3 turn, in float32."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


def test_a_skipped_item_is_let_go(model: E5V, tmp_path: Path) -> None:
    """Ten thousand broken photos, each held in memory by the traceback of its error."""

    class Named:
        def __fspath__(self) -> str:
            return str(tmp_path / "absent.jpg")

    held: list[Any] = []

    def items() -> Iterator[Named]:
        for _ in range(3):
            item = Named()
            held.append(weakref.ref(item))
            yield item
            del item

    skipped = list(model.encode_iter(items(), on_error="skip"))
    gc.collect()
    assert [str(one.error)[:6] for one in skipped if isinstance(one, Skipped)] == [
        "item 0",
        "item 1",
        "item 2",
    ]
    assert [reference() for reference in held] == [None] * 3


def test_large_arrays_fill_a_window_too(
    model: E5V, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos of few tokens and many pixels that fill the memory before a window is full."""
    monkeypatch.setattr(streaming, "WINDOW_BYTES", 1, raising=False)
    read = itertools.count()
    stream = model.encode_iter([photos[2], f"like {next(read)}"] for _ in range(200))
    next(stream)
    assert next(read) <= AHEAD // 16 + 2
    stream.close()  # type: ignore[attr-defined]
