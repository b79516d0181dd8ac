"""A server of an index that runs in this process: what `e5v search` asks over its socket.

index, model -> event loop on a thread -> Unix socket and record -> LocalAnswers
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e5v import E5V
from e5v.search.manifest import read_manifest
from e5v.verbs.model_options import Opening, choose_model, choose_opening
from e5v.verbs.serve import describe_server
from e5v.web.activity import Activity
from e5v.web.index_view import Collection
from e5v.web.local_socket import LocalAnswers, open_local_socket
from e5v.web.metrics import Meters
from e5v.web.service import Settings, open_service


@contextmanager
def answering(index: Path, model: E5V) -> Iterator[LocalAnswers]:
    """Answer for an index as `e5v serve` does, without its port."""
    opened, ended = threading.Event(), asyncio.Event()
    kept: list[LocalAnswers] = []
    loop = asyncio.new_event_loop()

    async def run() -> None:
        collection = Collection(index, model)
        async with open_service(collection, Settings(), Meters()) as service:
            answers = LocalAnswers(service, collection, Activity(), ended.set, ended.is_set)
            manifest = read_manifest(index)
            name = choose_model(None, manifest)
            opening = choose_opening(Opening(), manifest, name)
            record = describe_server(index, name, opening, None, "http://127.0.0.1:1")
            async with open_local_socket(answers, record):
                kept.append(answers)
                opened.set()
                await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert opened.wait(60)
    try:
        yield kept[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
