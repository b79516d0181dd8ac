"""What a run is said to need."""

from dataclasses import replace
from pathlib import Path

import pytest

from e5v.errors import DataError
from paper import estimate
from paper.bases import BASES
from paper.settings import SETTINGS, Numbers, find_settings
from paper.stages import Plan

PLAN = Plan(Path("out"), Path("data"), tuple(SETTINGS), (0,), BASES)


def test_models_are_as_large_as_published() -> None:
    """Catches a shape that is not the model's: 8.35 and 7.57 billion parameters."""
    assert BASES["llama3"].weights == pytest.approx(8.35e9, rel=0.01)
    assert BASES["mistral"].weights == pytest.approx(7.57e9, rel=0.01)


def test_items_are_those_of_the_benchmarks() -> None:
    """Catches captions that are counted once, or 30,000 drawn ones that are not."""
    items = estimate.count_items(whole=False)
    assert items[estimate.DRAWN] == 30_000
    assert items[estimate.PHOTO] == 6_000 + 2_297 + 4_181 + 15_536 + 2 * 6_016
    assert items[estimate.TEXT] == 30_000 + 2 * 18_850


def test_images_cost_what_the_paper_says() -> None:
    """Catches an estimate that is off by far: the paper took 23 times as long for images."""
    needs = {one.setting.name: one for one in estimate.find_needs(PLAN, 400e12)}
    share = needs["image-text"].training / needs["text"].training
    assert 15 < share < 40
    assert 1 < needs["text"].training < 10, "hours on one large GPU"
    assert needs["untuned"].training == 0
    assert needs["text"].disk > 16e9
    assert "phi3-text" not in needs


def test_weights_and_layouts_count() -> None:
    """Catches a plan that says what the rows of all data would cost, not those of a mixture."""
    needs = {one.setting.name: one for one in estimate.find_needs(PLAN, 400e12)}
    text, pairs = (needs[name].training for name in ("text", "image-text"))
    assert needs["mixed"].training == pytest.approx((text + pairs) / 2)
    both = replace(PLAN, layouts=("basic", "raqm"))
    more = {one.setting.name: one for one in estimate.find_needs(both, 400e12)}
    added = more["text"].evaluation - needs["text"].evaluation
    assert 0 < added < 0.5 * needs["text"].evaluation
    assert more["untuned"].evaluation == needs["untuned"].evaluation


def test_seeds_and_steps_count() -> None:
    """Catches a plan of three seeds that says what one takes."""
    one = estimate.find_needs(PLAN, 1e15)
    three = estimate.find_needs(replace(PLAN, seeds=(0, 1, 2)), 1e15)
    assert three[1].hours == pytest.approx(3 * one[1].hours)
    assert three[0].hours == pytest.approx(one[0].hours), "untuned has no seed"
    half = estimate.find_needs(replace(PLAN, numbers=Numbers(steps=500)), 1e15)
    assert half[1].training == pytest.approx(one[1].training / 2)


def test_too_small_a_disk_is_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a disk that is full after two days."""
    plan = replace(PLAN, settings=tuple(find_settings(["text"])))
    monkeypatch.setattr(estimate, "find_free", lambda _: 10**9)
    with pytest.raises(DataError, match=r"out needs [\d.]+ GB more, and its disk has 1\.0 GB free"):
        estimate.need_disk(plan)
    monkeypatch.setattr(estimate, "find_free", lambda _: 10**12)
    estimate.need_disk(plan)


def test_lines_say_what_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a setting whose hours or tables are not told."""
    monkeypatch.setattr(estimate, "measure", lambda _: (800e12, "cuda, bfloat16"))
    lines = list(estimate.describe_needs(PLAN))
    assert "800 TFLOP/s that cuda, bfloat16 reaches" in lines[0]
    told = "\n".join(lines)
    assert all(one.name in told for one in SETTINGS)
    assert "--only" in told
    assert any("phi3-text cannot be run" in line for line in lines)
    assert any("not in the paper, 50% nli, 50% llava-pretrain" in line for line in lines)
