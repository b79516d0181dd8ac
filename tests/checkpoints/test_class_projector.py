"""Classes become the embeddings of their words; and the table and numbers that say which."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from e5v.checkpoints.class_projector import project_classes
from e5v.checkpoints.photos_settings import ClassName, read_classes, read_settings
from e5v.errors import DataError
from tests.checkpoints.photos_files import SHIPPED, write_assets

SETTINGS = replace(
    read_settings(SHIPPED),
    name_weight=1.0,
    hypernym_weight=0.5,
    implied_weight=0.25,
    mean_share=0.1,
    mean_bias=0.25,
    scale=0.5,
)
WORDS = {"beagle": [3, 4], "dog": [5], "grass": [6], "ball": [7], "cat": [1]}


@pytest.fixture
def table() -> Tensor:
    """Give embeddings that are far from 0, as those of language models are, (9, 16)."""
    return torch.randn(9, 16, generator=torch.Generator().manual_seed(2)) + 3


def project(table: Tensor, *classes: ClassName, **changes: float) -> Tensor:
    """Return the matrix of classes with some other settings."""
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    tokenize = WORDS.__getitem__
    return project_classes(classes, settings, tokenize, table, len(classes) + 2).weight


def test_a_class_is_the_weighted_sum_of_its_words(table: Tensor) -> None:
    """Catches a column with the weight of another, and a word of two tokens that counts twice."""
    beagle = ClassName("beagle", ("dog",), ("grass", "ball"))
    matrix = project(table, beagle, mean_share=0)
    centred = (table - table.mean(0)).double()
    name = (centred[3] + centred[4]) / 2
    name = name / name.norm()
    centred = centred / centred.norm(dim=1, keepdim=True)  # a word counts by its direction
    words = name + 0.5 * centred[5] + 0.25 * centred[6] + 0.25 * centred[7]
    expected = 0.5 * table.norm(dim=1).mean() * words / words.norm()
    torch.testing.assert_close(matrix[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert (matrix[:, 1:] == 0).all()


def test_length_and_share_of_the_mean_are_those_asked_for(table: Tensor) -> None:
    """Catches vectors that the language model has never seen the length of."""
    length = table.norm(dim=1).mean().double()
    plain = project(table, ClassName("cat"), mean_share=0)[:, 0]
    shared = project(table, ClassName("cat"))[:, 0]
    torch.testing.assert_close(plain.norm(), 0.5 * length, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((shared - plain).norm(), 0.05 * length, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(project(table, ClassName("cat"), scale=1.0)[:, 0], 2 * shared)


def test_a_cell_without_a_class_is_the_mean_embedding(table: Tensor) -> None:
    """Catches photos of nothing known whose vectors are those of a token without content."""
    projector = project_classes([ClassName("cat")], SETTINGS, WORDS.__getitem__, table, 3)
    torch.testing.assert_close(projector.bias, 0.25 * table.double().mean(0))


def test_the_settings_of_the_package_are_read() -> None:
    """Catches a broken file in the package, and a table in another order than ImageNet's."""
    read_settings(SHIPPED)
    classes = read_classes(SHIPPED / "classes.tsv")
    assert len(classes) == 1000
    assert (classes[0].name, classes[207].name) == ("tench", "golden retriever")
    assert classes[207].hypernyms == ("dog",)
    assert classes[3].implied == ("ocean", "water")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": 2}, "context is 2; expected 0 to 1"),
        ({"scale": 0}, "scale is 0; expected more than 0"),
        ({"mean_share": -1}, "mean_share is -1; expected at least 0"),
        ({"slope": "steep"}, "slope is 'steep'; expected a float"),
        ({"threshold": float("nan")}, "threshold is nan; expected a float"),
        ({"digest": "12"}, "digest is 12; expected 64 hexadecimal digits"),
        ({"colour": 1}, "missing or unknown settings: colour"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Catches minutes of work with a mistyped number."""
    with pytest.raises(DataError, match=r"settings\.json cannot be used") as caught:
        read_settings(write_assets(tmp_path, **changes))
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:-1], "has 999 lines; expected one for each of 1000 classes"),
        (lambda lines: [*lines[:-1], "a\tb"], r"line 1000 is 'a\\tb'; expected a name, hyp"),
        (lambda lines: ["\tdog\t", *lines[1:]], "line 1 is"),
    ],
)
def test_a_broken_table_is_named(
    tmp_path: Path, edit: Callable[[list[str]], list[str]], message: str
) -> None:
    """Catches a class that is called by the name of its neighbour."""
    file = write_assets(tmp_path) / "classes.tsv"
    file.write_text("\n".join(edit(file.read_text().splitlines())) + "\n")
    with pytest.raises(DataError, match=message):
        read_classes(file)


def test_settings_that_are_no_json_are_one_line(tmp_path: Path) -> None:
    """Catches a traceback of json."""
    (tmp_path / "settings.json").write_text(json.dumps([1]))
    with pytest.raises(DataError, match=r"settings\.json cannot be used"):
        read_settings(tmp_path)
