"""What goes into the package: the right model, small enough, with a card that is true."""

import json
from pathlib import Path

import pytest

from e5v import E5V
from e5v.model import bundled
from nano import ship as shipping
from nano.findings import Findings, read_findings
from nano.miniature import write_document
from nano.ship import ship
from nano.study import RESULTS
from tests.adapters import write_adapter
from tests.nano.small import result, write_base

NOTHING = Findings({}, None)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a base of random weights."""
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """Give an adapter of it."""
    folder = tmp_path_factory.mktemp("run")
    write_adapter(folder / "adapter", base)
    return folder


def test_what_is_shipped_opens_by_name_and_tells_no_path(
    base: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone's home folder in a package, or a model that only opens where it was made."""
    target = tmp_path / "assets" / "nano"
    ship(base, run, target, NOTHING)
    monkeypatch.setitem(bundled.FOLDERS, "nano", target)
    tuned, untuned = (E5V(name).encode(["a dog"]) for name in shipping.NAMES)
    assert (tuned * untuned).sum() < 0.999
    texts = [file.read_text() for file in target.rglob("*.json")]
    assert not any(str(base) in text for text in texts)
    assert json.loads((target / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert not list(target.parent.glob("*.partial"))


def test_a_model_that_is_too_large_or_another_one_is_not_shipped(
    base: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository of gigabytes, or a "nano" that is not what merge makes of the same files."""
    target = tmp_path / "nano"
    (target / "kept").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(shipping, "LARGEST", 1000)
        with pytest.raises(SystemExit, match="at most 1,000"):
            ship(base, run, target, NOTHING)
    monkeypatch.setattr("e5v.model.adapters.adapter_of", lambda _: None)
    with pytest.raises(SystemExit, match="nano has a cosine of"):
        ship(base, run, target, NOTHING)
    assert [one.name for one in target.iterdir()] == ["kept"]
    assert not list(tmp_path.glob("*.partial"))


def test_the_card_has_the_numbers_of_the_results() -> None:
    """A card with numbers of another model is worse than one without."""
    assert "not rerun" in write_document("model_card", NOTHING)
    base = result("base", 61.0, variants=("no prompt", "one word"))
    card = write_document(
        "model_card", Findings({"base": [base], "text": [result("text", 80.0, seed=0)]}, None)
    )
    assert "10.0 million parameters" in card
    assert "| texts to images, R@1 | 61.0 | 61.0 | 80.0 |" in card
    assert "Photographs" in card


def test_the_card_in_the_package_says_what_the_results_say() -> None:
    """Numbers of the model before this one, beside the weights of this one."""
    card = (bundled.FOLDERS["nano"] / "README.md").read_text(encoding="utf-8")
    assert card == write_document("model_card", read_findings(RESULTS)), "run python -m nano.ship"
