"""Instructions and sides: what a call, an item, an index and a search say of what items are for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import e5v
from e5v import E5V, PromptError, UsageError
from e5v.errors import DataError
from e5v.inputs import Item, Text
from e5v.model.recipe import SIDES, Purpose
from e5v.model.verify import check
from e5v.search.query import Query, embed_query

Checkpoints = Callable[[str], Path]
BGE = "bge-vl-mllm"


@pytest.fixture(scope="module")
def two_sided(checkpoints: Checkpoints) -> E5V:
    """Give a small model whose queries are worded otherwise than its documents."""
    return E5V(checkpoints("llava_next_mistral"), dtype="float32", recipe=BGE)


def test_e5v_ignores_sides(checkpoints: Checkpoints) -> None:
    """Catches a side that moves a vector of a model which has none."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    usual = model.encode(["a dog"])
    for side in SIDES:
        assert model.encode(["a dog"], side=side).tobytes() == usual.tobytes()
        item = Item((Text("a dog"),), side=side)
        assert model.encode([item]).tobytes() == usual.tobytes()


def test_an_item_may_say_itself_what_it_is_for(two_sided: E5V) -> None:
    """Catches an item's own instruction or side that the call's takes the place of."""
    own = two_sided.encode([{"text": "a dog", "instruction": "Find it."}], instruction="Or not.")
    assert own.tobytes() == two_sided.encode(["a dog"], instruction="Find it.").tobytes()
    item = Item((Text("a dog"),), side="document")
    usual = two_sided.encode(["a dog"], side="document")
    assert two_sided.encode([item], side="query").tobytes() == usual.tobytes()
    both = two_sided.encode([{"text": "a dog", "instruction": "Find it."}, "a dog"])
    assert np.abs(both - np.concatenate([own, usual])).max() <= 1e-5


def test_an_instruction_without_a_place_is_refused(
    two_sided: E5V, checkpoints: Checkpoints
) -> None:
    """Catches an instruction that is dropped, which would give other vectors than were meant."""
    plain = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    with pytest.raises(PromptError, match="recipe e5-v has no place for an instruction; leave it"):
        plain.encode(["a dog"], instruction="Find it.", on_error="skip")
    with pytest.raises(PromptError, match=r"item 0: .*no <instruction> slot"):
        plain.encode([{"text": "a dog", "instruction": "Find it."}])
    asked = plain.encode(
        ["a dog"], instruction="Find it.", prompt="<instruction>: <text> in a word"
    )
    assert asked.shape == (1, 64)
    with pytest.raises(PromptError, match=f"{BGE} gives documents no instruction; leave it out"):
        two_sided.encode(["a dog"], instruction="Find it.", side="document")
    with pytest.raises(UsageError, match='side is "passage"; expected "query" or "document"'):
        two_sided.encode(["a dog"], side="passage")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="sides"):
        two_sided.encode(["a dog"], sides="query")  # type: ignore[call-overload]


def test_a_system_turn_is_the_instruction_of_models_that_have_one(checkpoints: Checkpoints) -> None:
    """Catches a chat's system turn dropped, refused, or in a turn of its own beside the default."""
    model = E5V(checkpoints("qwen2_vl"), dtype="float32", recipe="gme-qwen2-vl")
    chat = [{"role": "system", "content": "Find it."}, {"role": "user", "content": "a dog"}]
    asked = model.encode(["a dog"], instruction="Find it.")
    assert model.encode([chat]).tobytes() == asked.tobytes()
    with pytest.raises(PromptError, match="gives documents no instruction"):
        model.encode([chat], side="document")
    with pytest.raises(PromptError, match="a system turn and an instruction"):
        model.encode([chat], instruction="Another.")


def test_a_blank_instruction_is_refused() -> None:
    """Catches a vector worded with an instruction that says nothing."""
    with pytest.raises(UsageError, match="instruction is blank; leave it out"):
        Purpose(" \n")


