"""What a model costs here, and which one to take."""

from dataclasses import replace

import pytest

from e5v.model import machine, prices
from e5v.model.bundled import PHOTOS
from e5v.model.catalogue import MODELS, PROMPT_TOKENS, TEXT_TOKENS, find_model
from e5v.model.machine import Machine, Rates, find_machine, measure_rates
from e5v.model.prices import EFFICIENCY, ROOM, Price, advise, find_price
from e5v.model.speeds import Speed

LARGE = Machine("cpu", "bfloat16", "cpu x, 2 threads", 64_000_000_000)
WIDTHS = {width for one in MODELS for width in one.widths}


def _rates(factor: float = 1.0) -> Rates:
    return Rates(dict.fromkeys(WIDTHS, factor * 1e12), factor * 2e11, factor * 1e9)


def _price(name: str, where: Machine = LARGE, factor: float = 1.0) -> Price:
    model = find_model(name)
    assert model is not None
    return find_price(model, where, _rates(factor), {})


def _prices(where: Machine = LARGE, factor: float = 1.0) -> list[Price]:
    return [find_price(one, where, _rates(factor), {}) for one in MODELS]


def test_an_estimate_is_work_by_rates() -> None:
    """Catches a price that does not follow the machine, and one called measured that is not."""
    price = _price("Qwen/Qwen3-VL-Embedding-2B")
    work = price.model.work("photo")
    assert work.keys() == {1_024, 2_048}
    ideal = sum(
        one.products / 1e12 + one.attention / 2e11 + one.values / 1e9 for one in work.values()
    )
    assert price.photo == pytest.approx(ideal / EFFICIENCY["photo"])
    [text] = price.model.work("text").values()
    assert text == price.model.shape.language.work(TEXT_TOKENS)
    slower = _price("Qwen/Qwen3-VL-Embedding-2B", factor=0.25)
    assert slower.photo == pytest.approx(4 * price.photo)
    assert price.basis("photo") == price.basis("text") == "estimated"


def test_a_measured_speed_replaces_an_estimate() -> None:
    """Catches an estimate kept where the model has been used, and tokens of the wrong item."""
    model = find_model("Qwen/Qwen3-VL-Embedding-2B")
    assert model is not None
    speed = Speed(model.id, "", LARGE.name, LARGE.dtype, "photo", 50.0, 100)
    price = find_price(model, LARGE, _rates(), {(model.id, "photo"): speed})
    assert price.photo == (300 + PROMPT_TOKENS) / 50
    assert (price.basis("photo"), price.basis("text")) == ("measured", "estimated")


def test_what_fits() -> None:
    """Catches weights that fill the memory and leave none for a run."""
    shape = _price("royokong/e5-v").model.shape
    tight = replace(LARGE, memory=shape.memory("bfloat16") + ROOM)
    assert _price("royokong/e5-v", tight).fits
    less = _price("royokong/e5-v", replace(tight, memory=tight.memory - 1))
    assert (less.fits, less.fitting) == (False, ("8bit", "4bit"))
    assert _price("royokong/e5-v", replace(LARGE, memory=1)).fitting == ()


def test_the_best_score_that_fits_is_advised() -> None:
    """Catches a model that does not fit, is too slow, or is compared on another benchmark."""
    assert advise(_prices(), 1_000).price.model.id == "Qwen/Qwen3-VL-Embedding-8B"
    small = replace(LARGE, memory=12_000_000_000)
    found = advise(_prices(small), 10)
    assert found.price.model.id == "Qwen/Qwen3-VL-Embedding-2B"
    assert "75" in found.why
    assert "10 s" in found.why
    for poor in (_prices(replace(LARGE, memory=1_000_000_000)), _prices(factor=1e-3)):
        found = advise(poor, 10)
        assert found.price.model.id == PHOTOS
        assert "no published model" in found.why


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a machine without memory, a name that changes, and a rate of nothing."""
    monkeypatch.setattr(machine, "SECONDS", 0.0)
    here = find_machine("cpu", "float32")
    assert here == find_machine("cpu", "float32")
    assert (here.device, here.dtype) == ("cpu", "float32")
    assert here.name.startswith("cpu ")
    assert here.memory > 100_000_000
    rates = measure_rates(here, [64, 32, 64])
    assert list(rates.products) == [32, 64]
    assert min(*rates.products.values(), rates.attention, rates.values) > 0


def test_all_models_are_priced(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Catches a model of a width that was not measured."""
    monkeypatch.setenv("E5V_CACHE", str(tmp_path))
    monkeypatch.setattr(prices, "measure_rates", lambda machine, widths: _rates())
    found = prices.find_prices(LARGE)
    assert [one.model for one in found] == list(MODELS)
    assert all(one.photo > one.text > 0 for one in found if one.model.id != PHOTOS)
    assert prices.recommend(LARGE, 1_000).price.model.id == "Qwen/Qwen3-VL-Embedding-8B"
