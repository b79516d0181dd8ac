"""Instructions of rows: from their columns into the prompt, on the right side."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError, PromptError
from e5v.inputs import Image, Item, Text
from e5v.model.loading import Loaded
from e5v.model.prompts import ask, find_prompt
from e5v.training.loss import distinct
from e5v.training.reading import read_triplets
from e5v.training.recipe import Recipe
from e5v.training.run import Run
from e5v.training.sampler import Batch
from e5v.training.trainer import fit
from e5v.training.training_prompts import TrainingPrompts
from e5v.training.triplets import Triplet, collect_triplets
from e5v.training.validation_data import read_held_out
from tests.training.triplet_files import causes, write

SLOTS = "<instruction>\n<text>\nIn one word:"
ROW: dict[str, Any] = {"anchor": "a", "positive": "b", "negative": "c"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"instruction": "Find it", "positive_instruction": "A page"}, ("Find it", "A page")),
        ({"query_instruction": "Find it", "document_instruction": "A page"}, ("Find it", "A page")),
        ({"prompt": "Find it"}, ("Find it", "")),  # FlagEmbedding
        ({"instruction": " "}, ("", "")),
    ],
)
def test_columns_of_instructions(
    tmp_path: Path, suffix: str, names: dict[str, str], expected: tuple[str, str]
) -> None:
    """An instruction that is passed over, or given to the other side."""
    read = read_triplets([write(tmp_path / f"a{suffix}", [ROW | names])])
    assert read.rows == (Triplet("a", "b", ("c",), *expected),)
    assert read.notes == ()


def test_an_instruction_that_is_no_text(tmp_path: Path) -> None:
    """A list that ends up in a prompt as Python writes it."""
    rows = [ROW, ROW | {"instruction": ["a"]}]
    read = read_triplets([write(tmp_path / "a.jsonl", rows)])
    assert causes(read) == [(2, "instruction is of type list; expected text")]
    with pytest.raises(DataError, match="row 1 of the data has an instruction of type int"):
        collect_triplets([Triplet("a", "b", instruction=3)])  # type: ignore[arg-type]


def test_the_slot_of_a_template() -> None:
    """An instruction read as part of the template, or a slot that stays in the prompt."""
    prompt = find_prompt(SLOTS)
    item = Item((Text("a dog"),), instruction="Find <text>")
    filled = ask(item, prompt).segments
    assert filled == (Text("Find <text>"), "\n", Text("a dog"), "\nIn one word:")
    assert ask(replace(item, instruction=""), prompt).segments[0] == "\n"
    parts = Item((Image(b"x"), Text("a"), Text("b")), instruction="Find")
    mixed = ask(parts, find_prompt("<instruction>: <parts> in one word:"))
    assert mixed.segments[:2] == (Text("Find"), ": ")


def test_each_side_is_asked_with_its_own(language: Callable[[str], Loaded]) -> None:
    """A passage that is asked for as a query, which no later use of the model does."""
    loaded = language("llava_next_llama3")
    rows = (
        Triplet("a dog", "a cat", ("a cow",), "Find it", "This page"),
        Triplet("a man", "a girl"),
    )
    prepared = TrainingPrompts(loaded, Recipe(prompt=SLOTS)).prepare(Batch(rows, ()).items)
    decode = loaded.processor.tokenizer.decode
    shown = [decode(one.prompted.ids).partition("in one word")[0] for one in prepared]
    assert ["Find it" in one for one in shown] == [True, False, False, False, False]
    assert ["This page" in one for one in shown] == [False, False, True, False, True]
    assert len({one.digest for one in prepared}) == 5


@pytest.mark.parametrize("name", ["instruction", "document_instruction"])
def test_a_prompt_without_the_slot_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instruction that is dropped in silence, or found out when the model is open."""
    data = write(tmp_path / "a.jsonl", [ROW, ROW, ROW | {name: "Find it"}])
    monkeypatch.setattr("e5v.training.trainer.load", None)
    run = Run("nano-base", (data,), tmp_path / "run", Recipe(batch=2))
    with pytest.raises(PromptError, match="no <instruction> slot, but the item has an instruction"):
        list(fit(run))
    with pytest.raises(DataError, match="has instructions, which validation data cannot have"):
        read_held_out(data, 10)


def test_the_content_of_a_run_has_its_instructions(tmp_path: Path) -> None:
    """A run that goes on with other instructions than it began with."""
    contents = {
        read_triplets([write(tmp_path / "a.jsonl", [row])]).content
        for row in (ROW, ROW | {"instruction": "x"}, ROW | {"positive_instruction": "x"})
    }
    assert len(contents) == 3


def test_one_text_with_two_instructions_is_two_queries() -> None:
    """The answer to another question about one text left out of the loss; or a text as its own."""
    rows = [
        Triplet("a", "b", instruction="Find a colour"),
        Triplet("a", "c", instruction="Find a shape"),
        Triplet("a", "d", ("a",), instruction="Find a shape"),
    ]
    expected = [[True, True, True, False], [True, True, False, False], [True, False, True, False]]
    assert distinct(rows).tolist() == expected
