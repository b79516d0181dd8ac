"""Which published embedder a checkpoint is: by its name, by what lies in it, or because asked."""

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from e5v import E5V, ModelError, RecipeWarning, UsageError
from e5v.model.fingerprint import fingerprint
from e5v.model.recipes import RECIPES, REFUSED
from e5v.model.recognising import Recognised, recognise
from tests.adapters import write_adapter

Checkpoints = Callable[[str], Path]


def _write(folder: Path, config: Mapping[str, object], **files: object) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder)


def _recognise(name: str) -> tuple[str, str]:
    found: Recognised = recognise([name], name)
    return found.recipe.name, found.by


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.name))
def test_each_is_known_by_its_ids(recipe: Any, tmp_path: Path) -> None:
    """Catches an id that two records have, and a local copy or a cache's folder not recognised."""
    config = {"model_type": recipe.model_types[0] if recipe.model_types else "llava_next"}
    for number, id in enumerate(recipe.ids):
        assert recognise([id.upper()], "no files").recipe is recipe
        if "/" not in id:  # bundled: a folder of that name may be anything
            continue
        owner, last = id.split("/")
        for folder in (f"{last}", f"models--{owner}--{last}/snapshots/0c1f"):
            place = _write(tmp_path / str(number) / folder, config)
            assert _recognise(place) == (recipe.name, "known by its name")


@pytest.mark.parametrize(
    ("config", "files", "expected"),
    [
        (
            {"model_type": "qwen2_vl", "_name_or_path": "Alibaba-NLP/gme-Qwen2-VL-7B-Instruct"},
            {},
            ("gme-qwen2-vl", "known by its config"),
        ),
        (
            {"model_type": "qwen2_vl", "architectures": ["GmeQwen2VLForVision"]},
            {},
            ("gme-qwen2-vl", "known by its classes"),
        ),
        (
            {
                "model_type": "llava_next",
                "auto_map": {"AutoModel": "modeling_llavanext_for_embedding.LLaVANextForEmbedding"},
            },
            {},
            ("bge-vl-mllm", "known by its classes"),
        ),
        (
            {"model_type": "qwen2_vl"},
            {"modules": [{"idx": 0, "type": "gme_inference.GmeQwen2VL"}]},
            ("gme-qwen2-vl", "known by its classes"),
        ),
        (
            {
                "model_type": "qwen2_5_omni_thinker",
                "_name_or_path": "LCO-Embedding/LCO-Embedding-Omni-7B",
            },
            {},
            ("lco-embedding-omni", "known by its config"),
        ),
        (
            {
                "model_type": "qwen2_5_omni_thinker",
                "auto_map": {"AutoModel": "modeling_lco_omni.Qwen2_5OmniThinker"},
            },
            {},
            ("lco-embedding-omni", "known by its classes"),
        ),
        ({"model_type": "qwen3_vl", "e5v_recipe": "qwen3-vl-embedding"}, {}, None),
        (
            {
                "model_type": "qwen2_5_omni_thinker",
                "architectures": ["Qwen2_5OmniThinkerForConditionalGeneration"],
            },
            {},
            ("e5-v", ""),
        ),
        (
            {"model_type": "qwen2_vl", "_name_or_path": "Qwen/Qwen2-VL-2B-Instruct"},
            {},
            ("e5-v", ""),
        ),
        (
            {"model_type": "llava_next", "_name_or_path": "/old/gme-Qwen2-VL-2B-Instruct"},
            {},
            ("e5-v", ""),
        ),
    ],
)
def test_a_copy_is_known_by_what_lies_in_it(
    config: dict[str, object],
    files: dict[str, object],
    expected: tuple[str, str] | None,
    tmp_path: Path,
) -> None:
    """Catches a renamed copy asked as E5-V is, and a model of another family taken for one."""
    found = _recognise(_write(tmp_path / "copy", config, **files))
    assert found == (expected or ("qwen3-vl-embedding", "named in its config"))


