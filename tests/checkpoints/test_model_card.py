"""What a card says of where a checkpoint is from."""

from pathlib import Path

import pytest

from e5v.checkpoints.model_card import ModelCard, write_card


@pytest.mark.parametrize(
    ("source", "named"), [("royokong/e5-v", True), ("nano-base", False), ("folder", False)]
)
def test_the_card_names_a_base_on_the_hub(source: str, named: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """A base model that the hub does not have, or a missing one that it has."""
    write_card(tmp_path, ModelCard("tuned", source))
    card = (tmp_path / "README.md").read_text()
    assert (f'base_model: "{source}"' in card) == named
    assert f"`{source}`" in card