def test_a_prompt_of_ones_own_takes_the_place_of_a_recipes(two_sided: E5V) -> None:
    """Catches a template that is passed over, and E5-V's wording of a task in another model."""
    usual = two_sided.encode(["a dog"])
    assert two_sided.encode(["a dog"], prompt="sts").tobytes() == usual.tobytes()
    own = two_sided.encode(["a dog"], prompt="[INST]  <text> \n [/INST]")
    assert np.abs(own - usual).max() <= 1e-6
    assert np.abs(two_sided.encode(["a dog"], prompt="<text>?") - usual).max() > 1e-3


def test_a_recipe_limits_the_length(checkpoints: Checkpoints) -> None:
    """Catches texts longer than the authors' code takes."""
    model = E5V(checkpoints("qwen2_vl"), dtype="float32", recipe="gme-qwen2-vl")
    assert model.max_tokens == 1_800
    ids = model.prepare("word " * 3_000).prompted.ids
    tail = model.loaded.processor.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert (len(ids), ids[-1]) == (1_800, tail)
    with pytest.raises(UsageError, match="expected 1 to 1800"):
        E5V(model.loaded, max_tokens=1_801)


def test_what_has_no_wording_is_refused(checkpoints: Checkpoints) -> None:
    """Catches a wording made up for a kind of item that the authors have none for."""
    model = E5V(checkpoints("qwen2_5_vl"), recipe="nomic-embed-multimodal")
    item = {"image": Image.new("RGB", (40, 40)), "text": "a dog"}
    with pytest.raises(PromptError, match="no wording for texts and images together"):
        model.encode([item])


def test_an_index_embeds_documents_and_a_search_queries(
    two_sided: E5V, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Catches the two embedded alike, and an index that forgets its recipe."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a dog in the grass")
    place = tmp_path / "index"
    e5v.index([tmp_path / "texts"], index=place, model=two_sided)
    reader = e5v.Index.open(place)
    [entry] = reader.newest()
    stored = two_sided.encode(["a dog in the grass"], side="document")[0]
    vector = reader.vector(entry.id)
    assert vector is not None
    assert float(vector @ stored) > 0.9999
    query = embed_query(two_sided, Query("a dog in the grass")).query
    assert np.abs(query - two_sided.encode(["a dog in the grass"], side="query")[0]).max() <= 1e-6
    assert float(query @ stored) < 0.999
    (tmp_path / "texts" / "b.txt").write_text("a cat")
    assert e5v.index(index=place).entries == 2, "its own model is opened, in its own recipe"
    other = E5V(checkpoints("llava_next_mistral"), dtype="float32")
    with pytest.raises(
        DataError, match=f"open it in float32 with the recipe {BGE}, or use another"
    ):
        e5v.index(index=place, model=other)


def test_the_example_of_a_query_is_a_document(two_sided: E5V, photos: list[Image.Image]) -> None:
    """Catches copies of an example that are not known for such, as they are documents."""
    vectors = embed_query(two_sided, Query("at night", image=photos[0]))
    document = two_sided.encode([photos[0]], side="document")[0]
    assert vectors.example is not None
    assert np.abs(vectors.example - document).max() <= 1e-5


@pytest.mark.parametrize(
    ("family", "recipe"),
    [("llava_next_mistral", BGE), ("qwen2_vl", "lamra-ret"), ("qwen2_vl", "vlm2vec-qwen2-vl")],
)
def test_verify_checks_the_recipe(family: str, recipe: str, checkpoints: Checkpoints) -> None:
    """Catches a plain path that is not the recipe's, and a recipe that is not shown."""
    checks = list(check(E5V(checkpoints(family), dtype="float32", recipe=recipe)))
    assert [one for one in checks if not one.passed] == []
    assert checks[1].name == "recipe"
    assert checks[1].figure == f"{recipe}, asked for"
