"""Training on images and mixtures: the gradient, the tower, the files of data, and whole runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from torch import Tensor

from e5v import E5V, train
from e5v.errors import DataError, PromptError, TrainingError, UsageError
from e5v.inputs import Item
from e5v.model.encoder import Encoder, Prompted
from e5v.model.loading import load
from e5v.training.adapter import WEIGHTS
from e5v.training.chunks import PackedPass
from e5v.training.loss import batch_loss
from e5v.training.reading import read_triplets
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Run, Step
from e5v.training.sampler import Batch
from e5v.training.trainer import Trainer, fit
from e5v.training.triplets import Triplet
from tests.training.pictures import make_picture
from tests.training.stepping import open_trainer, take_gradient

Checkpoints = Callable[[str], Path]
FAMILIES = ("llava_next_llama3", "qwen2_5_vl", "qwen3_vl", "gemma3", "aya_vision")


@pytest.fixture
def mixed() -> tuple[Triplet, ...]:
    """Give triplets of every kind: images, texts and mixtures on either side."""
    return (
        Triplet(make_picture(0), "a dog runs", ("a dog sleeps",)),
        Triplet("two cats", make_picture(1)),
        Triplet(
            {"image": make_picture(2), "text": "at night"}, make_picture(3), (make_picture(4),)
        ),
        Triplet("an old man", "a man", ("a girl", "snow")),
    )


def run_alone(trainer: Trainer, one: Prompted) -> Tensor:
    """Return the state of one prompt by the model's own forward pass, tower included."""
    loaded = trainer.loaded
    ids = torch.tensor([one.ids])
    arrays = {key: value for image in one.images for key, value in image.arrays.items()}
    marks = (ids == loaded.image_token_id).long()
    own = "gemma" in loaded.model.config.model_type
    kinds = {"token_type_ids" if own else "mm_token_type_ids": marks}
    extra = kinds if one.images and ("qwen" in loaded.model.config.model_type or own) else {}
    base = loaded.model.base_model
    output = base(input_ids=ids, use_cache=False, **arrays, **extra)
    state: Tensor = output.last_hidden_state[0, -1]
    return state


