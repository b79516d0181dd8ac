"""SentenceTransformer(folder) gives our vectors, and the model's own chat template stays."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import transformer as module

from e5v import E5V
from e5v.checkpoints.merge import merge
from e5v.checkpoints.sentence_transformers import write_sentence_files
from e5v.model.loading import outline
from tests.adapters import write_adapter
from tests.families import FAMILIES, load_processor, old_layout

Checkpoints = Callable[[str], Path]
Version = Literal["4.41", "4.52", "5"]
LLAMA = "llava_next_llama3"
SAME = 0.9999  # lowest cosine in float32

TEXTS = [
    "A dog runs.",
    "no end of sentence",
    "Two lines,\nthe second ends in one\n",
    "  spaces around  ",
    "日本語のテスト🙂 and 12,345 numbers; 'quotes', \"quotes\" {{ braces }} \\n",
    "A long one. " * 20,
]


class _Images:
    """AutoProcessor where torchvision is absent: without the half that reads videos."""

    @staticmethod
    def from_pretrained(folder: str, **_: Any) -> Any:
        """Open a processor."""
        return load_processor(Path(folder))


@pytest.fixture(autouse=True)
def no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sentence-transformers open processors that know videos."""
    monkeypatch.setattr(module, "AutoProcessor", _Images)


@pytest.fixture
def written(checkpoints: Checkpoints, tmp_path: Path) -> Callable[[str], Path]:
    """Give a family's checkpoint with the files in it."""

    def write(name: str) -> Path:
        copytree(checkpoints(name), tmp_path / name)
        assert write_sentence_files(tmp_path / name, outline(tmp_path / name))
        return tmp_path / name

    return write


def _open(folder: Path) -> Any:
    kwargs = {"dtype": torch.float32}
    return SentenceTransformer(str(folder), device="cpu", model_kwargs=kwargs)


def _lowest(left: Any, right: Any) -> float:
    assert left.shape == right.shape
    np.testing.assert_allclose(np.linalg.norm(left, axis=-1), 1, rtol=1e-5)
    return float((left * right).sum(-1).min())


