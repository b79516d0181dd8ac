"""The tokens put around a prompt are those that the tokenizer's settings ask for."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from e5v import E5V
from e5v.checkpoints.merge import merge
from e5v.checkpoints.sentence_transformers import write_sentence_files
from e5v.model.loading import load, outline
from e5v.model.special_tokens import adds_special_tokens
from e5v.model.verify import verify
from e5v.training.recipe import Recipe
from e5v.training.training_prompts import TrainingPrompts
from tests.adapters import write_adapter
from tests.families import load_processor

Checkpoints = Callable[[str], Path]
LLAMA = "llava_next_llama3"
BOS, EOS, A, DOG = 600, 604, 64, 573  # <|begin_of_text|> <|eot_id|> "a" " dog"
BARE = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


def _edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def settings(checkpoints: Checkpoints, tmp_path: Path) -> Callable[..., Path]:
    """Copy a checkpoint whose tokenizer has other settings and, if `bare`, adds nothing itself."""

    def write(*, bare: bool, name: str = LLAMA, **fields: Any) -> Path:
        folder = tmp_path / "set"
        copytree(checkpoints(name), folder)
        _edit(folder / "tokenizer_config.json", **fields)
        if bare:
            _edit(folder / "tokenizer.json", post_processor=BARE)
        return folder

    return write


def test_add_bos_token_is_honoured(
    settings: Callable[..., Path], checkpoints: Checkpoints, photos: list[Any]
) -> None:
    """The first token lost because tokenizer.json does not name it: cosine 0.93, and no error."""
    items = ["a dog", photos[0], {"image": photos[1], "text": "but blue"}, "<|eot_id|> a dog"]
    folder = settings(bare=True, add_bos_token=True)
    model, whole = (E5V(path, dtype="float32") for path in (folder, checkpoints(LLAMA)))
    assert model.prepare("a dog", prompt="<text>").prompted.ids[0] == BOS
    assert model.prepare("a dog", prompt="<text>").prompted.ids.count(BOS) == 1
    assert model.encode(items).tobytes() == whole.encode(items).tobytes()


SLOW, FAST = "LlamaTokenizer", "LlamaTokenizerFast"
OTHER = "PreTrainedTokenizerFast"
BOTH = {"add_bos_token": True, "add_eos_token": True}


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({"bare": True, "tokenizer_class": OTHER, "add_bos_token": True}, [BOS, A, DOG]),
        ({"bare": True, "tokenizer_class": OTHER}, [A, DOG]),
        ({"bare": False, "tokenizer_class": OTHER, "add_bos_token": False}, [BOS, A, DOG]),
        ({"bare": False, "tokenizer_class": OTHER, "add_eos_token": True}, [BOS, A, DOG]),
        ({"bare": True, "tokenizer_class": SLOW, "add_bos_token": True}, [BOS, A, DOG]),
        ({"bare": False, "tokenizer_class": FAST, "add_bos_token": True}, [BOS, A, DOG]),
        ({"bare": False, "tokenizer_class": FAST, "add_bos_token": False}, [A, DOG]),
        ({"bare": False, "tokenizer_class": FAST, "add_eos_token": True}, [BOS, A, DOG, EOS]),
        ({"bare": True, "tokenizer_class": FAST, **BOTH}, [BOS, A, DOG, EOS]),
        ({"bare": True, "tokenizer_class": FAST, "add_bos_token": None}, [A, DOG]),
    ],
)
def test_the_settings_count_as_in_training(
    settings: Callable[..., Path], fields: dict[str, Any], ids: list[int]
) -> None:
    """A setting that transformers 4 followed in training and 5 ignores; or one it never did."""
    loaded = outline(settings(**fields))
    assert loaded.processor.tokenizer.backend_tokenizer.encode("a dog").ids == ids


def test_a_first_token_is_never_there_twice(
    settings: Callable[..., Path], photos: list[Any]
) -> None:
    """A chat template that writes the first token, and a tokenizer that adds it again."""
    model = E5V(settings(bare=False, name="gemma3", add_bos_token=True))
    bos = model.loaded.processor.tokenizer.bos_token_id
    for item in ("a dog", "<eos> a dog", photos[0]):
        ids = model.prepare(item).prompted.ids
        assert (ids[0], ids.count(bos)) == (bos, 1)
    assert adds_special_tokens("<s>", "a dog")
    assert not adds_special_tokens("<s>", "<s>a dog")
    assert adds_special_tokens(None, "a dog")


def test_training_reads_what_encode_reads(settings: Callable[..., Path]) -> None:
    """A model that is trained without the first token it is asked with afterwards."""
    loaded = load(settings(bare=True, add_bos_token=True), part="language")
    (prepared,) = TrainingPrompts(loaded, Recipe(text_tokens=100)).prepare(["a dog"])
    ids = prepared.prompted.ids
    assert ids == E5V(loaded).prepare("a dog").prompted.ids
    assert ids[0] == BOS


def test_verify_shows_the_first_token(
    settings: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost first token in a model that verify calls good."""
    folder = settings(bare=True, add_bos_token=True)
    checks = {check.name: check for check in verify(str(folder), dtype="float32")}
    assert [name for name, check in checks.items() if not check.passed] == []
    first = checks["first token"]
    assert (first.figure, first.limit) == ("1 '<|begin_of_text|>'", "1 (add_bos_token is set)")
    monkeypatch.setattr("e5v.model.processors.follow_settings", lambda *_: None)
    lost = {check.name: check for check in verify(str(folder), dtype="float32")}["first token"]
    assert (lost.passed, lost.figure) == (False, "0 '<|begin_of_text|>'")


def test_a_merged_folder_adds_it_in_every_library(
    settings: Callable[..., Path], checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A merged folder that other libraries open without the first token it was trained with."""
    folder = settings(bare=True, add_bos_token=True)
    run = write_adapter(tmp_path / "run", checkpoints(LLAMA))
    merged = merge(run, tmp_path / "merged", folder).folder
    assert load_processor(merged).tokenizer("a dog")["input_ids"] == [BOS, A, DOG]
    assert (merged / "modules.json").is_file()
    left = json.loads((folder / "tokenizer.json").read_text())
    written = json.loads((merged / "tokenizer.json").read_text())
    assert left | {"post_processor": 0} == written | {"post_processor": 0}


def test_a_tokenizer_that_agrees_is_left_alone(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A tokenizer.json written anew where nothing in it was wrong."""
    folder = tmp_path / "same"
    copytree(checkpoints(LLAMA), folder)
    before = (folder / "tokenizer.json").read_bytes()
    assert write_sentence_files(folder, outline(folder))
    assert (folder / "tokenizer.json").read_bytes() == before
