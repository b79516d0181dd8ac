"""The model as mteb meets it: what it says of itself, and what it refuses."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from e5v import E5V, UsageError
from e5v.errors import ItemError, MissingExtraError
from e5v.evaluation.mteb import PROMPTS, MTEBModel

mteb = pytest.importorskip("mteb", reason="the extra `eval` is not installed")

from datasets import Dataset  # noqa: E402  after the skip
from mteb.models import EncoderProtocol, SearchProtocol  # noqa: E402

from tests.evaluation.own_tasks import Vectors, metadata  # noqa: E402


def test_what_mteb_is_told_of_the_model(model: E5V, checkpoints: Callable[[str], Path]) -> None:
    """Catches results of other weights, or of cut texts, filed as one; and made-up sizes."""
    wrapped = MTEBModel(model)
    assert isinstance(wrapped, EncoderProtocol)
    assert not isinstance(wrapped, SearchProtocol)
    told = wrapped.mteb_model_meta
    assert told.name == "local/llava_next_llama3"
    assert (told.embed_dim, told.max_tokens) == (model.width, model.max_tokens)
    assert told.modalities == ["image", "text"]
    state = model.loaded.model.state_dict()
    count = sum(one.numel() for one in state.values())
    (embeddings,) = [one.numel() for name, one in state.items() if "embed_tokens" in name]
    assert (told.n_parameters, told.n_embedding_parameters) == (count, embeddings)
    assert told.memory_usage_mb == pytest.approx(4 * count / 2**20)
    assert [told.training_datasets, told.license, told.release_date] == [None] * 3

    folder = checkpoints("llava_next_llama3")
    other = MTEBModel(E5V(folder, dtype="bfloat16"), name="me/mine").mteb_model_meta
    assert other.name == "me/mine"
    assert other.revision != told.revision
    short = MTEBModel(E5V(model.loaded, max_tokens=64)).mteb_model_meta
    assert short.revision == told.revision
    assert short.experiment_name != told.experiment_name


@pytest.mark.parametrize("name", [name for name in PROMPTS if name != "STS"])
def test_tasks_with_prompts_of_their_own_are_mtebs(name: str) -> None:
    """Catches a task of mteb's that is called otherwise, and so asked for like any other."""
    (task,) = mteb.get_tasks(tasks=[name])
    assert task.metadata.category == "it2i"


def test_sentence_similarity_is_a_type_of_mtebs() -> None:
    """Catches the type of the paper's seven sets called otherwise."""
    assert {mteb.get_task(name).metadata.type for name in ("STS12", "SICK-R")} == {"STS"}


def one_batch(**columns: Any) -> Any:
    """Give a batch as a loader does, of columns of any kind."""
    from torch.utils.data import DataLoader

    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    # a loader of mteb's leaves images as they are
    return DataLoader(
        Dataset.from_dict({"n": range(len(rows))}),
        batch_size=len(rows),
        collate_fn=lambda _: columns,
    )


def embed(model: E5V, batch: Any, **options: Any) -> Vectors:
    """Embed a batch as a task of texts does."""
    return MTEBModel(model).encode(
        batch,
        task_metadata=metadata("OwnTexts", "Retrieval", "t2t"),
        hf_split="test",
        hf_subset="default",
        **({"show_progress_bar": False} | options),
    )


@pytest.mark.parametrize(
    ("columns", "options", "cause"),
    [
        ({"text": ["a"], "audio": [0]}, {}, "columns audio, text; expected text or image"),
        ({"label": [0]}, {}, "columns label; expected text or image"),
        ({"text": ["a"]}, {"precision": "binary"}, 'precision is "binary"; expected "float32"'),
    ],
)
def test_what_cannot_be_embedded_is_refused(
    model: E5V, columns: dict[str, Any], options: dict[str, Any], cause: str
) -> None:
    """Catches half an item embedded for the whole, and float32 rows filed as another precision."""
    with pytest.raises(UsageError, match=cause):
        embed(model, one_batch(**columns), **options)


def test_a_row_that_is_nothing_is_named(model: E5V) -> None:
    """Catches a row left out, after which every vector is another document's."""
    with pytest.raises(ItemError, match="item 1: is empty"):
        embed(model, one_batch(image=[Image.new("RGB", (30, 30)), None]))


def test_a_bar_is_drawn_as_mteb_asks(model: E5V, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches hours of silence, a bar on stdout, and one that cannot be turned off."""
    embed(model, one_batch(text=["a", "b"]))
    assert capsys.readouterr() == ("", "")
    embed(model, one_batch(text=["a", "b"]), show_progress_bar=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "100%" in printed.err


def test_a_name_without_an_organisation_is_refused(model: E5V) -> None:
    """Catches a page of pydantic for a short name."""
    with pytest.raises(UsageError, match='name is "mine"; expected "organisation/model"'):
        MTEBModel(model, name="mine")


def test_without_the_library(model: E5V, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an ImportError for a user who did not install an extra."""
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setitem(sys.modules, "mteb.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'e5v\[eval\]'"):
        MTEBModel(model)