@pytest.mark.parametrize("version", get_args(Version))
def test_a_merged_model_of_every_layout(
    version: Version, checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """A merged folder that opens, and pools or asks otherwise than we do."""
    source = old_layout(checkpoints(LLAMA), tmp_path / "old", version)
    ours = merge(write_adapter(tmp_path / "run", checkpoints(LLAMA)), tmp_path / "ours", source)
    items = [*TEXTS, *photos, {"image": photos[0], "text": "but blue."}]
    theirs = _open(ours.folder).encode(items)
    assert _lowest(theirs, E5V(ours.folder, dtype="float32").encode(items)) >= SAME


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(name: str, written: Callable[[str], Path], photos: list[Any]) -> None:
    """A prompt, an image placeholder or a padding side that differs for one family."""
    folder = written(name)
    ours, theirs = E5V(folder, dtype="float32"), _open(folder)
    mixtures = [{"image": photo, "text": "but blue."} for photo in photos]
    for items in (TEXTS, photos, mixtures):
        assert _lowest(theirs.encode(items), ours.encode(items)) >= SAME
        assert _lowest(theirs.encode(items, batch_size=1), ours.encode(items)) >= SAME
    assert theirs.similarity_fn_name == "cosine"
    assert theirs.get_embedding_dimension() == ours.width


@pytest.mark.parametrize("name", [LLAMA, "llava_next_mistral", "qwen3_vl"])
def test_a_prompt_by_its_name(name: str, written: Callable[[str], Path], photos: list[Any]) -> None:
    """A prompt that is taken for part of the text, or ignored."""
    folder = written(name)
    ours, theirs = E5V(folder, dtype="float32"), _open(folder)
    mixture = [{"image": photos[0], "text": "but blue."}]
    asked: tuple[tuple[str, list[Any]], ...] = (
        ("sts", TEXTS),
        ("cirr", photos),
        ("fashioniq-dress", mixture),
    )
    for prompt, items in asked:
        vectors = ours.encode(items, prompt=prompt)
        assert _lowest(theirs.encode(items, prompt_name=prompt), vectors) >= SAME
        assert np.abs(vectors - ours.encode(items)).max() > 1e-3
    assert _lowest(theirs.encode_query(TEXTS), ours.encode(TEXTS)) >= SAME
    assert _lowest(theirs.encode_document(TEXTS), ours.encode(TEXTS)) >= SAME


def test_ids_are_ours(written: Callable[[str], Path]) -> None:
    """A first token that stands twice, or a last line end that is lost: close, but not the same."""
    for name in (LLAMA, "idefics3", "gemma3", "qwen3_vl"):
        folder = written(name)
        theirs = _open(folder).preprocess(TEXTS)
        embedder = E5V(folder, dtype="float32")
        for text, ids, mask in zip(
            TEXTS, theirs["input_ids"], theirs["attention_mask"], strict=True
        ):
            assert ids[mask.bool()].tolist() == embedder.prepare(text).prompted.ids


def test_what_cannot_be_asked_is_told(written: Callable[[str], Path], photos: list[Any]) -> None:
    """A vector of some prompt or other, for one that the model does not have."""
    theirs = _open(written(LLAMA))
    with pytest.raises(Exception, match="prompt is Represent: ; expected one of retrieval"):
        theirs.encode(["a dog"], prompt="Represent: ")
    with pytest.raises(Exception, match=r"item is image\+image; expected one of text, image"):
        theirs.encode([{"image": photos[:2]}])


def test_the_model_still_chats(written: Callable[[str], Path], checkpoints: Checkpoints) -> None:
    """A chat template that asks for one word, whoever asks what."""
    name = "llava_next_mistral"
    before, after = (load_processor(folder) for folder in (checkpoints(name), written(name)))
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert after.apply_chat_template(messages) == before.apply_chat_template(messages)
    assert "one word" not in after.apply_chat_template(messages)


def test_every_version_knows_the_names(written: Callable[[str], Path]) -> None:
    """Modules by names that only sentence-transformers 6 and the newest vLLM know."""
    folder = written(LLAMA)
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["type"] for module in modules] == [
        "sentence_transformers.models.Transformer",
        "sentence_transformers.models.Pooling",
        "sentence_transformers.models.Normalize",
    ]
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert config["requirements"] == {"sentence-transformers": ">=5.4"}
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert (pooling["embedding_dimension"], pooling["pooling_mode"]) == (64, "lasttoken")


def test_the_pooling_is_read_by_its_older_name(written: Callable[[str], Path]) -> None:
    """A mode that older readers miss, or a setting before it that they take for the mode.

    vLLM to 0.9 takes the first value that is true, later ones every true value whose name is that
    of a mode, the newest also the value of pooling_mode.
    """
    folder = written(LLAMA)
    path = folder / "1_Pooling" / "config.json"
    pooling = json.loads(path.read_text())
    true = [name for name, value in pooling.items() if value is True]
    assert true[0] == "pooling_mode_lasttoken"
    assert [name for name in true if name.startswith("pooling_mode")] == true[:1]
    older = {key: value for key, value in pooling.items() if key != "pooling_mode"}
    path.write_text(json.dumps(older))
    assert _open(folder)[1].pooling_mode == "lasttoken"


def test_the_class_of_the_model_is_named(
    checkpoints: Checkpoints, written: Callable[[str], Path], tmp_path: Path
) -> None:
    """A checkpoint without architectures, whose class vLLM then guesses, or one that is renamed."""
    whole = "LlavaNextForConditionalGeneration"
    assert json.loads((written(LLAMA) / "config.json").read_text())["architectures"] == [whole]
    source = tmp_path / "source"
    copytree(checkpoints(LLAMA), source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"architectures": None}))
    merged = merge(write_adapter(tmp_path / "run", checkpoints(LLAMA)), tmp_path / "ours", source)
    assert json.loads((merged.folder / "config.json").read_text()) == config


def test_files_that_would_lie_are_not_written(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A chat template that loses the text, and files that promise to keep it."""
    folder = tmp_path / "counting"
    copytree(checkpoints("qwen2_vl"), folder)
    template = folder / "chat_template.jinja"
    text = "{{ content['text'] }}"
    assert text in template.read_text()
    template.write_text(template.read_text().replace(text, "{{ content['text'] | length }}"))
    assert not write_sentence_files(folder, outline(folder))
    assert not (folder / "modules.json").exists()
