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
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any
from weakref import finalize

import torch
from torch import Tensor

from e5v.errors import ModelError
from e5v.model.encoder import Encoder, Prompted
from e5v.model.opening import Order

WORKER = "e5v.model.device_worker"
PATIENCE = 10.0  # seconds for a process to end by itself


class DeviceProcess:
    """A process with a copy of the model on one device. Raises ModelError once it has ended."""

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
            ModelError: the process ended.
        """
        self._receive()

    def states(self, batch: Sequence[Prompted]) -> Tensor:
        """Return the states of a batch, (n, d) float32 on the CPU.

        Raises:
            ModelError: the model failed, or the process ended.
        """
        self._send(list(batch))
        return torch.from_numpy(self._receive())

    def close(self) -> None:
        """End the process."""
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

    def _ended(self) -> ModelError:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return ModelError(
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

    def states(self, batch: Sequence[Prompted]) -> Tensor:
        """Return the states of a batch from the first device, (n, d)."""
        return self.first.states(batch)

    def run(self, batches: Sequence[Sequence[Prompted]]) -> Iterator[Tensor]:
        """Begin all batches now, and return their states (n, d) in order.

        Raises:
            ModelError: the model failed, or a process ended; it names the device.
        """
        futures = [self._threads.submit(self._run_one, batch) for batch in batches]
        return _results(futures)

    def _run_one(self, batch: Sequence[Prompted]) -> Tensor:
        device = self._idle.get()  # there are as many threads as devices
        try:
            with torch.inference_mode():
                return device.states(batch)
        finally:
            self._idle.put(device)


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


def _results(futures: Sequence[Future[Tensor]]) -> Iterator[Tensor]:
    try:
        yield from (future.result() for future in futures)
    finally:
        for future in futures:
            future.cancel()


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            with suppress(OSError):  # the process is gone, and with it what was written last
                stream.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
