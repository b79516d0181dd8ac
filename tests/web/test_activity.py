"""A server that ends when it is not used: what counts as use, and what does not."""

import asyncio
import time

import pytest

from e5v.web.access import AccessRules
from e5v.web.activity import Activity
from e5v.web.service import Settings
from tests.web.asking import Ask

pytestmark = pytest.mark.anyio


async def test_it_ends_once_it_was_idle_for_long_enough() -> None:
    """Catches a server that ends during a request, or not at all."""
    activity, ended = Activity(), asyncio.Event()
    with activity.use():
        work = asyncio.create_task(activity.end_when_idle(0.05, ended.set))
        await asyncio.sleep(0.2)
        assert not ended.is_set()
    began = time.monotonic()
    await asyncio.wait_for(ended.wait(), 5)
    assert time.monotonic() - began >= 0.04
    await work


async def test_health_checks_and_strangers_are_no_use_of_it(ask: Ask) -> None:
    """Catches a server that a balancer, Prometheus or a port scan keeps alive for ever."""
    async with ask(Settings(access=AccessRules(key="secret"))) as asker:
        activity = asker.app.state.activity
        activity._last = before = time.monotonic() - 100
        bearer = {"Authorization": "Bearer secret"}
        for path in ("/livez", "/readyz", "/health"):
            await asker.client.get(path)
        await asker.client.get("/metrics", headers=bearer)
        assert (await asker.client.get("/v1/models")).status_code == 401
        assert activity._last == before
        await asker.client.get("/v1/models", headers=bearer)
        assert activity.idle_seconds() < 50
