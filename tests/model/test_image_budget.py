"""The most tokens of an image: kept for every shape, in the settings that the families have."""

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch.nn.functional import normalize

from e5v import E5V, ModelError, UsageError
from e5v.cli import main
from e5v.model.backbones import BACKBONES
from e5v.model.fingerprint import fingerprint
from e5v.model.image_files import UnreadableError
from e5v.model.loading import Loaded, load
from e5v.model.processors import ImageProcessor
from tests.families import load_processor
from tests.photographs.small import write_base
from tests.plain import plain_vector

Checkpoints = Callable[[str], Path]
LLAVA = "llava_next_llama3"
ASK = "\nSummary above image in one word: "
SIZES = (  # width and height in pixels; the longest are as long as Qwen's processor takes
    *((64, 48), (48, 64), (200, 50), (50, 200), (97, 98), (1, 1), (13, 27), (28, 28), (56, 55)),
    *((85, 28), (199, 1), (1, 200), (990, 5), (10, 700), (700, 21), (230, 170)),
)


@dataclass(frozen=True)
class Case:
    """A family, a number of tokens, and what it means: settings of the stock image processor."""

    name: str
    most: int
    settings: dict[str, Any]


CASES = (
    Case(LLAVA, 87, {"image_grid_pinpoints": [[28, 56], [56, 28], [84, 28], [28, 84]]}),
    Case(LLAVA, 60, {"image_grid_pinpoints": [[28, 56], [56, 28]]}),
    Case("llava_next_mistral", 55, {"image_grid_pinpoints": [[28, 56]]}),
    Case("llava_15", 16, {}),
    Case("qwen2_vl", 8, {"size": {"shortest_edge": 784, "longest_edge": 8 * 196}}),
    Case("qwen2_5_vl", 3, {"size": {"shortest_edge": 3 * 196, "longest_edge": 3 * 196}}),
    Case("qwen2_5_omni", 8, {"size": {"shortest_edge": 784, "longest_edge": 8 * 196}}),
    Case("qwen3_vl", 8, {"size": {"shortest_edge": 784, "longest_edge": 8 * 196}}),
    Case("smolvlm", 20, {"size": {"longest_edge": 56}}),
    Case("smolvlm", 19, {"do_image_splitting": False}),
    Case("idefics3", 40, {"size": {"longest_edge": 84}}),
    Case("idefics3", 4, {"do_image_splitting": False}),
    Case("gemma3", 16, {}),
    Case("internvl", 20, {"max_patches": 4}),
    Case("internvl", 11, {"max_patches": 1}),
)
FEWEST = {"gemma3": 16, "llava_15": 16, LLAVA: 17, "smolvlm": 4, "internvl": 4, "qwen2_vl": 2}


def stock(folder: Path, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Open a model and its processor as transformers does, with other settings for images."""
    processor = load_processor(folder)
    images = processor.image_processor
    processor.image_processor = type(images).from_dict(images.to_dict() | settings)
    auto: Any = transformers.AutoModelForImageTextToText
    model = auto.from_pretrained(folder, dtype="float32").eval()
    if "image_grid_pinpoints" in settings:
        model.config.image_grid_pinpoints = settings["image_grid_pinpoints"]
    return model, processor


def ask(model: E5V, processor: Any) -> str:
    """Write out the prompt of an image, with the processor's own mark."""
    turn = model.loaded.turn
    if turn:
        asked = ASK.rstrip() if turn.trim else ASK
        return f"{turn.before}{processor.image_token}{asked}{turn.after}"
    content = [{"type": "image"}, {"type": "text", "text": ASK}]
    template = processor.chat_template or processor.tokenizer.chat_template
    string: str = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=template,
        add_generation_prompt=True,
        tokenize=False,
    )
    return string


