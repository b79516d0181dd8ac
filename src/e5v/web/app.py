"""The routes.

request -> headers -> counted -> let in -> body bounded -> schema -> Service -> reply
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from e5v.extras import imported

with imported("the server", extra="serve"):
    from fastapi import FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from e5v.errors import DataError, E5VError
from e5v.web import embedding_routes, search_routes
from e5v.web.bodies import Bounded
from e5v.web.collection import Collection
from e5v.web.docs_page import docs_page
from e5v.web.doors import Guarded
from e5v.web.headers import Headed
from e5v.web.metrics import Metered, Meters
from e5v.web.refusals import Reason, refusal_of
from e5v.web.service import Settings, opened

LOG = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
ABOUT = "One unit vector for a text, an image, or both together; and search by it."


def create_app(collection: Collection, settings: Settings) -> FastAPI:
    """Return the app that serves a collection and its model; its lifespan opens what it needs."""
    meters = Meters()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(collection, settings, meters) as service:
            app.state.service = service
            yield
        app.state.service = None

    app = FastAPI(
        title="e5v",
        description=ABOUT,
        version=version("e5v"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(embedding_routes.router)
    app.include_router(search_routes.router)
    _add_health(app, meters)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    _add_refusals(app, meters)
    _add_layers(app, settings, meters)
    return app


def _add_health(app: FastAPI, meters: Meters) -> None:
    @app.get("/livez", summary="The process is alive", tags=["health"])
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", summary="Requests are taken", tags=["health"])
    async def readyz() -> Response:
        ready = getattr(app.state, "service", None) is not None
        text, status = ("ok\n", 200) if ready else ("not ready\n", 503)
        return Response(text, status, media_type="text/plain")

    @app.get("/metrics", summary="Counts, for Prometheus", tags=["health"])
    async def metrics() -> Response:
        return Response(meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html")


def _add_refusals(app: FastAPI, meters: Meters) -> None:
    """Tell every error in one shape, and count it by its reason."""

    async def refuse(_: Request, error: Exception) -> Response:
        refusal = refusal_of(error)
        if isinstance(error, DataError):
            LOG.error("%s", error)
        meters.rejected.labels(refusal.reason).inc()
        return refusal.reply()

    for kind in (HTTPException, RequestValidationError, E5VError, Exception):
        app.add_exception_handler(kind, refuse)


def _add_layers(app: FastAPI, settings: Settings, meters: Meters) -> None:
    """Put around the routes what every request goes through; the last is the outermost."""

    def count(reason: Reason) -> None:
        meters.rejected.labels(reason).inc()

    app.add_middleware(Bounded, limits=settings.limits, refused=count)
    app.add_middleware(Guarded, door=settings.door, refused=count)
    app.add_middleware(Metered, meters=meters)
    app.add_middleware(Headed)
