"""What a request says of what its items are for: `instruction`, `input_type`, and searches."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e5v
from e5v import E5V
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from tests.web.asking import Ask, Asker, asking, fault, vectors

pytestmark = pytest.mark.anyio

TASK = "Find it."
Opened = Callable[[], AbstractAsyncContextManager[Asker]]


@pytest.fixture(scope="module")
def two_sided(checkpoints: Callable[[str], Path]) -> E5V:
    """Give a small model whose queries are worded otherwise than its documents."""
    return E5V(checkpoints("llava_next_mistral"), dtype="float32", recipe="bge-vl-mllm")


@pytest.fixture
def ask_two_sided(two_sided: E5V, tmp_path: Path) -> Opened:
    """Open an app over that model and an index of two texts."""
    (tmp_path / "texts").mkdir()
    for name in ("a dog", "a cat"):
        (tmp_path / "texts" / f"{name}.txt").write_text(name)
    e5v.index([tmp_path / "texts"], index=tmp_path / "index", model=two_sided)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Asker]:
        async with asking(Collection(tmp_path / "index", two_sided), Settings()) as asker:
            yield asker

    return opened


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, {}),
        ({"input_type": "search_query"}, {"side": "query"}),
        ({"input_type": "query"}, {"side": "query"}),
        ({"input_type": "search_document"}, {"side": "document"}),
        ({"input_type": "clustering"}, {"side": "document"}),
        ({"instruction": TASK}, {"instruction": TASK}),
        ({"input": [{"text": "a dog", "instruction": TASK}]}, {"instruction": TASK}),
    ],
)
async def test_items_are_worded_for_their_purpose(
    ask_two_sided: Opened, two_sided: E5V, body: dict[str, Any], options: dict[str, Any]
) -> None:
    """Catches queries embedded as documents, and an instruction that is dropped."""
    async with ask_two_sided() as asker:
        reply = await asker.embeddings(**({"input": ["a dog"]} | body))
    np.testing.assert_allclose(vectors(reply), two_sided.encode(["a dog"], **options), atol=1e-5)


async def test_coheres_types(ask_two_sided: Opened, two_sided: E5V) -> None:
    """Catches Cohere's clients, which name a type in every request, given one wording for all."""
    async with ask_two_sided() as asker:
        for kind, side in (("search_query", "query"), ("search_document", "document")):
            body = {"texts": ["a dog"], "input_type": kind}
            told = (await asker.client.post("/v2/embed", json=body)).json()
            expected = two_sided.encode(["a dog"], side=side)  # type: ignore[call-overload]
            np.testing.assert_allclose(told["embeddings"]["float"], expected, atol=1e-5)
        wrong = await asker.client.post("/v2/embed", json={"texts": ["a"], "input_type": "any"})
    assert fault(wrong)[:2] == (422, "fields")
    assert "search_query" in wrong.json()["error"]["message"]


async def test_an_instruction_without_a_place_is_refused(ask: Ask, ask_two_sided: Opened) -> None:
    """Catches an instruction passed over, and a failure of the server in place of a refusal."""
    async with ask() as asker:
        plain = await asker.embeddings(input=["a dog"], instruction=TASK)
        blank = await asker.embeddings(input=["a dog"], instruction=" ")
    assert fault(plain) == (422, "item", 0)
    assert "no <instruction> slot" in plain.json()["error"]["message"]
    assert fault(blank)[:2] == (422, "fields")
    async with ask_two_sided() as asker:
        body = {"input": ["a dog"], "instruction": TASK, "input_type": "search_document"}
        document = await asker.embeddings(**body)
    assert fault(document) == (422, "item", 0)
    assert "gives documents no instruction" in document.json()["error"]["message"]


async def test_a_search_is_a_query(ask_two_sided: Opened, two_sided: E5V) -> None:
    """Catches the page's searches worded as the documents are."""
    async with ask_two_sided() as asker:
        hits = (await asker.search(text="a dog", k=2)).json()["hits"]
    documents = two_sided.encode(["a dog", "a cat"], side="document")
    expected = np.sort(documents @ two_sided.encode(["a dog"], side="query")[0])[::-1]
    assert [hit["score"] for hit in hits] == pytest.approx(expected.tolist(), abs=1e-4)
