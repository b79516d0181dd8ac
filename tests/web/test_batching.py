"""Requests that meet share a pass: by turns, within the budget, and harming nobody."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from e5v import E5V
from e5v.model.preparing import Prepared
from e5v.model.streaming import Stream
from e5v.web.batching import Batcher, ForwardPass

pytestmark = pytest.mark.anyio

Spy = list[list[bytes]]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Note the content of each pass through the model."""
    noted: Spy = []
    before = Stream.vectors

    def spying(stream: Stream, items: Sequence[Prepared]) -> NDArray[np.float32]:
        noted.append([item.digest for item in items])
        return before(stream, items)

    monkeypatch.setattr(Stream, "vectors", spying)
    return noted


@asynccontextmanager
async def batching(model: E5V, budget: int = 200) -> AsyncIterator[Batcher]:
    """Run a batcher."""
    batcher = Batcher(model, budget=budget)
    work = asyncio.create_task(batcher.run())
    async with asyncio.timeout(60):  # who is never answered fails the test, and does not stop it
        yield batcher
    work.cancel()
    batcher.close()


async def test_tickets_take_turns_within_the_budget(model: E5V, passes: Spy) -> None:
    """Catches a short query that waits for all of a long request, and a pass over the budget."""
    long = [model.prepare(f"number {place}") for place in range(30)]
    short = [model.prepare("a dog")]
    size = max(len(item.prompted.ids) for item in long)
    ended: list[str] = []

    async def wait(batcher: Batcher, name: str, items: list[Prepared]) -> None:
        states = await batcher.states(items)
        alone = np.concatenate([Stream.vectors(batcher._stream, [item]) for item in items])
        np.testing.assert_allclose(states, alone, atol=1e-3)
        ended.append(name)

    async with batching(model, 4 * size) as batcher, anyio.create_task_group() as group:
        group.start_soon(wait, batcher, "long", long)
        group.start_soon(wait, batcher, "short", short)
    assert ended == ["short", "long"]
    assert short[0].digest in passes[0]
    assert [len(one) for one in passes if len(one) > 1][:3] == [4, 4, 4]


async def test_an_item_over_the_budget_goes_alone(model: E5V, passes: Spy) -> None:
    """Catches an item that no pass has room for and that waits for ever."""
    items = [model.prepare("a dog " * 100), model.prepare("a cat")]
    async with batching(model, 50) as batcher:
        states = await batcher.states(items)
    assert states.shape == (2, model.width)
    assert [len(one) for one in passes] == [1, 1]


async def test_what_fails_in_company_is_tried_alone(
    model: E5V, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches one item that no model can take and that fails all that share its pass."""
    good, bad = model.prepare("a dog"), model.prepare("a cat")
    before = Stream.vectors

    def failing(stream: Stream, items: Sequence[Prepared]) -> NDArray[np.float32]:
        if bad in items:
            raise RuntimeError("out of memory")
        return before(stream, items)

    monkeypatch.setattr(Stream, "vectors", failing)
    async with batching(model) as batcher:
        answers = await asyncio.gather(
            *(batcher.states([one]) for one in (good, bad, good)), return_exceptions=True
        )
        after = await batcher.states([good])
    assert isinstance(answers[1], RuntimeError)
    for answer in (answers[0], answers[2]):
        assert isinstance(answer, np.ndarray)
        np.testing.assert_allclose(answer, after, atol=1e-4)


async def test_who_has_left_is_not_embedded(model: E5V, passes: Spy) -> None:
    """Catches work for nobody, which keeps those waiting who are still there."""
    gate = threading.Event()
    left, there = model.prepare("a dog"), model.prepare("a cat")
    async with batching(model) as batcher:
        busy = asyncio.create_task(batcher.do(gate.wait))
        gone = asyncio.create_task(batcher.states([left] * 3))
        await asyncio.sleep(0.05)  # it is taken; its pass waits for the thread
        late = asyncio.create_task(batcher.states([left] * 3))
        stays = asyncio.create_task(batcher.states([there]))
        await asyncio.sleep(0.01)
        late.cancel()
        gate.set()
        await asyncio.gather(busy, gone, stays)
    assert [digest for one in passes for digest in one] == [left.digest] * 3 + [there.digest]


async def test_each_pass_is_told(model: E5V) -> None:
    """Catches a measure that counts a batch twice, or none."""
    told: list[ForwardPass] = []
    batcher = Batcher(model, seen=told.append)
    work = asyncio.create_task(batcher.run())
    items = [model.prepare("a dog"), model.prepare("a cat")]
    await batcher.states(items)
    work.cancel()
    batcher.close()
    assert [(one.items, one.tokens) for one in told] == [
        (2, sum(len(item.prompted.ids) for item in items))
    ]


async def test_nothing_to_do_is_done(model: E5V) -> None:
    """Catches a request without items that waits for ever."""
    async with batching(model) as batcher:
        assert (await batcher.states([])).shape == (0, model.width)
