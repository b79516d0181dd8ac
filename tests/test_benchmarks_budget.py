"""The benchmarks of image tokens and of weights, on tiny models: they measure what they say."""

import json
from pathlib import Path

import pytest

from benchmarks import image_budget, weights
from benchmarks.families import FAMILIES, write_family
from benchmarks.fresh import here
from benchmarks.sizes import SIZES
from benchmarks.work import read_sentences

FREE = {"LLaVA-NeXT": 70, "Qwen2-VL": 391, "SmolVLM": 832}  # tokens of 640 x 480; tiles of tiny: 28


@pytest.mark.parametrize("family", FAMILIES)
def test_a_photo_costs_what_published_models_take(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a family whose images are prepared otherwise, and a budget that is not kept."""
    sentences = read_sentences(image_budget.EXAMPLES / "nli" / "train.csv")[:200]
    write_family(family, tmp_path, SIZES["tiny"], sentences)
    monkeypatch.setitem(image_budget.BUDGETS, "LLaVA-NeXT", (None, 60, 17))
    first, *_, last = image_budget.BUDGETS[family]
    monkeypatch.setitem(image_budget.BUDGETS, family, (first, last))
    costs = image_budget.measure_family(family, tmp_path, rounds=1)
    assert (costs[0].tokens, costs[0].ratio) == (FREE[family], 1.0)
    assert all(one.tokens <= one.budget for one in costs if one.budget)
    assert all(one.tokens < costs[0].tokens < costs[0].prompt for one in costs[1:])
    settings = image_budget.Settings()
    told = image_budget.report(settings, image_budget.Known(tuple(costs)))
    assert json.loads(json.dumps(told))["costs"][0]["tokens"] == FREE[family]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_weights_are_compared_with_full_ones() -> None:
    """Catches a cosine with itself, and sizes of another model."""
    pytest.importorskip("bitsandbytes")
    settings = weights.Settings("tiny", texts=4, photos=1, rounds=1, model="")
    *_, known = weights.measure(settings, here)
    full, eight, four = known.random
    assert (full.mean_cosine, full.way, eight.way, four.way) == (1.0, "full", "8bit", "4bit")
    assert four.lowest_cosine < eight.lowest_cosine < 1
    assert json.loads(json.dumps(weights.report(settings, known)))["random"][2]["way"] == "4bit"
