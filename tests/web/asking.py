"""What tests of the server share: a client, and what it sends.

settings -> app with its lifespan -> httpx2 client
"""

import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image

from e5v.web.app import create_app
from e5v.web.searched import Searched
from e5v.web.service import Settings

PHOTOS = Path(__file__).parents[1] / "photos"
CAT = PHOTOS / "cat.jpg"
URL = "http://testserver"


@dataclass(frozen=True)
class Asker:
    """A client of an app in this process."""

    app: FastAPI
    client: httpx2.AsyncClient

    async def embeddings(self, **body: Any) -> httpx2.Response:
        """Ask for embeddings."""
        return await self.client.post("/v1/embeddings", json=body)

    async def search(self, **body: Any) -> httpx2.Response:
        """Search."""
        return await self.client.post("/v1/search", json=body)

    async def count(self, name: str) -> float:
        """Read one of the counts, without its labels summed up."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        found = [line.rpartition(" ")[2] for line in lines if line.startswith(name)]
        return sum(map(float, found))


Ask = Callable[..., AbstractAsyncContextManager[Asker]]


@asynccontextmanager
async def asking(
    collection: Searched, settings: Settings, *, quiet: bool = False
) -> AsyncIterator[Asker]:
    """Open an app; with `quiet`, its own failures are replies as they are over a network."""
    app = create_app(collection, settings)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=not quiet)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=URL) as client,
    ):
        yield Asker(app, client)


def vectors(reply: httpx2.Response) -> NDArray[np.float32]:
    """Read the vectors of a reply in OpenAI's form."""
    assert reply.status_code == 200, reply.text
    return np.array([one["embedding"] for one in reply.json()["data"]], np.float32)


def fault(reply: httpx2.Response) -> tuple[int, str, int | None]:
    """Read status, reason and index of a refusal."""
    error = reply.json()["error"]
    assert "\n" not in error["message"]
    return reply.status_code, error["code"], error.get("index")


def data_uri(content: bytes, kind: str = "image/jpeg") -> str:
    """Write an image as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(width: int, height: int, kind: str = "PNG", **options: Any) -> bytes:
    """Draw a small picture and return its file."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, kind, **options)
    return file.getvalue()
