"""Copies of one model on several devices: the first in this process, each other in its own.

batches -> one queue -> the next device that is free -> states, in the order of the batches

A batch is the same whichever device runs it, and so are its states, bit for bit on equal devices.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any
from weakref import WeakSet, finalize

import torch
from torch import Tensor

from e5v.errors import DeviceError
from e5v.model.encoder import Encoder, Prompted
from e5v.model.hf_internals import before_threads_end
from e5v.model.opening import Order

WORKER = "e5v.model.device_worker"
PATIENCE = 5.0  # seconds for a process that has closed its pipe to be gone
_OPEN: WeakSet[DevicePool] = WeakSet()


class DeviceProcess:
    """A process with a copy of the model on one device. Raises DeviceError once it has ended."""

    def __init__(self, device: str, order: Order) -> None:
        self.device = device
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._end = finalize(self, _end, self._process, self._errors)
        self._send(order)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until the model is open.

        Raises:
            E5VError: what opening it raised there.
            DeviceError: the process ended.
        """
        self._receive()

    def states(self, batch: Sequence[Prompted]) -> Tensor:
        """Return the states of a batch, (n, d) float32 on the CPU.

        Raises:
            DeviceError: the process ended.
            ModelError: the model failed.
        """
        self._send(list(batch))
        return torch.from_numpy(self._receive())

    def check(self) -> None:
        """Raise `DeviceError` if the process has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._end()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._ended() from None

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise self._ended() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self) -> DeviceError:
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it lives, and what it sent makes no sense
            self._process.kill()
            status = self._process.wait()
        lines: list[str] = []
        with suppress(ValueError):  # closed, since the program ends
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return DeviceError(
            f"the process of {self.device} ended with status {status}{said}; "
            "what it was embedding is lost: open the model again"
        )


class DevicePool:
    """An `Encoder` on several devices; what is not asked of `run` is answered by the first."""

    def __init__(self, first: Encoder, others: Sequence[DeviceProcess]) -> None:
        self.first, self.others = first, others
        self.loaded, self.readout, self.width = first.loaded, first.readout, first.width
        self.layout, self.alone_above, self.context = first.layout, first.alone_above, first.context
        self.devices = 1 + len(others)
        self.lookahead = 1 + len(others) // 4  # a window has about 8 batches
        self._idle: SimpleQueue[Encoder | DeviceProcess] = SimpleQueue()
        self._idle.put(first)
        for other in others:
            self._idle.put(other)
        self._threads = ThreadPoolExecutor(self.devices, thread_name_prefix="e5v-device")
        _OPEN.add(self)

    def check(self) -> None:
        """Raise `DeviceError` if a process has ended: the pool is of no use then."""
        for other in self.others:
            other.check()

    def close(self) -> None:
        """Begin nothing more, and end the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for other in self.others:
            other.close()

    def states(self, batch: Sequence[Prompted]) -> Tensor:
        """Return the states of a batch from the first device, (n, d)."""
        return self.first.states(batch)

    def run(self, batches: Sequence[Sequence[Prompted]]) -> RunningBatches:
        """Begin all batches now, and return their states (n, d) in order.

        Raises:
            DeviceError: a process ended; it names the device.
            ModelError: the model failed.
        """
        self.check()
        return RunningBatches([self._threads.submit(self._run_one, batch) for batch in batches])

    def _run_one(self, batch: Sequence[Prompted]) -> Tensor:
        device = self._idle.get()  # there are as many threads as devices
        try:
            with torch.inference_mode():
                return device.states(batch)
        finally:
            self._idle.put(device)


class RunningBatches(Iterator[Tensor]):
    """The states of batches that were begun, in order; after an error, the rest is dropped."""

    def __init__(self, futures: Sequence[Future[Tensor]]) -> None:
        self._left = deque(futures)

    def __next__(self) -> Tensor:
        """Wait for the next batch.

        Raises:
            ModelError: as `DevicePool.run`.
        """
        if not self._left:
            raise StopIteration
        try:
            return self._left.popleft().result()
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Drop the batches that no device has begun."""
        while self._left:
            self._left.popleft().cancel()


def close_all() -> None:
    """Close all pools: when the program ends, before Python waits for their threads."""
    for pool in list(_OPEN):
        pool.close()


before_threads_end(close_all)


def open_pool(first: Encoder, order: Order, devices: Sequence[str]) -> DevicePool:
    """Open an open model on other devices, too, at the same time.

    Raises:
        E5VError: what opening it raised there.
    """
    others = [
        DeviceProcess(device, Order(order.name, order.readout, {**order.options, "device": device}))
        for device in devices
    ]
    try:
        for other in others:
            other.wait()
    except BaseException:
        for other in others:
            other.close()
        raise
    return DevicePool(first, others)


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """Kill a process, which has nothing of its own to finish, and close its pipes."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            with suppress(OSError):  # the process is gone, and with it what was written last
                stream.close()
