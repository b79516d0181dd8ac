"""Literal prompts: the vectors of the items that they were written for, or a refusal."""

import base64
from typing import Any

import numpy as np
import pytest

from e5v import E5V
from e5v.model.engine import write_part
from e5v.model.literal import literal_template
from e5v.model.preparing import Preparer
from e5v.model.prompts import RETRIEVAL
from tests.web.asking import Ask, data_uri, fault, picture, vectors
from tests.web.small import VOCABULARY

pytestmark = pytest.mark.anyio
IMAGE = picture(80, 40)


def _message(*parts: dict[str, object], **more: object) -> dict[str, Any]:
    message = {"role": "user", "content": list(parts)}
    return {"messages": [message], "chat_template": literal_template("<image>")} | more


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _image(uri: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": uri}}


async def test_ids_and_messages_are_whole_prompts(ask: Ask, model: E5V) -> None:
    """Catches a literal prompt that is put into another prompt, cut, or read as its own name."""
    texts = ["a dog", "<|eot_id|> twice"]
    prompts = [model.prepare(text).prompted.ids for text in texts]
    preparer = Preparer(model.loaded, model.max_tokens, for_engine=True)
    item: Any = {"image": IMAGE, "text": "but blue"}
    parts = preparer.prepare(item, 0, RETRIEVAL).prompted.literal
    written = [write_part(part) for part in parts]
    async with ask() as asker:
        reply = await asker.embeddings(input=prompts, add_special_tokens=False)
        np.testing.assert_allclose(vectors(reply), model.encode(texts), atol=1e-5)
        assert reply.json()["usage"]["prompt_tokens"] == sum(map(len, prompts))
        one = await asker.embeddings(input=prompts[0], add_special_tokens=False)
        np.testing.assert_allclose(vectors(one), model.encode(texts[:1]), atol=1e-5)
        reply = await asker.embeddings(**_message(*written, add_special_tokens=False))
        np.testing.assert_allclose(vectors(reply), model.encode([item]), atol=1e-5)
        named = await asker.embeddings(input=texts, add_special_tokens=False)
        np.testing.assert_allclose(vectors(named), model.encode(texts), atol=1e-5)


IDS = {"add_special_tokens": False}
REFUSED: list[tuple[dict[str, Any], tuple[int, str, int | None], str]] = [
    ({"input": [[1, 2]]}, (422, "item", 0), "token ids"),
    (IDS | {"input": [[1], [1, VOCABULARY]]}, (422, "item", 1), "id outside 0 to "),
    (IDS | {"input": [[-1]]}, (422, "item", 0), "id outside"),
    (IDS | {"input": [[1] * 5_000]}, (422, "item", 0), "has 5000 tokens; the model takes 4096"),
    (IDS | {"input": [[1], "a"]}, (422, "item", 0), "token ids"),
    (_message(_text("<image>")), (422, "item", 0), "tokens for images other than"),
    (_message(_text("")), (422, "item", 0), "its prompt is empty"),
    (_message(_image("cat.jpg")), (422, "item", 0), "expected a data URI, base64 or"),
    (_message({"type": "audio"}), (422, "item", 0), "neither a text nor an image_url"),
    (_message(), (422, "item", 0), "a list of parts"),
    (
        _message(_text("a"), chat_template="{{ 1 }}"),
        (422, "fields", None),
        "chat_template is anoth",
    ),
    (_message(_text("a"), add_special_tokens=True), (422, "fields", None), "no special tokens"),
    (_message(_text("a"), input="a"), (422, "fields", None), "with one message"),
]


@pytest.mark.parametrize(("body", "expected", "message"), REFUSED)
async def test_what_is_no_prompt_of_the_model(
    ask: Ask, body: dict[str, Any], expected: tuple[int, str, int | None], message: str
) -> None:
    """Catches ids of another vocabulary, and a template that is ignored: wrong vectors."""
    async with ask() as asker:
        reply = await asker.embeddings(**body)
    assert fault(reply) == expected
    assert message in reply.json()["error"]["message"]


async def test_an_image_token_needs_an_image(ask: Ask, model: E5V) -> None:
    """Catches a prompt whose image is not there, and a limit on images that literal ones pass."""
    image_token = model.loaded.image_token_id
    large = base64.b64encode(picture(9_000, 9_000)).decode()
    async with ask() as asker:
        reply = await asker.embeddings(input=[[1, image_token]], **IDS)
        assert "tokens for images other than" in reply.json()["error"]["message"]
        reply = await asker.embeddings(**_message(_image(f"data:image/png;base64,{large}")))
        assert "more than 50 megapixels" in reply.json()["error"]["message"]
        reply = await asker.embeddings(**_message(_image(data_uri(IMAGE, "image/png"))))
        assert reply.status_code == 200
