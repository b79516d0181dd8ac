"""`POST /v1/embeddings`, `POST /v2/embed` and `GET /v1/models`.

EmbeddingsRequest | CohereRequest -> Wanted items -> Intake -> unit rows, truncated -> reply
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from e5v.model.prompts import find_prompt
from e5v.model.tokens import Fit
from e5v.vectors import check_dim, truncate, unit
from e5v.web.disconnects import unless_gone
from e5v.web.embedding import Embedded
from e5v.web.errors import SHOWN, not_found, refused_item
from e5v.web.replies import cohere_reply, json_response, openai_reply
from e5v.web.reply_schemas import (
    POSTED,
    CohereReply,
    EmbeddingsReply,
    Model,
    Models,
    documented,
)
from e5v.web.routing import QuickRoute, service_of
from e5v.web.schemas import CohereRequest, EmbeddingsRequest, Truncate
from e5v.web.service import Service

router = APIRouter(route_class=QuickRoute, tags=["embeddings"])


@router.post(
    "/v1/embeddings",
    summary="Embed texts and images, in OpenAI's format",
    responses=documented("A vector for each item", EmbeddingsReply, *POSTED, 503),
)
async def embeddings(request: Request, asked: EmbeddingsRequest) -> Response:
    """Return a vector of length 1 for each item.

    An item is a text, `{"text": ..., "image": ...}`, or chat `messages`; an image is a data URI,
    base64, or a URL of an allowed domain. Fields that Jina's, SGLang's and vLLM's clients send and
    that change no vector are ignored.
    """
    service = service_of(request)
    find_prompt(asked.prompt)
    check_dim(asked.dimensions, service.model.width)
    items = asked.items(service.settings.limits.items)
    fit = _fit(asked.truncate)
    done = await unless_gone(request, service.intake.embed(items, asked.prompt, fit=fit))
    _check_whole(done, asked.truncate, service.model.max_tokens)
    rows = truncate(unit(done.states), asked.dimensions)
    return openai_reply(service.name, rows, done, asked.encoding_format)


@router.post(
    "/v2/embed",
    summary="Embed texts and images, in Cohere's format",
    responses=documented("The vectors, by type", CohereReply, *POSTED, 503),
)
async def embed(request: Request, asked: CohereRequest) -> Response:
    """Return a vector for each item, in each requested type."""
    service = service_of(request)
    check_dim(asked.output_dimension, service.model.width)
    items = asked.items(service.settings.limits.items)
    fit = _fit(asked.truncate, asked.max_tokens)
    done = await unless_gone(request, service.intake.embed(items, fit=fit))
    _check_whole(done, asked.truncate, asked.max_tokens or service.model.max_tokens)
    rows = truncate(unit(done.states), asked.output_dimension)
    return cohere_reply(items, rows, done.tokens, asked.embedding_types)


@router.get(
    "/v1/models",
    summary="The model that is served",
    responses=documented("A list of one model", Models, 503),
)
async def models(request: Request) -> Response:
    """Return the one model of this server in a list."""
    return json_response({"object": "list", "data": [_model(service_of(request))]})


@router.get(
    "/v1/models/{name:path}",
    summary="One model",
    responses=documented("The model", Model, 404, 503),
)
async def model(
    request: Request, name: Annotated[str, Path(description="The model's name, as in replies.")]
) -> Response:
    """Return a model by its name, which may contain slashes."""
    service = service_of(request)
    if name != service.name:
        raise not_found(f"no model {name[:SHOWN]!a}; this server has {service.name!a}")
    return json_response(_model(service))


def _model(service: Service) -> dict[str, Any]:
    about = {"id": service.name, "object": "model", "created": 0, "owned_by": "e5v"}
    about |= {"dimensions": service.model.width, "max_tokens": service.model.max_tokens}
    return about


def _fit(cut: Truncate, tokens: int | None = None) -> Fit:
    """Return how texts that are too long are cut."""
    return Fit("start" if cut == "START" else "end", tokens)


def _check_whole(done: Embedded, cut: Truncate, most: int) -> None:
    """Refuse a text that was cut if the client asked for no truncation.

    Raises:
        Refused: a text was cut; the message names it.
    """
    if cut == "NONE" and any(done.cut):
        cause = f"is over {most} tokens long; shorten it, or set truncate to END or START"
        raise refused_item(done.cut.index(True), cause)
