"""What routes share: JSON read by orjson, and the service that answers.

request -> QuickRequest -> route -> service_of(request)
"""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from e5v.web.refusals import Refused
from e5v.web.service import Service


class QuickRequest(Request):
    """A request whose JSON is read by orjson."""

    async def json(self) -> Any:
        """Read the body."""
        return orjson.loads(await self.body())


class QuickRoute(APIRoute):
    """A route that is given such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handler = super().get_route_handler()

        async def quick(request: Request) -> Response:
            return await handler(QuickRequest(request.scope, request.receive))

        return quick


def service_of(request: Request) -> Service:
    """Return the service of an app.

    Raises:
        Refused: it is not open.
    """
    service: Service | None = getattr(request.app.state, "service", None)
    if service is None:
        raise Refused(503, "failed", "the server is not ready")
    return service
