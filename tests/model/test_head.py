"""A checkpoint without an output head: the same vectors, and no words."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import transformers
from safetensors.torch import load_file, save_file

from e5v import E5V, ModelError
from e5v.checkpoints.merge import merge
from e5v.checkpoints.merge_checks import prove
from e5v.checkpoints.tensors import open_weights
from e5v.model.fingerprint import fingerprint
from e5v.model.head import MissingHead
from e5v.model.loading import load
from e5v.model.verify import verify
from e5v.training.adapter import adapter_files, add_adapter
from e5v.training.recipe import Adapter
from tests.adapters import write_adapter
from tests.families import FAMILIES, old_layout

Checkpoints = Callable[[str], Path]
LLAMA = "llava_next_llama3"
UNTIED = ("llava_next_llama3", "llava_next_mistral", "llava_15", "qwen2_5_vl", "smolvlm")
WEIGHTS = "model.safetensors"


def headless(source: Path, target: Path) -> Path:
    """Copy a checkpoint without its output head, as Qwen3-VL-Embedding-8B is published."""
    copytree(source, target)
    tensors = load_file(target / WEIGHTS)
    kept = {key: value for key, value in tensors.items() if "lm_head" not in key}
    assert len(kept) == len(tensors) - 1
    save_file(kept, target / WEIGHTS, {"format": "pt"})
    return target


def base_saved(source: Path, target: Path, **how: Any) -> Path:
    """Copy a checkpoint as `AutoModel.from_pretrained(source).save_pretrained` writes it."""
    copytree(source, target)
    (target / WEIGHTS).unlink()
    transformers.AutoModel.from_pretrained(source).save_pretrained(target, **how)
    return target


def _items(photos: list[Any]) -> list[Any]:
    return ["A dog runs.", photos[0], {"image": photos[1], "text": "but blue"}]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_base_class_checkpoint_gives_the_same_vectors(
    name: str, checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """A model saved from its base class that is refused, or opens with other weights."""
    source = checkpoints(name)
    saved = base_saved(source, tmp_path / "saved")
    architecture = json.loads((saved / "config.json").read_text())["architectures"][0]
    assert not architecture.endswith("ForConditionalGeneration")
    model = E5V(saved, dtype="float32")
    same = E5V(source, dtype="float32").encode(_items(photos))
    assert model.encode(_items(photos)).tobytes() == same.tobytes()
    if name in UNTIED:
        assert isinstance(model.loaded.model.get_output_embeddings(), MissingHead)


@pytest.mark.parametrize("name", UNTIED)
def test_a_checkpoint_without_its_head_opens(
    name: str, checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """A refusal for want of a weight that no vector uses; or words from a random head."""
    folder = headless(checkpoints(name), tmp_path / "headless")
    model = E5V(folder, dtype="float32")
    same = E5V(checkpoints(name), dtype="float32").encode(_items(photos))
    assert model.encode(_items(photos)).tobytes() == same.tobytes()
    message = r"headless has no output head \(lm_head.weight\), which words\(\) needs$"
    with pytest.raises(ModelError, match=message):
        model.words("a dog")


def test_no_random_head_is_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A fingerprint, or a saved model, that depends on a head drawn at random."""
    folder = headless(checkpoints(LLAMA), tmp_path / "headless")
    first, second = load(folder), load(folder)
    assert not any("lm_head" in name for name in first.model.state_dict())
    assert fingerprint(first) == fingerprint(second)


def test_a_sharded_base_class_checkpoint_opens(
    checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """An index of shards that names no head."""
    saved = base_saved(checkpoints(LLAMA), tmp_path / "saved", max_shard_size="200KB")
    assert (saved / "model.safetensors.index.json").is_file()
    same = E5V(checkpoints(LLAMA), dtype="float32").encode(_items(photos))
    assert E5V(saved, dtype="float32").encode(_items(photos)).tobytes() == same.tobytes()


def test_names_of_an_older_base_class(
    checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """Names as LlavaNextModel had them in memory in 4.52: no `model.` before them, no head."""
    folder = old_layout(checkpoints(LLAMA), tmp_path / "old", "4.52")
    tensors = load_file(folder / WEIGHTS)
    bare = {key.removeprefix("model."): tensors[key] for key in tensors if key != "lm_head.weight"}
    save_file(bare, folder / WEIGHTS, {"format": "pt"})
    same = E5V(checkpoints(LLAMA), dtype="float32").encode(_items(photos))
    assert E5V(folder, dtype="float32").encode(_items(photos)).tobytes() == same.tobytes()


def test_a_missing_layer_is_still_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A head that may be missing, and with it all the rest."""
    folder = headless(checkpoints(LLAMA), tmp_path / "part")
    tensors = load_file(folder / WEIGHTS)
    del tensors[next(key for key in tensors if "layers.1.mlp.up_proj" in key)]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of the model's weights \(.*up_proj"):
        E5V(folder)


@pytest.mark.parametrize("write", [headless, base_saved])
def test_merging_invents_no_head(
    write: Callable[[Path, Path], Path],
    checkpoints: Checkpoints,
    tmp_path: Path,
    photos: list[Any],
) -> None:
    """A merged folder with a head that its source has not, or that does not open again."""
    source = write(checkpoints(LLAMA), tmp_path / "source")
    run = write_adapter(tmp_path / "run", checkpoints(LLAMA))
    merged = merge(run, tmp_path / "merged", source)
    assert open_weights(merged.folder).places.keys() == open_weights(source).places.keys()
    whole = merge(run, tmp_path / "whole", checkpoints(LLAMA))
    same = E5V(whole.folder, dtype="float32").encode(_items(photos))
    assert E5V(merged.folder, dtype="float32").encode(_items(photos)).tobytes() == same.tobytes()
    assert [check.name for check in prove(merged, dtype="float32") if not check.passed] == []
    assert (merged.folder / "modules.json").is_file()


def test_verify_takes_the_plain_path_without_a_head(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A plain path that calls the head, and so cannot be walked."""
    folder = headless(checkpoints("qwen2_5_vl"), tmp_path / "headless")
    checks = list(verify(str(folder), dtype="float32"))
    assert [check.name for check in checks if not check.passed] == []


def test_the_language_model_alone_and_in_four_bits(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A model that encodes without a head but cannot be trained, or not in four bits."""
    folder = headless(checkpoints(LLAMA), tmp_path / "headless")
    for weights in ("full", "4bit"):
        options: dict[str, Any] = {"part": "language", "weights": weights, "dtype": "float32"}
        ours, whole = (load(path, **options) for path in (folder, checkpoints(LLAMA)))
        vectors = E5V(ours).encode(["A dog runs."])
        assert isinstance(ours.model.get_output_embeddings(), MissingHead)
        assert vectors.tobytes() == E5V(whole).encode(["A dog runs."]).tobytes()


def test_an_adapter_is_trained_without_a_head(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A library that looks at the head of the model whose adapter it saves."""
    folder = headless(checkpoints(LLAMA), tmp_path / "headless")
    loaded = load(folder, part="language", dtype="float32")
    config = add_adapter(loaded, Adapter(rank=2), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft cannot ask the hub about a folder
        files = adapter_files(loaded, config)
    assert not any(b"lm_head" in content for content in files.values())
