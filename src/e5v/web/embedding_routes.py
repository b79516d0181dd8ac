"""`POST /v1/embeddings`, `POST /v2/embed` and `GET /v1/models`.

EmbeddingsRequest | CohereRequest -> RequestItems -> ItemEmbedder -> unit rows, truncated -> reply
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from e5v.model.prompts import find_prompt
from e5v.model.tokens import Fit
from e5v.vectors import check_dim, truncate, unit
from e5v.web.disconnects import cancel_on_disconnect
from e5v.web.embedding import EmbeddedItems
from e5v.web.errors import SHOWN, refuse_item, refuse_missing
from e5v.web.literal import read_literal
from e5v.web.replies import json_response, write_cohere_reply, write_openai_reply
from e5v.web.reply_schemas import (
    POSTED,
    CohereReply,
    EmbeddingsReply,
    Model,
    Models,
    describe_replies,
)
from e5v.web.routing import JsonRoute, get_service
from e5v.web.schemas import CohereRequest, EmbeddingsRequest, Truncate
from e5v.web.service import Service

router = APIRouter(route_class=JsonRoute, tags=["embeddings"])


@router.post(
    "/v1/embeddings",
    summary="Embed texts and images, in OpenAI's format",
    responses=describe_replies("A vector for each item", EmbeddingsReply, *POSTED, 503),
)
async def embeddings(request: Request, asked: EmbeddingsRequest) -> Response:
    """Return a vector of length 1 for each item.

    An item is a text, `{"text": ..., "image": ...}`, or chat `messages`; an image is a data URI,
    base64, or a URL of an allowed domain. Fields that Jina's, SGLang's and vLLM's clients send and
    that change no vector are ignored.
    """
    service = get_service(request)
    find_prompt(asked.prompt)
    check_dim(asked.dimensions, service.model.width)
    most = service.settings.limits.items
    items = read_literal(asked, service.model, most) or asked.items(most)
    fit = _choose_fit(asked.truncate)
    done = await cancel_on_disconnect(request, service.embedder.embed(items, asked.prompt, fit=fit))
    _check_not_truncated(done, asked.truncate, service.model.max_tokens)
    rows = truncate(unit(done.states), asked.dimensions)
    return write_openai_reply(service.name, rows, done, asked.encoding_format)


@router.post(
    "/v2/embed",
    summary="Embed texts and images, in Cohere's format",
    responses=describe_replies("The vectors, by type", CohereReply, *POSTED, 503),
)
async def embed(request: Request, asked: CohereRequest) -> Response:
    """Return a vector for each item, in each requested type."""
    service = get_service(request)
    check_dim(asked.output_dimension, service.model.width)
    items = asked.items(service.settings.limits.items)
    fit = _choose_fit(asked.truncate, asked.max_tokens)
    done = await cancel_on_disconnect(request, service.embedder.embed(items, fit=fit))
    _check_not_truncated(done, asked.truncate, asked.max_tokens or service.model.max_tokens)
    rows = truncate(unit(done.states), asked.output_dimension)
    return write_cohere_reply(items, rows, done.tokens, asked.embedding_types)


@router.get(
    "/v1/models",
    summary="The model that is served",
    responses=describe_replies("A list of one model", Models, 503),
)
async def models(request: Request) -> Response:
    """Return the one model of this server in a list."""
    return json_response({"object": "list", "data": [_describe_model(get_service(request))]})


@router.get(
    "/v1/models/{name:path}",
    summary="One model",
    responses=describe_replies("The model", Model, 404, 503),
)
async def model(
    request: Request, name: Annotated[str, Path(description="The model's name, as in replies.")]
) -> Response:
    """Return a model by its name, which may contain slashes."""
    service = get_service(request)
    if name != service.name:
        raise refuse_missing(f"no model {name[:SHOWN]!a}; this server has {service.name!a}")
    return json_response(_describe_model(service))


def _describe_model(service: Service) -> dict[str, object]:
    about = {"id": service.name, "object": "model", "created": 0, "owned_by": "e5v"}
    about |= {"dimensions": service.model.width, "max_tokens": service.model.max_tokens}
    return about


def _choose_fit(cut: Truncate, tokens: int | None = None) -> Fit:
    """Return how texts that are too long are cut."""
    return Fit("start" if cut == "START" else "end", tokens)


def _check_not_truncated(done: EmbeddedItems, cut: Truncate, most: int) -> None:
    """Refuse a text that was cut if the client asked for no truncation.

    Raises:
        Refused: a text was cut; the message names it.
    """
    if cut == "NONE" and any(done.cut):
        cause = f"is over {most} tokens long; shorten it, or set truncate to END or START"
        raise refuse_item(done.cut.index(True), cause)