@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_of_images_have_the_gradient_of_the_whole(
    family: str, checkpoints: Checkpoints, short: Recipe, mixed: tuple[Triplet, ...]
) -> None:
    """An image's tokens put elsewhere, left out of the graph, or other ones in the second pass."""
    trainer, batch = (
        open_trainer(load(checkpoints(family), dtype="float32", device="cpu"), short),
        Batch(mixed, ()),
    )
    prompts = [one.prompted for one in trainer.prompts.prepare(batch.items)]
    plain = batch_loss(torch.stack([run_alone(trainer, one) for one in prompts]), batch, short)
    plain.value.backward()  # type: ignore[no-untyped-call]
    expected = take_gradient(trainer)
    for budget in (64, 100_000):
        forward = PackedPass(Encoder(trainer.loaded), budget)
        trainer.gradients = replace(trainer.gradients, forward=forward)
        loss = trainer.accumulate(prompts, batch)
        assert abs(float(loss.value) - plain.value.item()) < 1e-4
        got = take_gradient(trainer)
        assert float((got - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_the_tower_sees_an_image_once_and_stays_as_it_is(
    checkpoints: Checkpoints, short: Recipe, mixed: tuple[Triplet, ...], seen: list[int]
) -> None:
    """A tower that runs in both passes of a chunk, is trained, or drops values in training."""
    trainer = open_trainer(
        load(checkpoints("llava_next_llama3"), dtype="float32", device="cpu"), short
    )
    frozen = {
        name: value.clone()
        for name, value in trainer.loaded.model.state_dict().items()
        if "lora" not in name
    }
    trainer.step(0, Batch(mixed, ()))
    assert sum(seen) == 5
    after = trainer.loaded.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in frozen.items())
    assert trainer.loaded.language_model.training
    assert not trainer.loaded.model.model.vision_tower.training


def test_a_file_with_images_is_trained_on(
    checkpoints: Checkpoints, folder: Path, short: Recipe, tmp_path: Path
) -> None:
    """Images that are taken for texts, are not looked up, or move no weight."""
    model = str(checkpoints("llava_next_llama3"))
    recipe = replace(short, steps=12, batch=8)
    run = Run(model, (folder / "captions.jsonl",), tmp_path / "run", recipe, device="cpu")
    steps = [event for event in fit(run) if isinstance(event, Step)]
    assert steps[-1].loss < 0.8 * steps[0].loss
    tokens = E5V(model, device="cpu").prepare(folder / "images" / "0.png").prompted.ids
    assert steps[0].tokens > 8 * len(tokens) * 0.8
    (tmp_path / "run" / "adapter" / WEIGHTS).stat()
    resumed = list(fit(replace(run, resume=True)))  # the same content under the same digest
    assert [one for one in resumed if isinstance(one, Step)] == []


def test_a_run_has_the_tiling_that_was_asked_for(
    checkpoints: Checkpoints, short: Recipe, tmp_path: Path
) -> None:
    """Catches an old tiling that training passes over, or a run that goes on in another one."""
    model = str(checkpoints("llava_next_llama3"))
    wide = [make_picture(number).resize((140, 40)) for number in range(8)]
    rows = tuple(Triplet(one, f"picture {number}") for number, one in enumerate(wide))
    usual = Run(model, rows, tmp_path / "usual", replace(short, steps=2), device="cpu")
    old = replace(usual, out=tmp_path / "old", tiling="transformers-4.41")
    first, second = ([one for one in fit(run) if isinstance(one, Step)] for run in (usual, old))
    assert first[0].tokens > second[0].tokens
    with pytest.raises(UsageError, match=r"with tiling transformers-4\.41, got correct"):
        list(fit(replace(old, tiling="correct", resume=True)))


def test_python_rows_are_those_of_a_file(
    checkpoints: Checkpoints, folder: Path, short: Recipe, tmp_path: Path
) -> None:
    """A list from Python that trains on other things than the same rows in a file."""
    model = str(checkpoints("llava_next_llama3"))
    rows = read_triplets([folder / "captions.jsonl"]).rows
    given = [
        Triplet(PIL.Image.open(folder / "images" / f"{n}.png"), {"text": str(row.positive)})
        for n, row in enumerate(rows)
    ]
    losses: list[list[float]] = []
    for name, data in (("file", folder / "captions.jsonl"), ("list", given)):
        seen: list[Any] = []
        train(model, data, tmp_path / name, recipe=short, progress=seen.append, device="cpu")
        losses.append([one.loss for one in seen if isinstance(one, Step)])
    assert losses[0] == losses[1]


def test_an_image_that_goes_away_stops_the_run(
    checkpoints: Checkpoints, folder: Path, short: Recipe, tmp_path: Path
) -> None:
    """A traceback in the middle of a run, or a row that is passed over in silence."""
    model = str(checkpoints("llava_next_llama3"))
    run = Run(model, (folder / "captions.jsonl",), tmp_path / "run", short, every=1, device="cpu")
    events = fit(run)
    assert [type(next(events)).__name__ for _ in range(2)] == ["Begun", "Step"]
    image = folder / "images" / "3.png"
    content = image.read_bytes()
    image.unlink()
    with pytest.raises(TrainingError, match=r"step 2: .*3\.png.*restore its image and resume"):
        list(events)
    image.write_bytes(content)
    resumed = [one.step for one in fit(replace(run, resume=True)) if isinstance(one, Step)]
    assert resumed[-1] == 4
    (folder / "images" / "4.png").write_bytes((folder / "images" / "5.png").read_bytes())
    with pytest.raises(UsageError, match="got one of the same name whose content has changed"):
        list(fit(replace(run, resume=True)))


def test_a_batch_with_one_image_in_many_rows_runs_the_tower_once(
    checkpoints: Checkpoints, folder: Path, short: Recipe, seen: list[int]
) -> None:
    """An image with four captions that is seen four times, in as many chunks."""
    trainer = open_trainer(
        load(checkpoints("llava_next_llama3"), dtype="float32", device="cpu"),
        replace(short, chunk_tokens=64),
    )
    image = folder / "images" / "0.png"
    rows = tuple(Triplet({"image": image}, f"caption {n}") for n in range(4))
    trainer.step(0, Batch(rows, ()))
    assert sum(seen) == 1


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (Recipe(template="faithful"), DataError, "the faithful template takes texts only"),
        (Recipe(mask="faithful"), DataError, "the faithful mask takes texts only"),
        (Recipe(prompt="<text> in one word:"), PromptError, "image"),
    ],
)
def test_a_recipe_for_texts_is_refused_before_a_model_is_opened(
    folder: Path,
    recipe: Recipe,
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images in the official script's padding, or a model opened for nothing."""
    monkeypatch.setattr("e5v.training.trainer.load", None)
    run = Run("nano-base", (folder / "captions.jsonl",), tmp_path / "run", recipe)
    with pytest.raises(error, match=message):
        list(fit(run))
    assert not run.out.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no rows"),
        ([Triplet("a", " ")], "row 1 of the data: "),
        ([Triplet("a", "b"), "c"], "files and triplets"),
        ([Triplet("a", 3)], "row 1 of the data: is of type int"),  # type: ignore[arg-type]
        ([("a", "b")], "row 1 of the data is of type tuple; expected Triplet"),
        (Triplet("a", "b"), "data is of type Triplet; expected files or a list"),
        (None, "data is of type NoneType; expected files or a list"),
        ([Triplet("a", Path("none.png"))], "row 1 of the data: none.png does not exist"),
        ([Triplet("a", b"junk")], "row 1 of the data: .* is not an image"),
        ([Triplet("a", [{"role": "system", "content": "s"}, "b"])], "has a system turn"),
        ([Triplet("a", Item(()))], "row 1 of the data is empty"),
    ],
)
def test_rows_from_python_are_checked(data: Any, message: str, tmp_path: Path) -> None:
    """A traceback from deep inside, or a text that is no text."""
    with pytest.raises((DataError, UsageError), match=message):
        train("nano-base", data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_negatives_are_several_items() -> None:
    """Three negatives, "d", "o" and "g", where one was meant."""
    with pytest.raises(UsageError, match="negatives is of type str; expected a tuple of items"):
        Triplet("a", "b", "dog")  # type: ignore[arg-type]


def test_triplets_from_a_generator(tmp_path: Path) -> None:
    """Rows that are gone before they are read."""
    run = Run.of("nano-base", (Triplet(str(n), "b") for n in range(3)), tmp_path, Recipe())
    assert len(run.read_data().rows) == 3


def test_weights_from_python(tmp_path: Path) -> None:
    """Weights of a dictionary that are lost, or a share of nothing."""
    run = Run.of("nano-base", {"a.csv": 0.8, "b.csv": 0.2}, tmp_path, Recipe())
    assert (run.data, run.weights) == ((Path("a.csv"), Path("b.csv")), (0.8, 0.2))
    with pytest.raises(UsageError, match="a weight is 0; expected above 0"):
        Run.of("nano-base", {"a.csv": 1, "b.csv": 0}, tmp_path, Recipe())
    with pytest.raises(UsageError, match="there are 1 weights for 2 files; expected one for each"):
        replace(run, weights=(1.0,))


def test_a_tuned_model_and_no_steps_are_refused(tmp_path: Path) -> None:
    """A division by zero after the first step; an adapter on top of an adapter."""
    with pytest.raises(UsageError, match="every is 0"):
        train("nano-base", [Triplet("a", "b")], tmp_path / "run", every=0)
    with pytest.raises(UsageError, match="nano, which is tuned already"):
        train("nano", [Triplet("a", "b")], tmp_path / "run")


def test_dropout_stays_out_of_the_tower(checkpoints: Checkpoints, short: Recipe) -> None:
    """Other image tokens at every step, where the tower has dropout."""
    recipe = replace(short, adapter=Adapter(rank=4, alpha=8, dropout=0.5))
    trainer = open_trainer(
        load(checkpoints("llava_next_llama3"), dtype="float32", device="cpu"), recipe
    )
    modules = dict(trainer.loaded.model.named_modules())
    assert all(not m.training for name, m in modules.items() if "vision" in name)
