"""`POST /v1/search`, and the contents of the index: entries, thumbnails, map.

SearchRequest -> Searcher -> SearchResult -> JSON
"""

import asyncio
import os
import shlex
import time
from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter

from e5v.image_formats import FORMAT_OF_SUFFIX, suffix_of
from e5v.media.decoder import read_stored_image
from e5v.media.locations import file_of
from e5v.model.bundled import PAPER
from e5v.model.image_files import UnreadableError
from e5v.search.entries import Entry, Hit
from e5v.search.entry_dates import date_of
from e5v.search.manifest import VARIABLE, default_folder, read_manifest
from e5v.web.disconnects import cancel_on_disconnect
from e5v.web.entry_files import POLICY, file_url, is_there, media_type_of
from e5v.web.errors import Refused
from e5v.web.file_replies import send_file
from e5v.web.index_view import Collection
from e5v.web.replies import json_response
from e5v.web.reply_schemas import (
    POSTED,
    EntriesReply,
    EntryReply,
    ExamplesReply,
    IndexReply,
    LabelsReply,
    MapReply,
    PlainResponse,
    SearchReply,
    describe_replies,
)
from e5v.web.routing import JsonRoute, get_service
from e5v.web.schemas import LONGEST_FILTER, SearchRequest
from e5v.web.service import Service
from e5v.web.store_view import StoreCollection

router = APIRouter(route_class=JsonRoute, tags=["search"])

EntryId = Annotated[str, PathParameter(description="The id of an entry, percent-encoded.")]
CACHED = {"Cache-Control": "private, max-age=300"}
PAGE, LARGEST_PAGE = 60, 600  # entries in one reply
GONE, SHOWN = "there is no such file to show now; after a change, run e5v index again", 200


@router.post(
    "/v1/search",
    summary="Search the index",
    responses=describe_replies("The nearest entries", SearchReply, *POSTED, 404, 409, 503),
)
async def search(request: Request, wanted: SearchRequest) -> Response:
    """Return the entries nearest to words, an image, both together, or another entry."""
    start = time.perf_counter()
    service = get_service(request)
    most = service.settings.limits.hits
    if wanted.k > most:
        raise Refused(422, "fields", f"k is {wanted.k}; expected at most {most}")
    found = await cancel_on_disconnect(request, service.searcher.find(wanted))
    took = round((time.perf_counter() - start) * 1000, 1)
    words = [{"word": one.word, "share": round(one.probability, 4)} for one in found.words]
    hits = [_hit(hit) for hit in found.hits]
    return json_response({"hits": hits, "next": found.next, "words": words, "took_ms": took})


@router.get(
    "/v1/index",
    summary="Size and model of the index",
    responses=describe_replies("Counts", IndexReply, 409, 503),
)
async def index(request: Request) -> Response:
    """Return counts of entries, the model, and the command that indexes a folder.

    If there is no index yet, the counts are 0.
    """
    service = get_service(request)
    collection = service.collection
    try:
        opened = await asyncio.to_thread(collection.index)
        kinds = await asyncio.to_thread(opened.kinds)
        items = await asyncio.to_thread(len, opened)
        notice = await asyncio.to_thread(service.notice.read)
    except Refused as refusal:
        if refusal.status_code != 404:  # noqa: PLR2004  no index yet: all counts are 0
            raise
        kinds, items = {"image": 0, "text": 0}, 0
        notice = service.notice.limits
    return json_response(
        {
            "items": items,
            "kinds": kinds,
            "model": service.name,
            "notice": notice,
            "command": await asyncio.to_thread(_command, service),
        }
    )


