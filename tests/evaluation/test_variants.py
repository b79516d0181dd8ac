"""What a report says that was measured with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import E5V
from e5v.evaluation.tasks import Pool
from e5v.evaluation.variants import collect_wordings, describe_setting, variants
from e5v.model.fingerprint import fingerprint
from e5v.model.prompts import PROMPTS

POOLS = [
    Pool(["a"], "text"),
    Pool(["a.png"], "image"),
    Pool(["b.png"], "image"),
    Pool([{"image": "a.png", "text": "but black"}], "composed", "fashioniq-toptee"),
]


@pytest.fixture(scope="module")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a small model that speaks the paper's turn."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


def test_every_wording_that_is_used_is_told(model: E5V) -> None:
    """Images and edits asked for in words that the report keeps to itself."""
    assert collect_wordings(variants(model, None), POOLS) == {
        "fashioniq-toptee, composed": PROMPTS["fashioniq-toptee"].edit,
        "retrieval, image": PROMPTS["retrieval"].image,
        "retrieval, text": PROMPTS["retrieval"].text,
    }


def test_variants_have_their_own_wordings(model: E5V) -> None:
    """The paper's prompt in the report of a run without one."""
    told = collect_wordings(variants(model, "prompt"), POOLS)
    assert told["no prompt: retrieval, text"] == "<text>"
    assert told["prompt: retrieval, image"] == "<image> Summary above image:"
    assert told["one word: retrieval, text"] == PROMPTS["retrieval"].text
    assert len(told) == 9
    alike = collect_wordings(variants(model, "readout"), POOLS)
    assert alike == collect_wordings(variants(model, None), POOLS)


def test_a_setting_is_of_the_model_as_it_is(model: E5V) -> None:
    """A fingerprint or a read-out of one variant for all of them."""
    every = list(variants(model, "readout"))
    setting = describe_setting(every, POOLS, [], name="a model", paper="")
    assert setting.fingerprint == fingerprint(model.loaded)
    assert setting.readout.split(", ")[-2:] == ["before-mlp", "last"]
    assert len(set(setting.readout.split(", "))) == len(every)
    assert (setting.dtype, setting.turn) == ("float32", "llama3, the paper's")
    assert setting.device.startswith("cpu, ")
    assert {"python", "e5v", "torch", "transformers"} <= set(setting.versions)
