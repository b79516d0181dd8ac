"""A model whose weights are with an engine: the same vectors, or one line that says why not."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v import E5V, Index, ModelError
from e5v import index as make_index
from e5v.cli import main
from e5v.errors import EngineError, ItemError, UsageError
from e5v.model.engine import Engine
from e5v.model.engine_address import EngineAddress
from e5v.model.engine_encoder import EngineEncoder
from e5v.model.literal import literal_template
from e5v.model.loading import outline
from e5v.model.preparing import Preparer
from e5v.model.prompts import PROMPTS
from e5v.search.index_model import fingerprint_of
from e5v.web.index_view import Collection
from tests.warm_python import replacing
from tests.web.asking import CAT, PHOTOS, Ask, data_uri, fault
from tests.web.engines import Answer, Proxy, engine_of

Checkpoints = Callable[[str], Path]
TEXTS = (
    "A dog runs.",
    "Two lines,\nthe second ends in one\n",
    "日本語のテスト🙂 and 12,345 numbers",
    "<image> and </s> are words here, not orders <|eot_id|>",
    "long " * 300,
)
MOST = 256  # tokens of an item
SAME = 1e-5
pytestmark = [
    pytest.mark.filterwarnings("ignore::e5v.errors.EncodeWarning"),  # long texts are cut
    pytest.mark.usefixtures("warm"),
]


@pytest.fixture(scope="module")
def small(model: E5V) -> str:
    """Give the folder of the small model."""
    return model.loaded.name


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep references of models in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("E5V_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def remote(small: str, engine: str, cache: Path, warm_python: Path) -> E5V:
    """Open the small model on the engine."""
    with replacing(warm_python):
        return E5V(small, dtype="float32", device=EngineAddress(engine))


def _mixtures(photos: list[Any]) -> list[Any]:
    return [
        {"image": photos[0], "text": "but blue"},
        ["first", photos[1], "then\n", photos[2]],
        {"image": photos[3], "text": "long " * 300},
    ]


@pytest.mark.parametrize("name", ["llava_next_llama3", "qwen3_vl", "idefics3", "gemma3"])
def test_every_family(
    name: str, checkpoints: Checkpoints, photos: list[Any], tmp_path: Path
) -> None:
    """Catches a prompt that the engine reads as other ids, and an image that it sees otherwise."""
    folder = checkpoints(name)
    local = E5V(folder, dtype="float32", max_tokens=MOST)
    loaded = outline(folder)
    width = loaded.text_config.hidden_size
    template = literal_template(loaded.processor.image_token)
    with engine_of(local, tmp_path / "none") as url:
        encoder = EngineEncoder(loaded, Engine(EngineAddress(url), template, width))
        assert encoder.context == MOST
        preparer = Preparer(loaded, encoder.context, for_engine=True)
        for kind in ("retrieval", "cirr"):
            items = [*TEXTS, photos[0], photos[3], *_mixtures(photos)]
            ours = [preparer.prepare(item, 0, PROMPTS[kind]).prompted for item in items]
            rows = encoder.states(ours).numpy()
            np.testing.assert_allclose(rows, local.encode(items, prompt=kind), atol=SAME)


def test_the_model_is_opened_without_its_weights(
    remote: E5V, model: E5V, small: str, photos: list[Any]
) -> None:
    """Catches weights in the memory of a process that has an engine, and another model of it."""
    assert {weight.device.type for weight in remote.loaded.model.parameters()} == {"meta"}
    items = [*TEXTS, *photos, CAT, *_mixtures(photos)]
    np.testing.assert_allclose(remote.encode(items), model.encode(items), atol=SAME)
    cut = [one.cut for one in remote.encode_iter(items)]  # type: ignore[union-attr]
    assert cut == [one.cut for one in model.encode_iter(items)]  # type: ignore[union-attr]
    assert fingerprint_of(remote) == fingerprint_of(model)
    assert (remote.width, remote.dtype) == (model.width, model.dtype)
    again = pickle.loads(pickle.dumps(remote))
    np.testing.assert_array_equal(again.encode(["a"]), remote.encode(["a"]))
    with pytest.raises(ModelError, match=r"no output head \(it is with the engine\), which words"):
        remote.words("a dog")
    with pytest.raises(UsageError, match="an engine has its own tiling; leave it out"):
        E5V(small, tiling="transformers-4.41", device=EngineAddress("http://127.0.0.1:9"))


def test_a_special_token_beside_an_image_is_refused(remote: E5V, photos: list[Any]) -> None:
    """Catches a text that the engine would read as an order, and a vector of something else."""
    with pytest.raises(ItemError, match="item 1: its text has a special token of the model"):
        remote.encode(["<|eot_id|>", {"image": photos[0], "text": "no <|eot_id|> here"}])


def test_an_index_of_either_is_searched_by_the_other(
    remote: E5V, model: E5V, tmp_path: Path
) -> None:
    """Catches an index that only its maker can search, although the vectors are the same."""
    photos, folder = tmp_path / "photos", tmp_path / "index"
    photos.mkdir()
    for name in ("cat.jpg", "rocket.jpg"):
        shutil.copy(PHOTOS / name, photos)
    (photos / "notes.txt").write_text("a cat on a table")
    assert make_index(photos, index=folder, model=remote).progress.embedded == 3
    hits = Index.open(folder, model=model).search("a cat")
    (photos / "more.txt").write_text("a rocket")
    assert make_index(index=folder, model=model).progress.embedded == 1
    found = Index.open(folder, model=remote).search("a cat", k=4)
    kept = [hit for hit in found if not hit.entry.path.endswith("more.txt")]
    assert [hit.entry.id for hit in kept] == [hit.entry.id for hit in hits]
    np.testing.assert_allclose([hit.score for hit in kept], [hit.score for hit in hits], atol=SAME)


@pytest.mark.anyio
async def test_the_page_works_on_an_engine(
    ask: Ask, model: E5V, proxy: Proxy, cache: Path, tmp_path: Path
) -> None:
    """Catches a search that needs weights, and an engine's address that clients are told."""
    folder = tmp_path / "index"
    make_index(PHOTOS / "cat.jpg", index=folder, model=model)
    asked = {"text": "at night", "image": data_uri(CAT.read_bytes()), "without": "a dog"}
    async with ask(collection=Collection(folder, model)) as asker:
        expected = (await asker.search(**asked)).json()
    through = E5V(model.loaded.name, dtype="float32", device=EngineAddress(proxy.url))
    async with ask(collection=Collection(folder, through)) as asker:
        assert (await asker.client.get("/readyz")).status_code == 200
        found = (await asker.search(**asked)).json()
        assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in expected["hits"]]
        assert (found["words"], bool(expected["words"])) == ([], True)
        assert (await asker.client.get("/v1/examples")).status_code == 200
        proxy.plan.extend([Answer(503)] * 9)
        reply = await asker.search(text="a dog")
        assert fault(reply) == (503, "failed", None)
        assert "127.0.0.1" not in reply.text
        proxy.plan.clear()
        assert (await asker.search(text="a dog")).status_code == 200


