"""Models that word queries and documents differently: training asks as search does later."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e5v
from e5v import E5V, PromptError, UsageError
from e5v.model.loading import Loaded, load
from e5v.model.prompts import RETRIEVAL
from e5v.model.recipe import Purpose
from e5v.model.recipes import find_recipe
from e5v.training.checks import check_asked
from e5v.training.mining import mine
from e5v.training.mining_items import DistinctItems, ItemCorpus, Pairs
from e5v.training.mining_rule import MiningRule
from e5v.training.reading import read_triplets
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Run
from e5v.training.sampler import Batch
from e5v.training.trainer import fit
from e5v.training.training_prompts import TrainingPrompts
from e5v.training.triplets import Triplet, collect_triplets
from e5v.training.validation import Validation
from e5v.training.validation_data import HeldOut
from tests.training.test_mining import Quiet

Checkpoints = Callable[[str], Path]
BGE = "bge-vl-mllm"
QUERY, DOCUMENT = Purpose(side="query"), Purpose(side="document")
SHORT = Recipe(batch=2, steps=1, adapter=Adapter(rank=2, alpha=4, dropout=0.0))


@pytest.fixture(scope="module")
def loaded(checkpoints: Checkpoints) -> Loaded:
    """Open the language part of a small model whose queries are worded otherwise."""
    folder = checkpoints("llava_next_mistral")
    return load(folder, dtype="float32", device="cpu", part="language", recipe=BGE)


def test_an_anchor_is_a_query_and_the_others_are_documents(loaded: Loaded) -> None:
    """Catches a model that is trained on a wording which no search has."""
    model = E5V(loaded)
    batch = Batch((Triplet("a dog", "a cat", ("a cow",)), Triplet("a man", "a girl")), ())
    prompts = TrainingPrompts(loaded, SHORT).prepare(batch.items, batch.sides)
    expected = [
        model.prepare(text, purpose=purpose).prompted
        for text, purpose in (
            ("a dog", QUERY),
            ("a man", QUERY),
            ("a cat", DOCUMENT),
            ("a girl", DOCUMENT),
            ("a cow", DOCUMENT),
        )
    ]
    assert [one.prompted for one in prompts] == expected
    assert expected[0] != model.prepare("a dog", purpose=DOCUMENT).prompted


def test_a_captioned_image_is_a_document(folder: Path) -> None:
    """Catches images that are trained as queries, and found as documents."""
    row = read_triplets([folder / "captions.jsonl"]).rows[0]
    assert row.sides == ("document", "query")
    assert replace(row, instruction="Find it.", anchor_side="query").sides == ("query", "document")
    (folder / "edits.jsonl").write_text('{"image": "0.png", "text": "red", "target": "1.png"}\n')
    assert read_triplets([folder / "edits.jsonl"]).rows[0].sides == ("query", "document")


def test_instructions_go_where_the_recipe_has_a_place() -> None:
    """Catches an instruction that is refused for want of a slot, or by a side that takes none."""
    asked = find_recipe(BGE)
    check_asked(collect_triplets([Triplet("a", "b", instruction="Find it.")]), SHORT, asked)
    rows = collect_triplets([Triplet("a", "b", positive_instruction="A page")])
    with pytest.raises(PromptError, match="gives documents no instruction"):
        check_asked(rows, SHORT, asked)
    with pytest.raises(UsageError, match="faithful template is of E5-V's own script"):
        check_asked(
            collect_triplets([Triplet("a", "b")]), replace(SHORT, template="faithful"), asked
        )


def test_validation_and_mining_ask_as_search_does(loaded: Loaded) -> None:
    """Catches figures that are not those of the index the model is made for."""
    model = E5V(loaded)
    validation = Validation(HeldOut.of([("a dog", "a cat")], ["a cow"]), RETRIEVAL, [])
    validation.measure(model)
    queries, candidates = validation._queries, validation._candidates
    assert queries[0].prompted == model.prepare("a dog", purpose=QUERY).prompted
    assert candidates[0].prompted == model.prepare("a cat", purpose=DOCUMENT).prompted

    rows = [Triplet("a dog", "a cat"), Triplet("a man", "the old man")]
    pairs = Pairs.of(rows)
    corpus = ItemCorpus(DistinctItems.of(["a cat", "the old man", "some people", "a cow"]), model)
    mined = mine(pairs, corpus, model, MiningRule(ranks="0:3", margin=-2.0), Quiet())
    anchors = model.encode(["a dog", "a man"], side="query")
    positives = model.encode(["a cat", "the old man"], side="document")
    assert np.allclose(mined.positive_scores, (anchors * positives).sum(1), atol=1e-5)


def test_a_run_keeps_how_its_model_is_asked(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches a model that is trained with one wording, and then asked in another."""
    base, run = str(checkpoints("llava_next_mistral")), tmp_path / "run"
    rows = [Triplet("a dog", "a cat"), Triplet("a man", "a girl")]
    options: dict[str, Any] = {"dtype": "float32", "device": "cpu"}
    e5v.train(base, rows, run, recipe=SHORT, model_recipe=BGE, dtype="float32", device="cpu")
    assert E5V(run, **options).loaded.recipe.name == BGE
    assert E5V(run / "adapter", **options).loaded.recipe.name == BGE
    assert E5V(run, recipe="e5-v", **options).loaded.recipe.name == "e5-v"
    e5v.merge(run, tmp_path / "tuned")
    merged = E5V(tmp_path / "tuned", **options)
    assert merged.loaded.recipe.name == BGE
    assert np.abs(merged.encode(["a"]) - E5V(run, **options).encode(["a"])).max() < 1e-5
    with pytest.raises(UsageError, match=f"was started with model_recipe {BGE}, got None"):
        list(fit(Run(base, tuple(rows), run, SHORT, resume=True, **options)))
