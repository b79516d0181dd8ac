"""Clients of a server of embeddings: so many ask at one time, each again once it is answered.

sentences -> requests, each on a client's own connection -> seconds and vectors, in order
"""

import base64
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue

import httpx2
import numpy as np
from numpy.typing import NDArray

WAIT_SECONDS = 120


@dataclass(frozen=True)
class Turn:
    """One turn of a contender: seconds of all, of each request, and the vectors in order."""

    contender: str
    clients: int
    seconds: float
    latencies: tuple[float, ...]
    vectors: NDArray[np.float32]


def take_turn(contender: str, clients: int, sentences: Sequence[str], url: str) -> Turn:
    """Ask for every sentence, so many at one time; one request goes before, untimed."""
    with ExitStack() as stack, ThreadPoolExecutor(clients) as pool:
        free: SimpleQueue[httpx2.Client] = SimpleQueue()
        for _ in range(clients):
            free.put(stack.enter_context(httpx2.Client(timeout=WAIT_SECONDS)))

        def ask(sentence: str) -> tuple[float, str]:
            client = free.get()
            start = time.perf_counter()
            body = {"input": [sentence], "encoding_format": "base64"}
            reply = client.post(f"{url}/v1/embeddings", json=body).raise_for_status()
            seconds = time.perf_counter() - start
            free.put(client)
            return seconds, reply.json()["data"][0]["embedding"]

        ask(sentences[0])
        start = time.perf_counter()
        answers = list(pool.map(ask, sentences))
        seconds = time.perf_counter() - start
    rows = [np.frombuffer(base64.b64decode(one), "<f4") for _, one in answers]
    latencies = tuple(latency for latency, _ in answers)
    return Turn(contender, clients, seconds, latencies, np.stack(rows))
