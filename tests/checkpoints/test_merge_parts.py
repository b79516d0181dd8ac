"""An adapter of more than the language model is refused for what it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import ModelError
from e5v.checkpoints.merge import merge
from tests.adapters import edit_weights, write_adapter


@pytest.mark.parametrize(
    ("name", "target", "parts"),
    [
        ("llava_next_llama3", "all-linear", "multi_modal_projector, vision_tower"),
        ("qwen3_vl", "all-linear", "visual"),
        ("smolvlm", ".*(text_model|connector).*proj", "connector"),
    ],
)
def test_an_adapter_of_the_vision_part_too_is_named(
    name: str, target: str, parts: str, checkpoints: Callable[[str], Path], tmp_path: Path
) -> None:
    """An adapter of this very model that is said to be made for another."""
    source = checkpoints(name)
    run = write_adapter(tmp_path / "run", source, target_modules=target)
    with pytest.raises(ModelError) as caught:
        merge(run, tmp_path / "merged", source)
    assert str(caught.value).endswith(
        f"it also adapts {parts}, but e5v merges adapters of the language model "
        "only: merge it with peft's merge_and_unload"
    )
    assert not (tmp_path / "merged").exists()


def test_an_adapter_of_the_head_too_is_named(
    checkpoints: Callable[[str], Path], tmp_path: Path
) -> None:
    """The output head, which is no part of the language model that vectors come from."""
    source = checkpoints("llava_next_llama3")
    run = write_adapter(tmp_path / "run", source, target_modules=["q_proj", "lm_head"])
    with pytest.raises(ModelError, match=r"it also adapts lm_head, vision_tower, but"):
        merge(run, tmp_path / "merged", source)


def test_an_adapter_of_another_model_is_still_that(
    checkpoints: Callable[[str], Path], tmp_path: Path
) -> None:
    """Layers that this model has nowhere, called a part of it."""
    source = checkpoints("llava_next_llama3")
    run = write_adapter(tmp_path / "run", source)
    edit_weights(run, lambda key, value: (key.replace("layers.2", "layers.7"), value))
    with pytest.raises(ModelError, match="it was made for another model"):
        merge(run, tmp_path / "merged", source)
