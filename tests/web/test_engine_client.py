"""The client of an engine: what is tried again, what is one line, and which model is served."""

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v import E5V
from e5v.errors import EngineError
from e5v.model.encoder import Prompted
from e5v.model.engine import Engine
from e5v.model.engine_address import EngineAddress
from e5v.model.literal import literal_template
from tests.web.engines import Answer, Proxy


def _engine(url: str, width: int = 64, **more: Any) -> Engine:
    return Engine(EngineAddress(url, **more), literal_template("<image>"), width)


def _ask(engine: Engine) -> NDArray[np.float32]:
    return engine.embed([Prompted([10, 11, 12])])


def test_what_passes_is_tried_again(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that ends because an engine was restarted, and one that never ends."""
    engine = _engine(proxy.url)
    row = _ask(engine)
    proxy.plan.extend([Answer(503), Answer(body=None)])
    np.testing.assert_array_equal(_ask(engine), row)
    waits: list[float] = []
    monkeypatch.setattr("e5v.model.engine.time.sleep", waits.append)
    proxy.plan.extend([Answer(429, headers={"Retry-After": n}) for n in ("7", "700")])
    np.testing.assert_array_equal(_ask(engine), row)
    assert waits == [7, 20]
    proxy.asked.clear()
    proxy.plan.extend([Answer(500, b'{"error": {"message": "EngineDead\\nby its own"}}')] * 9)
    with pytest.raises(EngineError, match=r"refuses the request: 500 EngineDead by its own$"):
        _ask(engine)
    assert len(proxy.asked) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(400, b'{"message": "prompt is too long"}'), "refuses the request: 400 prompt is"),
        (Answer(401), r"requires another key \(401\)"),
        (Answer(200, b"<html>"), "answered something else than JSON"),
        (Answer(200, b"[]"), "answered something else than a JSON object"),
        (Answer(200, b'{"data": [{"index": 0}]}'), "answered something else than embeddings"),
        (Answer(200, b'{"data": []}'), "answered 0 vectors; expected 1"),
        (Answer(200, b'{"data": [{"index": 0, "embedding": [1, 2]}]}'), "has vectors of 2 numbers"),
        (
            Answer(200, json.dumps({"data": [{"index": 0, "embedding": [0.0] * 64}]}).encode()),
            "answered a vector that is not finite, or zero",
        ),
    ],
)
def test_what_does_not_pass_is_one_line(proxy: Proxy, answer: Answer, message: str) -> None:
    """Catches a silently wrong vector, a traceback, and a request that is asked for ever."""
    engine = _engine(proxy.url)
    proxy.asked.clear()
    proxy.plan.append(answer)
    with pytest.raises(EngineError, match=f"the engine at {proxy.url} {message}") as raised:
        _ask(engine)
    assert "\n" not in str(raised.value)
    assert proxy.asked == ["/v1/embeddings"]


def test_a_url_that_has_no_engine(engine: str) -> None:
    """Catches the paths of another server repeated in place of what to change."""
    url = f"{engine}/embeddings"
    with pytest.raises(EngineError) as raised:
        _engine(url)
    told = f"there is no engine at {url}: it has no /embeddings/v1/models (404); expected the URL"
    assert str(raised.value) == f"{told} before /v1, such as http://gpu:8000"
    assert raised.value.argument == "engine_url"


def test_an_engine_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an engine that is waited for without an end."""
    monkeypatch.setattr("e5v.model.engine.WAITS", (0.01,))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EngineError, match="cannot be reached: it did not answer in time"):
            _engine(url, seconds=0.05)
    with pytest.raises(EngineError, match=r"cannot be reached: .*refused"):
        _engine(url)


def test_which_model_an_engine_serves(engine: str, proxy: Proxy, model: E5V) -> None:
    """Catches vectors of another model that the engine has, too, and prompts too long for it."""
    name = Path(model.loaded.name).name
    assert _engine(engine).served.name == name
    with pytest.raises(EngineError, match=f"serves {name}; expected other"):
        _engine(engine, model="other")
    listed = [{"id": "one", "max_model_len": 99}, {"id": "two"}]
    proxy.plan.append(Answer(200, json.dumps({"data": listed}).encode()))
    with pytest.raises(EngineError, match="serves one, two; name the one to use"):
        _engine(proxy.url)
    proxy.plan.append(Answer(200, json.dumps({"data": listed}).encode()))
    assert _engine(proxy.url, model="one").served.max_tokens == 99