def counts_of(loaded: Loaded, sizes: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Count the tokens of grey images by their size; those that the processor refuses are none."""
    process = ImageProcessor.of(loaded)
    mark = loaded.processor.tokenizer.convert_ids_to_tokens(loaded.image_token_id)
    found = {}
    for size in sizes:
        try:
            found[size] = process(Image.new("RGB", size, "grey")).expansion.count(mark)
        except UnreadableError:
            continue
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.most}")
def test_vectors_are_those_of_the_stock_settings(
    case: Case, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches a limit that shows the model what it has never seen, or tokens in another order."""
    folder = checkpoints(case.name)
    ours = E5V(folder, dtype="float32", image_tokens=case.most)
    plain, processor = stock(folder, case.settings)
    string = ask(ours, processor)
    theirs = np.stack([plain_vector(plain, processor, string, [photo]) for photo in photos])
    assert np.abs(ours.encode(photos) - theirs).max() <= 1e-5
    most = max(ours.prepare(photo).prompted.counts[0] for photo in photos)
    assert most <= case.most


def test_the_base_tile_alone_is_what_the_stock_model_makes_of_one_tile(
    checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches a base tile without its line end, or with a tile beside it."""
    ours = E5V(checkpoints(LLAVA), dtype="float32", image_tokens=17)
    plain, processor = stock(checkpoints(LLAVA), {})
    plain.config.image_grid_pinpoints = [[0, 0]]
    string = ask(ours, processor).replace(processor.image_token, processor.image_token * 17)
    ids = processor.tokenizer(string, return_tensors="pt").input_ids
    assert (ids == ours.loaded.image_token_id).sum() == 17
    for photo in photos:
        made = processor.image_processor([photo], return_tensors="pt")
        tiles = made["pixel_values"][:, :1]
        with torch.no_grad():
            states = plain(
                input_ids=ids,
                pixel_values=tiles,
                image_sizes=made["image_sizes"],
                output_hidden_states=True,
            ).hidden_states[-1][:, -1]
        row = normalize(states, dim=-1).numpy()
        assert np.abs(ours.encode([photo]) - row).max() <= 1e-5


@pytest.mark.parametrize(
    ("name", "every"),
    [
        (LLAVA, (17, 52, 70, 500)),
        ("qwen2_vl", (2, 5, 12, 48, 70, 200)),
        ("qwen3_vl", (7, 51)),
        ("smolvlm", (4, 19, 41, 68)),
        ("idefics3", (39, 67)),
        ("internvl", (4, 8, 12, 19, 28)),
    ],
)
def test_no_image_takes_more(name: str, every: Sequence[int], checkpoints: Checkpoints) -> None:
    """Catches a shape that takes more than was allowed: a strip, a dot, a square."""
    free = counts_of(load(checkpoints(name)), SIZES)
    before: dict[tuple[int, int], int] = {}
    for most in every:
        counts = counts_of(load(checkpoints(name), image_tokens=most), SIZES)
        assert counts.keys() == free.keys()
        assert max(counts.values()) <= most
        assert all(counts[size] <= free[size] for size in free) or most < max(free.values())
        assert sum(counts.values()) >= sum(before.values()), "more allowed, fewer taken"
        before = counts
    assert before == {size: min(count, before[size]) for size, count in free.items()}
    if every[-1] >= max(free.values()):
        assert before == free, "a limit that no image reaches changes nothing"


def test_a_strip_takes_what_the_stock_processor_gives_it_with_fewer_pixels(
    checkpoints: Checkpoints,
) -> None:
    """Catches a strip whose own setting is lost on the way, or found in a setting not its own."""
    folder, strip = checkpoints("qwen2_5_vl"), Image.effect_noise((980, 10), 90).convert("RGB")
    ours = E5V(folder, dtype="float32", image_tokens=9)
    plain, processor = stock(folder, {})
    string = ask(ours, processor)
    budget = ours.loaded.image_budget
    assert budget is not None
    assert budget.fit is not None
    processor.image_processor.size = budget.fit(strip.height, strip.width)["size"]
    theirs = plain_vector(plain, processor, string, [strip])
    assert np.abs(ours.encode([strip])[0] - theirs).max() <= 1e-5
    assert 1 < ours.prepare(strip).prompted.counts[0] <= 9


@pytest.mark.parametrize("name", FEWEST)
def test_too_few_tokens_are_refused_before_the_model_is_loaded(
    name: str, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches minutes of loading before one line, and a line that does not say what is possible."""
    fewest = FEWEST[name]
    load(checkpoints(name), image_tokens=fewest)
    monkeypatch.setattr("e5v.model.loading._load_weights", None)
    with pytest.raises(UsageError) as caught:
        E5V(checkpoints(name), image_tokens=fewest - 1)
    assert str(caught.value) == (
        f"image_tokens is {fewest - 1}; an image of {checkpoints(name)} takes {fewest} at the least"
    )
    assert caught.value.argument == "image_tokens"


def test_the_command_line_names_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an option that is lost on its way to the model, and a message without it."""
    assert main(["encode", "a", "--model", "nano", "--image-tokens", "25"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    told = "image_tokens is 25; an image of nano takes 26 at the least (--image-tokens)"
    assert line == f"e5v: {told}"


def test_what_cannot_be_limited_is_said(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches a number that is ignored in silence."""
    with pytest.raises(ModelError, match="llava_onevision model, whose image tokens cannot be"):
        load(checkpoints("llava_onevision"), image_tokens=100)
    with pytest.raises(UsageError, match=r"tiling transformers-4\.41 is for comparisons"):
        load(checkpoints(LLAVA), image_tokens=100, tiling="transformers-4.41")
    with pytest.raises(UsageError, match="an open model takes no image tokens"):
        E5V(load(checkpoints(LLAVA)), image_tokens=100)
    folder = tmp_path / "any shape"
    copytree(checkpoints("llava_15"), folder)
    file = folder / "processor_config.json"
    settings = json.loads(file.read_text())
    settings["image_processor"]["do_center_crop"] = False
    file.write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="depends on the image here, and cannot be limited"):
        load(folder, image_tokens=100)


def test_every_family_of_the_table_has_a_currency() -> None:
    """Catches a new family whose images nobody can limit, without anyone having decided so."""
    without = {one.name for one in BACKBONES if one.currency == "none"}
    assert without == {"Phi-4-multimodal"}


def test_fastvlm_has_a_fixed_number(tmp_path: Path) -> None:
    """Catches the model of the photographs refused, or given another number of tokens."""
    folder = write_base(tmp_path / "base")
    loaded = load(folder, image_tokens=1)
    assert set(counts_of(loaded, SIZES).values()) == {1}
    assert fingerprint(loaded) == fingerprint(load(folder))
    with pytest.raises(UsageError, match="takes 1 at the least"):
        load(folder, image_tokens=0)


def test_a_limit_is_in_the_fingerprint(checkpoints: Checkpoints) -> None:
    """Catches vectors of full images compared with those of limited ones, and old ones refused."""

    def digest(most: int | None) -> str:
        return fingerprint(load(checkpoints(LLAVA), dtype="float32", image_tokens=most))

    limits: list[int | None] = [None, 17, 52, 60]
    assert len({digest(most) for most in limits}) == 4
    assert digest(500) == digest(None), "it changes nothing"


def test_a_limit_is_kept_in_another_process(
    checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches a worker that makes other vectors than the process that sent it the model."""
    model = E5V(checkpoints(LLAVA), dtype="float32", image_tokens=17)
    again = pickle.loads(pickle.dumps(model))
    assert again.loaded.image_tokens == 17
    assert again.encode(photos).tobytes() == model.encode(photos).tobytes()