@router.get(
    "/v1/entries",
    summary="Entries, newest first",
    responses=describe_replies("Entries", EntriesReply, 404, 409, 422, 503),
)
async def entries(
    request: Request,
    kind: Annotated[
        Literal["image", "text"] | None, Query(description="Only entries of this kind.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=LARGEST_PAGE, description="How many entries, at most.")
    ] = PAGE,
    offset: Annotated[int, Query(ge=0, description="How many entries to skip.")] = 0,
    where: Annotated[
        str | None, Query(max_length=LONGEST_FILTER, description="A filter, as of a search.")
    ] = None,
    order: Annotated[
        Literal["newest", "oldest"], Query(description="Which come first.")
    ] = "newest",
) -> Response:
    """Return entries by the time their files were changed, newest first."""
    opened = await asyncio.to_thread(get_service(request).collection.index)
    found = await asyncio.to_thread(
        opened.newest, kind, limit, offset, where=where or None, oldest=order == "oldest"
    )
    return json_response({"entries": [_fields(entry) for entry in found]})


@router.get(
    "/v1/entries/{id:path}",
    summary="One entry",
    responses=describe_replies("The entry", EntryReply, 404, 409, 503),
)
async def one_entry(request: Request, id: EntryId) -> Response:
    """Return an entry by its id."""
    return json_response(
        _fields(await asyncio.to_thread(get_service(request).collection.entry, id))
    )


@router.get(
    "/v1/examples",
    summary="Example queries",
    responses=describe_replies("Queries", ExamplesReply, 404, 409, 503),
)
async def examples(request: Request) -> Response:
    """Return up to three short queries that find something in this index."""
    service = get_service(request)
    return json_response({"queries": await service.examples.get(service.searcher)})


@router.get(
    "/v1/map",
    summary="The map of the index",
    responses=describe_replies("Points", MapReply, 404, 409, 503),
)
async def draw_map(request: Request) -> Response:
    """Return at most 2,000 entries as points, each coordinate from 0 to 1.

    Similar entries are close to each other.
    """
    points = await asyncio.to_thread(get_service(request).collection.map)
    return json_response(
        {"points": [{**_fields(one.entry), "x": one.x, "y": one.y} for one in points]}
    )


@router.get(
    "/v1/labels",
    summary="Labels of the map",
    responses=describe_replies("Labels", LabelsReply, 404, 409, 503),
)
async def label_map(request: Request) -> Response:
    """Return a word for each group of points that lie together on the map.

    There are none if the model has no output head.
    """
    service = get_service(request)
    labels = await service.labels.get(service.searcher)
    return json_response({"labels": [asdict(label) for label in labels]})


@router.get(
    "/v1/thumbnails/{id:path}",
    summary="The thumbnail of an entry",
    response_class=PlainResponse,
    responses=describe_replies("The thumbnail", "image/webp image/jpeg", 404, 409, 503),
)
async def thumbnail(request: Request, id: EntryId) -> Response:
    """Return the thumbnail of an image as WebP or JPEG."""
    entry = await asyncio.to_thread(get_service(request).collection.entry, id)
    if not entry.thumbnail:
        raise Refused(404, "missing", f"entry {id[:80]!a} has no thumbnail: it is a text")
    jpeg = entry.thumbnail.startswith(b"\xff\xd8")
    media_type = "image/jpeg" if jpeg else "image/webp"
    return Response(entry.thumbnail, headers=CACHED, media_type=media_type)


@router.get(
    "/v1/items/{id:path}",
    summary="The image or text of an entry",
    response_class=PlainResponse,
    responses=describe_replies(
        "The image's file, or the text", "image/* text/plain", 404, 409, 503
    ),
)
async def item(request: Request, id: EntryId) -> Response:
    """Return the image or the text; a page of a document or a frame of a video as JPEG.

    Only indexed files are opened.
    """
    entry = await asyncio.to_thread(get_service(request).collection.entry, id)
    if entry.kind != "image":
        return Response(entry.text, headers=CACHED, media_type="text/plain; charset=utf-8")
    if not await asyncio.to_thread(is_there, entry):
        raise Refused(404, "missing", GONE)
    try:
        content = await asyncio.to_thread(read_stored_image, entry.path)
    except UnreadableError as error:
        raise Refused(404, "missing", f"{entry.path[:SHOWN]!a} {error}") from None
    if content is not None:
        return Response(content, headers=CACHED, media_type="image/jpeg")
    form = FORMAT_OF_SUFFIX.get(suffix_of(entry.path))
    if form is None:
        raise Refused(404, "missing", GONE)
    return await send_file(entry.path, CACHED, form.media_type)


@router.get(
    "/v1/files/{id:path}",
    summary="The file of an entry",
    response_class=PlainResponse,
    responses=describe_replies("The file", "application/pdf video/* image/*", 404, 409, 503),
)
async def file(request: Request, id: EntryId) -> Response:
    """Return the file that a page, frame or image is in; only indexed files are opened."""
    entry = await asyncio.to_thread(get_service(request).collection.entry, id)
    media_type = media_type_of(entry)
    if media_type is None or not await asyncio.to_thread(is_there, entry):
        raise Refused(404, "missing", GONE)
    headers = CACHED | {"Content-Security-Policy": POLICY}
    return await send_file(file_of(entry.path), headers, media_type)


def _hit(hit: Hit) -> dict[str, object]:
    return {**_fields(hit.entry), "score": round(float(hit.score), 6), "match": hit.match}


def _fields(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "path": entry.path,
        "kind": entry.kind,
        "text": entry.text,
        "part": entry.part,
        "date": date_of(entry),
        "width": entry.width,
        "height": entry.height,
        "thumbnail": _thumbnail_url(entry),
        "item": f"/v1/items/{quote(entry.id, safe='')}",
        "file": file_url(entry),
        "taken": entry.taken,
        "camera": entry.camera,
        "latitude": entry.latitude,
        "longitude": entry.longitude,
    }


def _thumbnail_url(entry: Entry) -> str | None:
    return f"/v1/thumbnails/{quote(entry.id, safe='')}" if entry.thumbnail else None


def _command(service: Service) -> str:
    """Return the command that adds to what this server searches."""
    collection, name = service.collection, service.model.loaded.name
    if isinstance(collection, StoreCollection):
        return shlex.join(["e5v", "export", "--to", str(collection.url)])
    assert isinstance(collection, Collection)
    folder = collection.folder
    words = ["e5v", "index", "FOLDER"]
    if url := collection.url:
        words += ["--index", str(url)]
    elif VARIABLE in os.environ or folder.absolute() != default_folder().absolute():
        words += ["--index", str(folder.absolute())]
    if name != PAPER and read_manifest(folder) is None:  # an index names its own model
        words += ["--model", name]
    return shlex.join(words)
