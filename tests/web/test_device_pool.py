"""A server whose model runs on several devices."""

import os
import signal
from pathlib import Path

import pytest

from e5v import E5V
from e5v.model.device_pool import DevicePool
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from tests.web.asking import asking
from tests.web.small import write_small

REPLY = {
    "message": "a process of the model has ended; restart the server",
    "type": "server_error",
    "param": None,
    "code": "failed",
}


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.usefixtures("warm")
async def test_a_killed_process_makes_the_server_unready(tmp_path: Path) -> None:
    """Catches a server that is sent all requests and answers half of them."""
    model = E5V(write_small(tmp_path / "small"), dtype="float32", device=["cpu", "cpu"])
    assert isinstance(model.encoder, DevicePool)
    async with asking(Collection(tmp_path / "none", model), Settings()) as asker:
        ask = {"model": "small", "input": ["a dog", "a cat"]}
        assert (await asker.client.post("/v1/embeddings", json=ask)).status_code == 200
        assert (await asker.client.get("/readyz")).status_code == 200
        os.kill(pid := model.encoder.others[0].pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        for _ in range(3):
            reply = await asker.client.post("/v1/embeddings", json=ask)
            assert (reply.status_code, reply.json()["error"]) == (503, REPLY)
        assert (await asker.client.get("/readyz")).status_code == 503
        assert (await asker.client.get("/livez")).status_code == 200
