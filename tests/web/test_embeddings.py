"""`POST /v1/embeddings` and `/v2/embed`: every client's shape, and the vectors of the library."""

import base64
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray

from e5v import E5V
from e5v.errors import EncodeWarning
from e5v.model.tokens import Fit
from e5v.vectors import quantise
from tests.web.asking import CAT, Ask, data_uri, fault, vectors

pytestmark = pytest.mark.anyio

URI = data_uri(CAT.read_bytes())
BARE = URI.partition(",")[2]
TEXT_PART = {"type": "text", "text": "as a dog"}
USER = {"role": "user", "content": "a dog"}
EMPTY = [{"type": "text", "text": ""}]
IMAGE_PART = {"type": "image_url", "image_url": {"url": URI, "detail": "low"}}


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ({"input": "a dog"}, ["a dog"]),
        ({"input": ["a dog", "a cat"]}, ["a dog", "a cat"]),
        ({"input": {"text": "a dog"}}, ["a dog"]),
        ({"input": [{"text": "a dog"}, {"image": URI}]}, ["a dog", CAT]),
        ({"input": [{"image": BARE}]}, [CAT]),
        ({"input": [{"text": "as a dog", "image": URI}]}, [[CAT, "as a dog"]]),
        ({"input": [{"content": [TEXT_PART, IMAGE_PART]}]}, [["as a dog", CAT]]),
        ({"input": [[IMAGE_PART, TEXT_PART]]}, [[CAT, "as a dog"]]),
        ({"messages": [{"role": "user", "content": [IMAGE_PART, TEXT_PART]}]}, [[CAT, "as a dog"]]),
        ({"messages": [{"role": "user", "content": "a dog"}]}, ["a dog"]),
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, ["a dog"]),
        ({"messages": [USER, {"role": "assistant", "content": EMPTY}]}, ["a dog"]),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, ["a dog"]),
        ({"input": CAT.as_uri()}, [{"text": CAT.as_uri()}]),
        ({"input": f" {CAT}\n"}, [{"text": f" {CAT}\n"}]),
        ({"input": str(CAT)}, [{"text": str(CAT)}]),
        ({"input": "a dog", "prompt": "sts"}, ["a dog"]),
        ({"input": "a dog", "dimensions": None, "encoding_format": None}, ["a dog"]),
        ({"input": "a dog", "user": "me", "task": "retrieval.query"}, ["a dog"]),
    ],
)
async def test_every_shape_is_what_the_library_gives(
    ask: Ask, model: E5V, body: dict[str, Any], items: list[Any]
) -> None:
    """Catches a shape read as another item than it says, and a file opened for a string."""
    async with ask() as asker:
        reply = await asker.embeddings(model="any", **body)
    expected = model.encode(items, prompt=body.get("prompt", "retrieval"))
    np.testing.assert_allclose(vectors(reply), expected, atol=1e-5)
    tokens = sum(len(model.prepare(item).prompted.ids) for item in items)
    if "prompt" not in body:
        assert reply.json()["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert [one["index"] for one in reply.json()["data"]] == list(range(len(items)))


async def test_forms_of_a_vector(ask: Ask, model: E5V) -> None:
    """Catches base64 of another type than float32, and a cut vector that is not of length 1."""
    async with ask() as asker:
        packed = await asker.embeddings(input="a dog", encoding_format="base64", dimensions=10)
        reply = await asker.embeddings(input="a dog", dimensions=10)
    row = np.frombuffer(base64.b64decode(packed.json()["data"][0]["embedding"]), "<f4")
    np.testing.assert_allclose(row, model.encode(["a dog"], dim=10)[0], atol=1e-5)
    np.testing.assert_allclose(row, vectors(reply)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("body", "expected", "said"),
    [
        ({"input": []}, (422, "fields", None), "empty"),
        ({"messages": []}, (422, "fields", None), "messages is empty"),
        ({}, (422, "fields", None), "input or messages"),
        ({"input": "a", "messages": []}, (422, "fields", None), "input or messages"),
        ({"input": ["a", ""]}, (422, "item", 1), "empty"),
        ({"input": ["a", "b", None]}, (422, "item", 2), "null"),
        ({"input": [1, 2, 3]}, (422, "item", 0), "token ids"),
        ({"input": [[1, 2], [3]]}, (422, "item", 0), "token ids"),
        ({"input": ["a", {"image": str(CAT)}]}, (422, "item", 1), "paths are not"),
        ({"input": ["a", {"image": "/etc/passwd0"}]}, (422, "item", 1), "supported format"),
        ({"input": ["a", {"path": str(CAT)}]}, (422, "item", 1), "path"),
        ({"input": [URI]}, (422, "item", 0), "a string is read as text"),
        (
            {"input": {"image": "https://example.org/a.jpg"}},
            (422, "item", 0),
            "example.org, a domain that is not allowed",
        ),
        ({"input": {"image": data_uri(b"x", "text/html")}}, (422, "item", 0), "data:image"),
        ({"input": {"image": data_uri(b"no image")}}, (422, "item", 0), "supported format"),
        ({"input": {"image": data_uri(CAT.read_bytes()[:900])}}, (422, "item", 0), "broken"),
        ({"input": "a", "dimensions": 65}, (422, "fields", None), "1 to 64"),
        ({"input": "a", "dimensions": 0}, (422, "fields", None), "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, (422, "fields", None), "encoding_format"),
        (
            {"input": "a", "inputs": "b"},
            (422, "fields", None),
            "unknown field 'inputs'; did you mean 'input'?",
        ),
        ({"input": "a", "normalized": False}, (422, "fields", None), "only true"),
        ({"input": "a", "prompt": "nope"}, (422, "fields", None), "nope"),
        ({"input": ["a", {"image": URI}], "prompt": "say <text>"}, (422, "item", 1), "slot"),
        ({"input": [[[[[[[[["a"]]]]]]]]]}, (422, "item", 0), "nested"),
        ({"input": {"content": [{"type": "audio"}]}}, (422, "item", 0), "audio"),
    ],
)
async def test_a_refusal_is_one_line_and_names_the_item(
    ask: Ask, body: dict[str, Any], expected: tuple[int, str, int | None], said: str
) -> None:
    """Catches a mistake that is answered by 500, by a vector, or without its place."""
    async with ask() as asker:
        reply = await asker.embeddings(**body)
    assert fault(reply) == expected
    assert said in reply.json()["error"]["message"]


async def test_a_text_that_is_cut_is_told(ask: Ask, model: E5V) -> None:
    """Catches a text that loses its end in silence."""
    async with ask() as asker:
        reply = await asker.embeddings(input=["a dog", "a dog " * 5000])
        whole = await asker.client.post(
            "/v2/embed", json={"texts": ["a", "a dog " * 5000], "truncate": "NONE"}
        )
    assert [one.get("truncated") for one in reply.json()["data"]] == [None, True]
    assert reply.json()["usage"]["total_tokens"] < 2 * model.max_tokens
    assert fault(whole) == (422, "item", 1)


async def test_requests_that_meet_are_what_each_is_alone(ask: Ask, model: E5V) -> None:
    """Catches a vector that depends on its neighbours, one that gets another's, and no sharing."""
    texts = [f"a {'very ' * (place % 7)}small dog, number {place}" for place in range(20)]
    replies: dict[int, httpx2.Response] = {}

    async with ask() as asker:

        async def one(place: int) -> None:
            kind: Any = {"image": URI} if place % 10 == 9 else texts[place]
            replies[place] = await asker.embeddings(input=[kind])

        async with anyio.create_task_group() as group:
            for place in range(len(texts)):
                group.start_soon(one, place)
        passes = await asker.count("e5v_pass_items_count")
        items = await asker.count("e5v_items_total")
    for place, text in enumerate(texts):
        alone = model.encode([CAT if place % 10 == 9 else text])
        np.testing.assert_allclose(vectors(replies[place]), alone, atol=1e-5)
    assert items == len(texts) + 1  # the first was the server's own
    assert passes < len(texts) / 2


async def test_a_bad_item_harms_no_neighbour(ask: Ask, model: E5V) -> None:
    """Catches a bad image that takes down those that share its pass."""
    replies: dict[int, httpx2.Response] = {}
    async with ask() as asker:

        async def one(place: int) -> None:
            bad = {"image": data_uri(CAT.read_bytes()[:900])}
            replies[place] = await asker.embeddings(input=["a", bad] if place % 2 else ["a", "b"])

        async with anyio.create_task_group() as group:
            for place in range(8):
                group.start_soon(one, place)
    expected = model.encode(["a", "b"])
    for place, reply in replies.items():
        if place % 2:
            assert fault(reply) == (422, "item", 1)
        else:
            np.testing.assert_allclose(vectors(reply), expected, atol=1e-5)


def _ubinary(rows: NDArray[np.float32]) -> NDArray[np.generic]:
    return quantise(rows, "binary")


COHERE: dict[str, Callable[[NDArray[np.float32]], NDArray[Any]]] = {
    "float": lambda rows: rows,
    "int8": lambda rows: quantise(rows, "int8"),
    "uint8": lambda rows: quantise(rows, "int8").astype(np.int16) + 128,
    "ubinary": _ubinary,
    "binary": lambda rows: _ubinary(rows).astype(np.int16) - 128,
}


async def test_coheres_form(ask: Ask, model: E5V) -> None:
    """Catches a type that is not what Cohere's clients read, and inputs that lose a part."""
    async with ask() as asker:
        reply = await asker.client.post(
            "/v2/embed",
            json={
                "model": "embed-v4.0",
                "input_type": "search_query",
                "inputs": [{"content": [IMAGE_PART, TEXT_PART]}, {"content": [TEXT_PART]}],
                "embedding_types": [*COHERE, "base64"],
                "output_dimension": 16,
            },
        )
        images = await asker.client.post("/v2/embed", json={"images": [URI]})
        both = await asker.client.post("/v2/embed", json={"images": [URI], "texts": ["a"]})
    told = reply.json()
    rows = model.encode([[CAT, "as a dog"], "as a dog"], dim=16)
    for kind, expected in COHERE.items():
        close = 1 if "int8" in kind else 1e-5  # the step of a byte may fall on either side
        np.testing.assert_allclose(told["embeddings"][kind], expected(rows), atol=close)
    packed = np.frombuffer(base64.b64decode(told["embeddings"]["base64"][1]), "<f4")
    np.testing.assert_allclose(packed, rows[1], atol=1e-5)
    assert told["meta"]["billed_units"]["images"] == 1
    np.testing.assert_allclose(images.json()["embeddings"]["float"], model.encode([CAT]), atol=1e-5)
    assert fault(both) == (422, "fields", None)


async def test_coheres_ways_to_cut(ask: Ask, model: E5V) -> None:
    """Catches START that cuts the end, a limit that is overlooked, and NONE that cuts."""
    long = " ".join(f"number {place}" for place in range(2_000))

    async def embed(asker: Any, **body: Any) -> httpx2.Response:
        reply: httpx2.Response = await asker.client.post("/v2/embed", json=body)
        return reply

    def cohere(reply: httpx2.Response) -> NDArray[np.float32]:
        assert reply.status_code == 200, reply.text
        return np.array(reply.json()["embeddings"]["float"], np.float32)

    async with ask() as asker:
        start = await embed(asker, texts=[long], truncate="START")
        end = await embed(asker, texts=[long], truncate="END", priority=3)
        few = await embed(asker, texts=["a dog", "a"], max_tokens=1, truncate="START")
        enough = await embed(asker, texts=["a dog"], max_tokens=500, truncate="NONE")
        whole = await embed(asker, texts=["a dog in the grass"], max_tokens=2, truncate="NONE")
        none = await embed(asker, texts=["a", long], truncate="NONE")
        jina = await asker.embeddings(input=["a", long], truncate=False)
        cut = await asker.embeddings(input=[long], truncate="START", embedding_type="float")
    with pytest.warns(EncodeWarning, match="truncated to fit"):
        np.testing.assert_allclose(cohere(end), model.encode([long]), atol=1e-5)
    kept = model.prepare(long, fit=Fit("start")).prompted.ids
    said = model.loaded.processor.tokenizer.decode(kept).replace(" ", "").replace("Ġ", " ")
    assert "number 1998 number 1999" in said
    assert "number 1 " not in said
    assert not np.allclose(cohere(start), cohere(end), atol=1e-3)
    np.testing.assert_allclose(vectors(cut), cohere(start), atol=1e-5)
    assert cut.json()["data"][0]["truncated"] is True
    np.testing.assert_allclose(cohere(few)[1], model.encode(["a"])[0], atol=1e-5)
    np.testing.assert_allclose(cohere(enough), model.encode(["a dog"]), atol=1e-5)
    assert fault(whole) == (422, "item", 0)
    assert "is over 2 tokens long" in whole.json()["error"]["message"]
    assert fault(none) == fault(jina) == (422, "item", 1)


@pytest.mark.parametrize(
    "image",
    [
        "data:image/jpeg;base64," + base64.encodebytes(CAT.read_bytes()).decode(),
        "data:image/jpeg;base64, " + base64.urlsafe_b64encode(CAT.read_bytes()).decode(),
        "DATA:IMAGE/JPEG;BASE64," + BARE.rstrip("="),
        "data:image;base64," + BARE,
        "data:;base64," + BARE,
        base64.encodebytes(CAT.read_bytes()).decode(),
    ],
)
async def test_base64_as_clients_write_it(ask: Ask, model: E5V, image: str) -> None:
    """Catches an image that other servers take and that is refused here, by any of the routes."""
    async with ask() as asker:
        replies = [
            await asker.embeddings(input={"image": image}),
            await asker.embeddings(messages=[{"role": "user", "content": [_part(image)]}]),
        ]
        cohere = await asker.client.post("/v2/embed", json={"images": [image]})
    for reply in replies:
        np.testing.assert_allclose(vectors(reply), model.encode([CAT]), atol=1e-5)
    np.testing.assert_allclose(cohere.json()["embeddings"]["float"], model.encode([CAT]), atol=1e-5)


def _part(image: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": image}}


async def test_the_model_is_named(ask: Ask, model: E5V) -> None:
    """Catches a reply that repeats the name a client made up, and a path told to strangers."""
    async with ask() as asker:
        reply = await asker.embeddings(input="a", model="text-embedding-3-small")
        listed = (await asker.client.get("/v1/models")).json()["data"]
    assert reply.json()["model"] == listed[0]["id"]
    assert "/" not in listed[0]["id"]
    assert listed[0]["dimensions"] == model.width
