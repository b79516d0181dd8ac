"""The trainings: that each is e5v train as users run it, made once, and of one language model."""

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest

from e5v import E5V
from e5v.errors import TrainingError, UsageError
from e5v.evaluation.variants import BARE, SUMMARY
from e5v.model.merging import merge_into_model
from photos.settings import SETTINGS, Numbers, find_settings
from photos.trainings import (
    Trainings,
    Workshop,
    adapter_after,
    describe,
    digest_language,
    make_order,
    read_record,
    run,
)
from tests.photographs.small import write_base, write_nli

FEW = Numbers(steps=4, batch=4, rank=2, every=2, curve=(2,))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a base of random weights."""
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def shop(base: Path, tmp_path: Path) -> Workshop:
    """Give a workshop in which nothing was made."""
    return Workshop(str(base), write_nli(tmp_path / "nli.csv"), tmp_path / "work", device="cpu")


def train(name: str, shop: Workshop, numbers: Numbers = FEW) -> list[str]:
    """Run one training of seed 3; return its lines."""
    (setting,) = find_settings([name])
    return list(run(make_order(setting, numbers, 3), shop))


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_a_training_is_the_command_itself_and_made_once(shop: Workshop, base: Path) -> None:
    """A training of our own would prove nothing about what users run."""
    lines = train("text", shop)
    assert [line.partition(",")[0] for line in lines] == [
        f"text-3: step {n}/4" for n in range(1, 5)
    ]
    target = shop.work / "text-3"
    told = json.loads((target / "recipe.json").read_text())
    asked = {"steps": 4, "batch": 4, "seed": 3, "dtype": "bfloat16", "template": "fixed"}
    assert asked.items() <= told.items()
    record = read_record(target)
    assert record["cost"]["steps"] == 4
    assert not list(target.glob("checkpoint-*"))
    assert train("text", shop) == []
    vectors = []
    for adapter in (None, adapter_after(target, 2), adapter_after(target)):
        model = E5V(base, device="cpu")
        if adapter:
            merge_into_model(adapter, model.loaded.model)
        vectors.append(model.encode(["a dog"]))
    assert (vectors[0] != vectors[1]).any()
    assert (vectors[1] != vectors[2]).any()
    (setting,) = find_settings(["text"])
    other = make_order(setting, replace(FEW, lr=1e-3), 3)
    assert describe(other, shop) != record["asked"], "made anew with another rate"


def test_what_sees_images_is_no_part_of_a_training(base: Path, tmp_path: Path) -> None:
    """A new projector would throw away hours of training that it has nothing to do with."""
    eyes = write_base(tmp_path / "eyes", tower=2)
    other = write_base(tmp_path / "other", language=2)
    assert digest_language(str(eyes)) == digest_language(str(base))
    assert digest_language(str(other)) != digest_language(str(base))
    turn = (eyes / "chat_template.jinja").read_text()
    (eyes / "chat_template.jinja").write_text(f"{turn}!")
    digest_language.cache_clear()
    assert digest_language(str(eyes)) != digest_language(str(base)), "another turn is read"


class Pretended:
    """A command that takes two steps, and says so."""

    commands: list[list[str]]
    returncode = 0

    def __init__(self, command: list[str], **_: Any) -> None:
        type(self).commands.append(command)
        self.stdout = [json.dumps({"step": step, "loss": 1.0}) for step in (1, 2)]
        out = Path(command[command.index("--out") + 1])
        out.mkdir(parents=True)
        (out / "log.jsonl").write_text('{"seconds": 1, "tokens": 2}\n')

    def __enter__(self) -> "Pretended":
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let trainings only be pretended; give their commands as they come."""
    Pretended.commands = []
    Pretended.returncode = 0
    monkeypatch.setattr("photos.trainings.subprocess.Popen", Pretended)
    return Pretended.commands


def options(command: list[str]) -> dict[str, str]:
    """Return the options of a command that have values, but where it writes to."""
    named = pairwise(command)
    values = {name: value for name, value in named if name.startswith("--") and value[:2] != "--"}
    return {name: value for name, value in values.items() if name != "--out"}


def test_settings_differ_in_what_they_say_and_in_nothing_else(
    shop: Workshop, commands: list[list[str]]
) -> None:
    """Two trainings that differ in two things tell of neither."""
    numbers = replace(FEW, curve=())
    for name in ("text", "plain", "batch-16", "faithful", "no-prompt", "prompt"):
        train(name, shop, numbers)
    first, *others = map(options, commands)
    changed = [{key for key in one if one[key] != first[key]} for one in others]
    assert changed == [
        {"--data"},
        {"--batch"},
        {"--template", "--mask"},
        {"--prompt"},
        {"--prompt"},
    ]
    assert first["--lr"] == "0.0008"
    with Path(others[0]["--data"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {"sent0": "dog 1", "sent1": "a dog is 1"}
    assert len(rows) == 40


def test_a_checkpoint_that_is_gone_is_missed(shop: Workshop, commands: list[list[str]]) -> None:
    """A curve with a hole in it, found out only after the last training."""
    with pytest.raises(TrainingError, match="no checkpoint after step 2"):
        train("text", shop)
    assert len(commands) == 1
    assert train("plain", shop), "is not scored on its way"


def test_a_training_that_failed_is_not_taken_for_done(
    shop: Workshop, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a training under the name of a whole one."""
    monkeypatch.setattr(Pretended, "returncode", 1)
    with pytest.raises(CalledProcessError):
        train("plain", shop)
    assert read_record(shop.work / "plain-3")["cost"] is None
    assert len(commands) == 1


def test_a_seed_is_trained_in_all_settings_before_the_next(shop: Workshop) -> None:
    """Stopped half-way, one seed of everything says more than three of the first setting."""
    labels = [one.label for one in Trainings(shop, seeds=(0, 1)).orders()]
    assert labels[0] == "text-0"
    assert labels.index("batch-256-0") < labels.index("text-1")
    assert not {"base-0", "minilm-0"} & set(labels)
    assert [one.label for one in Trainings(shop, only=("plain",)).orders()] == [
        f"plain-{seed}" for seed in range(3)
    ]
    with pytest.raises(UsageError, match="not known"):
        list(Trainings(shop, only=("nonsense",)).orders())


def test_the_table_of_settings_asks_as_it_trained(shop: Workshop) -> None:
    """A model trained without a prompt and asked with one would be no row of Table 6."""
    settings = {one.name: one for one in SETTINGS}
    assert len(settings) == len(SETTINGS)
    assert settings["no-prompt"].prompt == BARE.text
    assert settings["prompt"].prompt == SUMMARY.text
    assert settings["text"].prompt == "retrieval"
    order = make_order(settings["batch-16"], Numbers(), 0)
    assert order.numbers.batch == 16
    assert describe(order, shop)["told"]["batch"] == 16