def test_the_verbs_have_an_engine(
    small: str,
    engine: str,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a verb that opens the weights all the same, and an engine that is away untold."""
    monkeypatch.setattr("e5v.model.engine.WAITS", ())
    monkeypatch.setattr("e5v.model.encoders.load", None)  # of weights
    monkeypatch.setenv("E5V_INDEX", str(tmp_path / "index"))
    (tmp_path / "notes.txt").write_text("a cat on a table")
    on_engine = ["--engine", "openai", "--engine-url", engine]
    opened = ["--model", small, "--dtype", "float32", *on_engine]
    assert main(["index", str(tmp_path / "notes.txt"), *opened]) == 0
    assert main(["search", "a cat", "--json", *on_engine]) == 0
    assert main(["encode", "a cat", *opened]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-2]["path"] == str(tmp_path / "notes.txt")
    on_engine[-1] = "http://127.0.0.1:9"
    assert main(["serve", "--port", "0", *on_engine]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "the engine at http://127.0.0.1:9 cannot be reached" in said[-1]
    assert not any("serving" in line for line in said)


def test_auto_is_the_same_on_an_engine(
    small: str, engine: str, cache: Path, tmp_path: Path
) -> None:
    """Catches an index that is refused because the checkpoint has another dtype than auto here."""
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    local = E5V(folder)
    config = json.loads((folder / "config.json").read_text())
    other = "float32" if local.dtype == torch.bfloat16 else "bfloat16"
    (folder / "config.json").write_text(json.dumps(config | {"dtype": other}))
    remote = E5V(folder, device=EngineAddress(engine))
    assert (remote.dtype, fingerprint_of(remote)) == (local.dtype, fingerprint_of(local))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.warns(UserWarning, match="are not on this machine"):
        far = E5V(folder, device=EngineAddress(engine))
    assert str(far.dtype) == f"torch.{other}"


def test_another_model_of_the_same_width(
    small: str, engine: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an engine with other weights: every vector would be silently wrong."""
    other = tmp_path / "other"
    shutil.copytree(small, other)
    weights = load_file(other / "model.safetensors")
    name = next(key for key in weights if key.endswith("layers.0.mlp.down_proj.weight"))
    weights[name] = weights[name] * 3
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    arguments = ["--model", str(other), "--engine", "openai", "--engine-url", engine]
    assert main(["encode", "a dog", "--dtype", "float32", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert f"the engine does not serve {other}: its vector of the same text has a cosine" in line


def test_a_model_whose_weights_are_elsewhere(
    small: str, engine: str, remote: E5V, tmp_path: Path
) -> None:
    """Catches an engine that nobody could check, and nobody told; and an index of either taken."""
    bare = tmp_path / Path(small).name
    shutil.copytree(small, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.warns(UserWarning, match="are not on this machine: only the width of the engine's"):
        far = E5V(bare, dtype="float32", device=EngineAddress(engine))
    np.testing.assert_array_equal(far.encode(["a"]), remote.encode(["a"]))
    assert fingerprint_of(far) != fingerprint_of(remote)


def test_an_engine_that_takes_no_images(small: str, proxy: Proxy, cache: Path) -> None:
    """Catches a model that does not open for texts because its engine refuses templates."""
    refusal = Answer(400, b'{"message": "Chat template is passed with request"}')
    proxy.refuses = lambda body: refusal if b'"messages"' in body else None
    with pytest.warns(UserWarning, match="images cannot be embedded: .* Chat template is passed"):
        remote = E5V(small, dtype="float32", device=EngineAddress(proxy.url))
    assert len(remote.encode(["a dog"])) == 1
    with pytest.raises(EngineError, match="Chat template is passed"):
        remote.encode([CAT])