def test_what_cannot_be_run_is_refused_in_one_line(tmp_path: Path) -> None:
    """Catches plausible vectors of a model whose pooling or class e5v does not have."""
    for refused in REFUSED:
        for id in refused.ids:
            with pytest.raises(ModelError, match=r"e5v cannot give: .*the recipe \"e5-v\"") as told:
                recognise([id], "no files")
            assert "\n" not in str(told.value)
    place = _write(tmp_path / "copy", {"architectures": ["JinaEmbeddingsV4Model"]})
    with pytest.raises(ModelError, match="is jina-embeddings-v4"):
        recognise([place], place)
    assert recognise([place], place, "e5-v").recipe.name == "e5-v"


def test_a_wrong_recipe_is_told(checkpoints: Checkpoints) -> None:
    """Catches a recipe that is passed over, or used on a model it is not for."""
    with pytest.raises(UsageError, match=r"no recipe 'gme'; did you mean gme-qwen2-vl\?"):
        E5V(checkpoints("qwen2_vl"), recipe="gme")
    with pytest.raises(UsageError, match=r"'qwen3'; did you mean qwen3-vl-embedding\?"):
        E5V(checkpoints("qwen2_vl"), recipe="qwen3")
    with pytest.raises(UsageError, match="expected one of e5-v, unime-llava"):
        E5V(checkpoints("qwen2_vl"), recipe="zzz")
    with pytest.raises(ModelError, match=r"qwen3-vl-embedding is for qwen3_vl, but .* a qwen2_vl"):
        E5V(checkpoints("qwen2_vl"), recipe="qwen3-vl-embedding")
    with pytest.raises(TypeError, match="recipes"):
        E5V(checkpoints("qwen2_vl"), recipes="e5-v")  # type: ignore[call-arg]


def test_a_model_without_a_recipe_is_told_of_once(checkpoints: Checkpoints) -> None:
    """Catches silence about E5-V's wording in another model, and a warning of E5-V's own family."""
    with pytest.warns(RecipeWarning, match="no published recipe is known; using E5-V's one-word"):
        E5V(checkpoints("qwen2_vl"), dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = E5V(checkpoints("qwen2_vl"), dtype="float32", recipe="e5-v")
        E5V(checkpoints("llava_next_llama3"), dtype="float32")
    assert chosen.loaded.recipe_by == "asked for"


def test_an_unknown_adapter_of_e5v_s_own_family_is_told_of(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Catches a stranger's model taken for E5-V because of the model that it was made of."""
    base = checkpoints("llava_next_llama3")
    adapter = write_adapter(tmp_path / "adapter", base)
    ways: tuple[tuple[Path, dict[str, Any]], ...] = ((adapter, {}), (base, {"adapter": adapter}))
    for name, how in ways:
        with pytest.warns(RecipeWarning, match="no published recipe is known"):
            E5V(name, dtype="float32", **how)
    (tmp_path / "recipe.json").write_text("{}")  # of a training run
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        E5V(adapter, dtype="float32")


def test_the_fingerprint_is_of_the_wording(checkpoints: Checkpoints) -> None:
    """Catches an index of one wording searched in another, and one of the same that is refused."""
    folder = checkpoints("llava_next_mistral")
    usual, unime, bge, vlm2vec = (
        fingerprint(E5V(folder, dtype="float32", recipe=name).loaded)
        for name in (None, "unime-llava", "bge-vl-mllm", "vlm2vec-llava-next")
    )
    assert usual == unime, "UniME's vectors are those that e5v gave before it had its record"
    assert len({usual, bge, vlm2vec}) == 3, "the last two differ in their wordings alone"


def test_a_checkpoint_of_the_base_class_opens(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches Qwen3-VL-Embedding, which has no output head, refused or read with other names."""
    source, folder = checkpoints("qwen3_vl"), tmp_path / "Qwen3-VL-Embedding-8B"
    auto: Any = transformers.AutoModelForImageTextToText
    auto.from_pretrained(source).model.save_pretrained(folder)
    for path in source.iterdir():
        if not (folder / path.name).exists():
            shutil.copy(path, folder)
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["Qwen3VLModel"]
    headed = E5V(source, dtype="float32", recipe="qwen3-vl-embedding").encode(["A dog runs."])
    model = E5V(folder, dtype="float32")
    assert model.loaded.recipe.name == "qwen3-vl-embedding"
    assert np.abs(model.encode(["A dog runs."]) - headed).max() <= 1e-6
