"""Batching: requests that wait at the same time share forward passes.

Ticket (a request's items) -> one item of each in turn, up to the token budget -> a pass on the
model's own thread -> rows to their tickets -> a complete ticket is answered

Tickets take turns, so that a short query does not wait for all of a long request. A ticket whose
client has left is dropped. The items of a pass that fails are tried one by one, so that one bad
item fails only its own request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from e5v.model.device_pool import DevicePool
from e5v.model.streaming import Stream
from e5v.model.token_batches import token_budget

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.model.preparing import Prepared

GATHER_SECONDS = 0.002  # how long an idle model waits for more requests

Rows = NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(eq=False)
class Ticket:
    """One request's items and the rows they became; `answer` is done when all have."""

    items: Sequence[Prepared]
    rows: Rows
    answer: asyncio.Future[Rows]
    waiting: deque[int] = field(default_factory=deque)
    missing: int = 0

    def fill(self, place: int, row: Rows) -> None:
        """Store the row of one item."""
        self.rows[place] = row
        self.missing -= 1
        if not self.missing and not self.answer.done():
            self.answer.set_result(self.rows)

    def fail(self, error: Exception) -> None:
        """Fail the request."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True)
class Job:
    """One item of a ticket."""

    ticket: Ticket
    place: int

    @property
    def item(self) -> Prepared:
        """The input of the encoder."""
        return self.ticket.items[self.place]

    @property
    def tokens(self) -> int:
        """Its length in tokens."""
        return len(self.item.prompted.ids)


@dataclass(frozen=True)
class ForwardPass:
    """How large a forward pass was and how long it took."""

    items: int
    tokens: int
    seconds: float


class Batcher:
    """Batches the items of many requests into forward passes.

    `budget`: tokens of a pass for each device; `seen` is called after each pass.
    Create and use it in one event loop; run `run` as a task and cancel it at the end.
    """

    def __init__(
        self,
        model: E5V,
        *,
        budget: int | None = None,
        seen: Callable[[ForwardPass], None] | None = None,
    ) -> None:
        each = budget or token_budget(None, model.device.type)
        devices = model.encoder.devices if isinstance(model.encoder, DevicePool) else 1
        self.budget = devices * each
        self._stream = Stream(model.encoder, each, None, "raise", normalised=False)
        self._width = model.width
        self._seen = seen or (lambda _: None)
        self._tickets: deque[Ticket] = deque()
        self._awake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="e5v-model")

    async def states(self, items: Sequence[Prepared]) -> Rows:
        """Return the states of prepared items, (n, d) float32, not normalised.

        Raises:
            ModelError: the model returned non-finite values for one of them.
        """
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        rows = np.empty((len(items), self._width), np.float32)
        if not items:
            return rows
        ticket = Ticket(items, rows, answer, deque(range(len(items))), len(items))
        self._tickets.append(ticket)
        self._awake.set()
        return await answer

    async def do(self, act: Callable[[], Result]) -> Result:
        """Run something else on the model's thread, between two passes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    async def run(self) -> None:
        """Serve tickets until cancelled."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            await asyncio.sleep(GATHER_SECONDS)
            while jobs := self._take():
                await self._run_pass(jobs)

    def close(self) -> None:
        """Shut down the model's thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> list[Job]:
        """Take one item of each ticket in turn until the budget is full; at least one."""
        jobs: list[Job] = []
        tokens = 0
        while self._tickets:
            ticket = self._tickets.popleft()
            if ticket.answer.done():  # its client disconnected, or an item failed
                continue
            job = Job(ticket, ticket.waiting[0])
            if jobs and tokens + job.tokens > self.budget:
                self._tickets.appendleft(ticket)
                break
            ticket.waiting.popleft()
            jobs.append(job)
            tokens += job.tokens
            if ticket.waiting:
                self._tickets.append(ticket)
        return jobs

    async def _run_pass(self, jobs: list[Job]) -> None:
        items = [job.item for job in jobs]
        start = time.perf_counter()
        try:
            rows = await self.do(lambda: self._stream.vectors(items))
        except Exception as error:  # one bad item must not fail the other requests
            if len(jobs) == 1:
                jobs[0].ticket.fail(error)
                return
            for job in jobs:
                if not job.ticket.answer.done():
                    await self._run_pass([job])
            return
        seconds = time.perf_counter() - start
        self._seen(ForwardPass(len(jobs), sum(job.tokens for job in jobs), seconds))
        for job, row in zip(jobs, rows, strict=True):
            job.ticket.fill(job.place, row)
