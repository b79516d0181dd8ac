"""The FastAPI app: routes, error handlers and middleware.

request -> headers -> metrics -> access checks -> body limits -> schema -> Service -> reply
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

from e5v.errors import DataError, DeviceError, E5VError, EngineError
from e5v.web import embedding_routes, search_routes
from e5v.web.access import AccessMiddleware
from e5v.web.activity import Activity, ActivityMiddleware
from e5v.web.body_limits import BodyLimitMiddleware
from e5v.web.docs_page import render_docs_page
from e5v.web.errors import Reason, Refused, make_refusal
from e5v.web.metrics import Meters, MetricsMiddleware
from e5v.web.origins import allow_origins
from e5v.web.paths import READ, HeadAsGetMiddleware, Page
from e5v.web.reply_schemas import PlainResponse, describe_replies, drop_unsent_errors
from e5v.web.searched import Searched
from e5v.web.security_headers import SecurityHeadersMiddleware
from e5v.web.service import Settings, open_service

LOG = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
TOKENS = Path(__file__).parents[1] / "assets" / "page"  # colours and fonts, shared with reports
UNDESCRIBED = ("/docs", "/health", "/healthz", "/openapi.json")  # paths not in OpenAPI
ABOUT = "Embeds a text, an image, or both together as one vector, and searches with it."


def create_app(collection: Searched, settings: Settings) -> FastAPI:
    """Return the app that serves a collection and its model; its lifespan opens the service."""
    meters, activity = Meters(), Activity()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_service(collection, settings, meters) as service:
            app.state.service = service
            app.state.is_ending = lambda: False  # `serving` knows
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
    written = app.openapi
    app.openapi = lambda: drop_unsent_errors(written())  # type: ignore[method-assign]
    app.include_router(embedding_routes.router)
    app.include_router(search_routes.router)
    _add_health(app, meters)
    app.mount("/", Page([PAGE, TOKENS], lambda: _list_methods(app)), name="page")
    _add_refusals(app, meters)
    _add_middleware(app, settings, meters, activity)
    app.state.activity = activity
    return app


def _add_health(app: FastAPI, meters: Meters) -> None:
    @app.get(
        "/livez",
        summary="The process is alive",
        tags=["health"],
        response_class=PlainResponse,
        responses=describe_replies("The text ok", "text/plain", always=(403, 500)),
    )
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/health", include_in_schema=False)
    @app.get("/healthz", include_in_schema=False)
    @app.get(
        "/readyz",
        summary="The server answers requests",
        description="503 from the signal that ends it, and once a process of the model has ended. "
        "Also at /health and /healthz. Like /livez, these paths require no key.",
        tags=["health"],
        response_class=PlainResponse,
        responses=describe_replies("The text ok", "text/plain", 503, always=(403, 500)),
    )
    async def readyz() -> Response:
        if getattr(app.state, "service", None) is None:
            raise Refused(503, "failed", "the server is not ready")
        if app.state.is_ending():
            raise Refused(503, "failed", "the server is shutting down")
        app.state.service.check()
        return Response("ok\n", media_type="text/plain")

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        tags=["health"],
        response_class=PlainResponse,
        responses=describe_replies("The metrics", "text/plain"),
    )
    async def metrics() -> Response:
        return Response(meters.write_text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(render_docs_page(app.openapi()), media_type="text/html")


def _list_methods(app: FastAPI) -> dict[str, frozenset[str]]:
    """Return the methods of every route, by path."""
    described = {
        path: frozenset(method.upper() for method in operations)
        for path, operations in app.openapi()["paths"].items()
    }
    return described | dict.fromkeys(UNDESCRIBED, READ)


def _add_refusals(app: FastAPI, meters: Meters) -> None:
    """Answer every error in one format, and count it by reason."""

    async def refuse(_: Request, error: Exception) -> Response:
        refusal = make_refusal(error)
        if isinstance(error, (DataError, DeviceError, EngineError)):
            LOG.error("%s", error)
        meters.rejected.labels(refusal.reason).inc()
        return refusal.reply()

    for kind in (HTTPException, RequestValidationError, E5VError, Exception):
        app.add_exception_handler(kind, refuse)


def _add_middleware(app: FastAPI, settings: Settings, meters: Meters, activity: Activity) -> None:
    """Add the middleware; the one added last is the outermost."""

    def count(reason: Reason) -> None:
        meters.rejected.labels(reason).inc()

    app.add_middleware(ActivityMiddleware, activity=activity)
    app.add_middleware(BodyLimitMiddleware, limits=settings.limits, refused=count)
    app.add_middleware(AccessMiddleware, rules=settings.access, refused=count)
    if settings.access.origins:
        app.add_middleware(allow_origins, origins=settings.access.origins)
    app.add_middleware(MetricsMiddleware, meters=meters)
    app.add_middleware(HeadAsGetMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
