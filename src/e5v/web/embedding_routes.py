"""`POST /v1/embeddings`, `POST /v2/embed` and `GET /v1/models`.

EmbeddingsRequest | CohereRequest -> Wanted items -> Intake -> unit rows, truncated -> reply
"""

from fastapi import APIRouter, Request, Response

from e5v.model.prompts import find_prompt
from e5v.vectors import check_dim, truncate, unit
from e5v.web.leaving import unless_gone
from e5v.web.quick import QuickRoute, service_of
from e5v.web.refusals import refused_item
from e5v.web.replies import cohere_reply, json_response, openai_reply
from e5v.web.schemas import CohereRequest, EmbeddingsRequest

router = APIRouter(route_class=QuickRoute, tags=["embeddings"])


@router.post("/v1/embeddings", summary="Embed texts and images, in OpenAI's form")
async def embeddings(request: Request, asked: EmbeddingsRequest) -> Response:
    """Return a unit vector for each item.

    An item is a text, `{"text": ..., "image": ...}`, or `messages` as a chat has them; an image is
    a data URI, base64, or a URL of an allowed domain.
    """
    service = service_of(request)
    find_prompt(asked.prompt)
    check_dim(asked.dimensions, service.model.width)
    items = asked.items(service.settings.limits.items)
    done = await unless_gone(request, service.intake.embed(items, asked.prompt))
    rows = truncate(unit(done.states), asked.dimensions)
    return openai_reply(service.name, rows, done, asked.encoding_format)


@router.post("/v2/embed", summary="Embed texts and images, in Cohere's form")
async def embed(request: Request, asked: CohereRequest) -> Response:
    """Return a vector for each item, in each of the types asked for."""
    service = service_of(request)
    check_dim(asked.output_dimension, service.model.width)
    items = asked.items(service.settings.limits.items)
    done = await unless_gone(request, service.intake.embed(items))
    if asked.truncate == "NONE" and any(done.cut):
        raise refused_item(done.cut.index(True), f"is over {service.model.max_tokens} tokens long")
    rows = truncate(unit(done.states), asked.output_dimension)
    return cohere_reply(items, rows, done.tokens, asked.embedding_types)


@router.get("/v1/models", summary="The model that is served")
async def models(request: Request) -> Response:
    """Return a list of one."""
    service = service_of(request)
    model = {"id": service.name, "object": "model", "created": 0, "owned_by": "e5v"}
    model |= {"dimensions": service.model.width, "max_tokens": service.model.max_tokens}
    return json_response({"object": "list", "data": [model]})
