"""`POST /v1/search`, and what the page shows of the index: entries, thumbnails, map.

SearchRequest -> Searcher -> Found -> hits as the page reads them
"""

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from e5v.image_formats import FORMAT_OF_SUFFIX, suffix_of
from e5v.search.index import Entry, Hit
from e5v.search.notice import notice
from e5v.web.leaving import unless_gone
from e5v.web.quick import QuickRoute, service_of
from e5v.web.refusals import Refused
from e5v.web.replies import json_response
from e5v.web.schemas import SearchRequest

router = APIRouter(route_class=QuickRoute, tags=["search"])

CACHED = {"Cache-Control": "private, max-age=300"}


@router.post("/v1/search", summary="Search the index")
async def search(request: Request, asked: SearchRequest) -> Response:
    """Return the entries nearest to words, an image, both together, or another entry."""
    start = time.perf_counter()
    service = service_of(request)
    most = service.settings.limits.hits
    if asked.k > most:
        raise Refused(422, "fields", f"k is {asked.k}; at most {most} are taken")
    found = await unless_gone(request, service.searcher.find(asked))
    took = round((time.perf_counter() - start) * 1000, 1)
    words = [{"word": one.word, "share": round(one.probability, 4)} for one in found.words]
    hits = [_hit(hit) for hit in found.hits]
    return json_response({"hits": hits, "words": words, "took_ms": took})


@router.get("/v1/index", summary="What is indexed")
async def index(request: Request) -> Response:
    """Return how much is indexed, and by which model; 0 items where there is no index."""
    service = service_of(request)
    collection = service.collection
    try:
        opened = await asyncio.to_thread(collection.index)
        kinds = await asyncio.to_thread(opened.kinds)
        items = await asyncio.to_thread(len, opened)
    except Refused as refusal:
        if refusal.status_code != 404:  # noqa: PLR2004  not found: that is an answer, too
            raise
        kinds, items = {"image": 0, "text": 0}, 0
    told = notice(service.model.loaded.name)
    return json_response({"items": items, "kinds": kinds, "model": service.name, "notice": told})


@router.get("/v1/map", summary="The collection in a plane")
async def draw_map(request: Request) -> Response:
    """Return at most 2,000 entries as points of [0, 1] x [0, 1]; what is alike lies together."""
    points = await asyncio.to_thread(service_of(request).collection.map)
    return json_response(
        {
            "points": [
                {
                    "id": point.entry.id,
                    "x": point.x,
                    "y": point.y,
                    "kind": point.entry.kind,
                    "text": point.entry.text,
                    "thumbnail": _thumbnail_url(point.entry),
                }
                for point in points
            ]
        }
    )


@router.get("/v1/thumbnails/{id:path}", summary="The small image of an entry")
async def thumbnail(request: Request, id: str) -> Response:
    """Return WebP or JPEG."""
    entry = await asyncio.to_thread(service_of(request).collection.entry, id)
    if not entry.thumbnail:
        raise Refused(404, "missing", f"entry {id[:80]!a} has no thumbnail: it is a text")
    jpeg = entry.thumbnail.startswith(b"\xff\xd8")
    media_type = "image/jpeg" if jpeg else "image/webp"
    return Response(entry.thumbnail, headers=CACHED, media_type=media_type)


@router.get("/v1/items/{id:path}", summary="What an entry is of")
async def item(request: Request, id: str) -> Response:
    """Return the image's file, or the text; no file that is not of the index is ever opened."""
    entry = await asyncio.to_thread(service_of(request).collection.entry, id)
    path = Path(entry.path)
    form = FORMAT_OF_SUFFIX.get(suffix_of(path))
    if entry.kind != "image":
        return Response(entry.text, headers=CACHED, media_type="text/plain; charset=utf-8")
    if form is None or not await asyncio.to_thread(path.is_file):
        raise Refused(404, "missing", "the file has gone since it was indexed; run e5v index again")
    return FileResponse(path, headers=CACHED, media_type=form.media_type)


def _hit(hit: Hit) -> dict[str, Any]:
    entry = hit.entry
    return {
        "id": entry.id,
        "score": round(float(hit.score), 6),
        "path": entry.path,
        "kind": entry.kind,
        "text": entry.text,
        "part": entry.part,
        "width": entry.width,
        "height": entry.height,
        "thumbnail": _thumbnail_url(entry),
        "item": f"/v1/items/{quote(entry.id, safe='')}",
    }


def _thumbnail_url(entry: Entry) -> str | None:
    return f"/v1/thumbnails/{quote(entry.id, safe='')}" if entry.thumbnail else None
