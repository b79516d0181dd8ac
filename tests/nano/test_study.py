"""The study: what is trained, on what, how dear it may be, and that no result is of another."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e5v import E5V
from e5v.errors import UsageError
from e5v.evaluation.tasks import Search
from e5v.evaluation.variants import BARE, SUMMARY
from e5v.training.reading import read_triplets
from e5v.training.triplets import Triplet
from nano import score
from nano import study as study_module
from nano.findings import read_findings
from nano.kept import write
from nano.miniature import write_document
from nano.pairs import write_pairs
from nano.settings import SETTINGS, Numbers, Setting, find_settings
from nano.study import RESULTS, Study, open_model
from nano.trainings import Order, Workshop, rows_file, run
from nano.triplets import COLUMNS, Shares, triplets, write_triplets
from tests.nano.small import gray, write_base, write_result, write_scenes

VARIANTS = ("no prompt", "one word")
OTHERS = {"base", "scenes"}  # of the test, and not of the results
FEW = Numbers(steps=2, batch=4, rank=2, rows=40)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a base of random weights."""
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder to evaluate on."""
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes")


@pytest.fixture
def study(base: Path, scenes: Path, tmp_path: Path) -> Study:
    """Give a study that has no results yet."""
    shop = Workshop(base, tmp_path / "work", tmp_path, device="cpu")
    results, gap = tmp_path / "results", tmp_path / "docs" / "gap.png"
    return Study(shop, seeds=1, scenes=scenes, results=results, gap=gap, numbers=FEW)


def test_three_rows_in_ten_are_composed_and_ask_for_the_result() -> None:
    """Without them, or with the source as the positive, edits are not learnt at all."""
    rows = [one for one, _ in zip(triplets(7), range(800), strict=False)]
    composed = [
        one
        for one in rows
        if "image: " in one.anchor
        or "hange it: " in one.anchor
        or "ify this image with" in one.anchor
        or "modify it with" in one.anchor
    ]
    assert len(composed) / len(rows) == pytest.approx(0.3, abs=0.04)
    assert all(one.negative != one.positive for one in composed)
    plain = [one for one, _ in zip(triplets(7, composed=0.0), range(200), strict=False)]
    assert not any("modify" in one.anchor.lower() for one in plain)


def test_real_rows_are_mixed_in_at_their_share_and_each_once(tmp_path: Path) -> None:
    """A model that saw only grammar forgets English; one real row over and over is no English."""
    with (tmp_path / "nli.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*COLUMNS, "source"])
        lines.writerows([f"real {n}", f"so {n}", f"not {n}", "snli"] for n in range(100))
        lines.writerow(["real without a negative", "so", "", "snli"])
    nli = tmp_path / "nli.csv"
    write_triplets(tmp_path / "out.csv", rows=300, seed=1, nli=nli, shares=Shares(nli_share=0.3))
    with (tmp_path / "out.csv").open(newline="") as file:
        real = [row["sent0"] for row in csv.DictReader(file) if row["sent0"].startswith("real")]
    assert len(real) / 300 == pytest.approx(0.3, abs=0.08)
    assert len(set(real)) == len(real)
    assert "real without a negative" not in real


@pytest.mark.slow
def test_the_text_side_is_the_command_itself(study: Study, base: Path) -> None:
    """A training of our own would prove nothing about what users run."""
    how = Setting("faithful", "", prompt="<text>", template="faithful", mask="faithful")
    order = Order(how, FEW, 3)
    cost = run(order, study.shop)
    told = json.loads((study.shop.work / "faithful-3" / "recipe.json").read_text())
    asked = {"steps": 2, "batch": 4, "seed": 3, "template": "faithful", "prompt": "<text>"}
    assert asked.items() <= told.items()
    assert told["symmetric"] is True
    assert cost["steps"] == 2
    assert cost["tokens"] > 0
    assert cost["cpu_seconds"] > 0
    before = (study.shop.work / "faithful-3" / "recipe.json").stat().st_mtime_ns
    assert run(order, study.shop) == cost
    assert (study.shop.work / "faithful-3" / "recipe.json").stat().st_mtime_ns == before
    tuned = open_model(study.shop, order).encode(["a dog"])
    assert (tuned != E5V(base, device="cpu").encode(["a dog"])).any()
    other = replace(study.shop, base=write_base(study.shop.work / "base", seed=2))
    run(order, other)
    assert (study.shop.work / "faithful-3" / "recipe.json").stat().st_mtime_ns != before


def test_both_sides_are_one_command_on_other_rows(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another loss, or another number of tokens, on one side would compare these, and not data."""
    commands: list[list[str]] = []

    def pretend(command: list[str], **_: Any) -> None:
        commands.append(command)
        write(
            Path(command[command.index("--out") + 1]) / "log.jsonl", '{"seconds": 1, "tokens": 1}'
        )

    monkeypatch.setattr("nano.trainings.subprocess.run", pretend)
    monkeypatch.setattr("nano.trainings.load_art", lambda *_: gray())
    for name in ("text", "pairs", "text-one-way", "pairs-one-way"):
        (setting,) = find_settings([name])
        run(Order(setting, replace(FEW, **setting.changes), 0), study.shop)
    assert ["--symmetric" in command for command in commands] == [True, True, False, False]
    texts, pictures = (
        [word for word in command if not word.startswith(str(study.shop.work))]
        for command in commands[:2]
    )
    assert texts == pictures


def test_a_picture_is_an_anchor_and_its_caption_tells_it(tmp_path: Path) -> None:
    """Two scenes in one row, or a picture for two rows, would teach what is not so."""
    how = Setting("pairs", "", images=1.0)
    file = write_pairs(tmp_path / "a", how, gray(), rows=8, seed=1)
    rows = read_triplets([file]).rows
    assert all(len(row.negatives) == 1 for row in rows)
    assert len(list((tmp_path / "a" / "images").iterdir())) == len(rows) == 8
    again = write_pairs(tmp_path / "b", how, gray(), rows=8, seed=1)
    assert again.read_bytes() == file.read_bytes()
    how = replace(how, negatives=False)
    bare = write_pairs(tmp_path / "c", how, gray(), rows=8, seed=1)
    assert not any(row.negatives for row in read_triplets([bare]).rows)


def test_the_text_half_of_a_mixture_is_the_file_of_text_only(tmp_path: Path) -> None:
    """Other rows on the two sides would compare data and not trainings."""
    row = Triplet("the anchor", "the positive", ("the negative",))
    how = Setting("mixed", "", images=0.5)
    file = write_pairs(tmp_path / "a", how, gray(), rows=60, seed=0, texts=[row])
    rows = read_triplets([file]).rows
    texts = [one for one in rows if isinstance(one.anchor, str)]
    assert len(texts) / 60 == pytest.approx(0.5, abs=0.2)
    assert set(texts) == {row}


@pytest.mark.usefixtures("warm")
def test_a_training_on_pictures_leaves_an_adapter_and_no_pictures(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of one training are hundreds of megabytes; a study makes a dozen."""
    monkeypatch.setattr("nano.trainings.load_art", lambda *_: gray())
    order = Order(Setting("mixed", "", images=0.5), FEW, 0)
    assert run(order, study.shop)["tokens"] > 0
    left = {path.name for path in study.shop.work.iterdir() if not path.name.startswith("triplets")}
    assert left == {"mixed-0"}
    tuned = open_model(study.shop, order).encode(["a dog"])
    assert (tuned != open_model(study.shop).encode(["a dog"])).any()


def made(
    monkeypatch: pytest.MonkeyPatch, base: Path, costs: dict[str, float]
) -> list[Order[Numbers]]:
    """Let trainings cost what is said, and make nothing; return the orders as they come."""
    orders: list[Order[Numbers]] = []
    opened = E5V(base, device="cpu")

    def pretend(order: Order[Numbers], _: Workshop) -> dict[str, float]:
        orders.append(order)
        seconds = costs.get(order.label, 1.0)
        return {"cpu_seconds": seconds, "steps": order.numbers.steps}

    monkeypatch.setattr(study_module, "run", pretend)
    monkeypatch.setattr(study_module, "open_model", lambda *_: opened)
    monkeypatch.setattr(Study, "score", lambda *_: ({}, {}))
    return orders


def test_equal_compute_makes_as_many_steps_as_text_only_pays_for(
    study: Study, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal steps under another name would hide what images cost."""
    orders = made(monkeypatch, base, {"text-0": 60.0, "pairs-0": 120.0})
    names = ("text", "pairs", "pairs-compute")
    study = replace(study, only=names, numbers=replace(FEW, steps=100))
    assert list(study.make_all()) == [f"{name}-0" for name in names]
    assert [order.numbers.steps for order in orders] == [100, 100, 50]
    (study.results / "pairs-0.json").unlink()
    (study.results / "pairs-compute-0.json").unlink()
    with pytest.raises(UsageError, match="make it first"):
        list(replace(study, only=names[2:]).make_all())


def test_a_result_is_made_once_and_never_mixed_with_one_of_another_model(
    study: Study, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of two bases, or of two numbers of steps, would compare what nobody asked."""
    made(monkeypatch, base, {})
    study = replace(study, only=("base", "text"), seeds=2)
    assert list(study.make_all()) == ["base", "text-0", "text-1"]
    assert list(study.make_all()) == []
    with pytest.raises(UsageError, match="other steps"):
        list(replace(study, numbers=replace(FEW, steps=3)).make_all())
    kept = json.loads((study.results / "base.json").read_text())
    kept["of"]["base"] = "another"
    write_result(study.results, "base", kept)
    with pytest.raises(UsageError, match="other base"):
        list(study.make_all())


def test_a_result_holds_all_that_the_document_is_made_of(study: Study) -> None:
    """A study of hours that forgot to ask for something would have to be made again."""
    assert list(replace(study, only=("base",)).make_all()) == ["base"]
    result = json.loads((study.results / "base.json").read_text())
    assert {"no prompt", "prompt", "one word", "read at before-mlp"} <= result["scores"].keys()
    assert {"words", "english", "lettered", "worded", "versions", "machine"} <= result.keys()
    edits = result["scores"]["one word"]["figures"]["edits"]
    assert len(edits["first"]) == edits["queries"] == 12
    assert edits["R@1"] == pytest.approx(100 * edits["first"].count("1") / 12, abs=0.01)
    assert all(one["found"] for one in result["english"])
    assert "# The paper in miniature" in write_document("miniature", read_findings(study.results))


def test_an_edit_in_words_is_of_the_caption_of_its_own_scene(scenes: Path) -> None:
    """The caption of another scene would be a question that no one can answer."""
    (search,) = score.word_edits(score.read_data(scenes)).material.tasks
    assert isinstance(search, Search)
    for number, asked in enumerate(search.queries[0].items):
        assert f"scene of {number} dogs" in str(asked)
        assert "one more" in str(asked)


def test_the_gap_is_drawn_once_all_of_its_panels_are_measured(study: Study) -> None:
    """A figure with a panel missing would look like the whole of it."""
    plane = {"images": [[0.1, 0.2]], "texts": [[0.3, 0.4]], "shares": [0.5, 0.1]}
    planes = study.shop.work / "planes"
    write(planes / "base.json", json.dumps(dict.fromkeys(VARIANTS, plane)))
    assert not study.draw_gap()
    write(planes / "text-0.json", json.dumps({"one word": plane}))
    assert study.draw_gap()
    assert study.gap.read_bytes().startswith(b"\x89PNG")


def test_the_table_of_settings_says_what_it_means() -> None:
    """A setting of equal compute that is trained otherwise than its rival compares nothing."""
    settings = {one.name: one for one in SETTINGS}
    assert len(settings) == len(SETTINGS)
    for name, one in settings.items():
        rival = settings[name.removesuffix("-compute")]
        assert replace(one, name="", title="", whole=False) == replace(
            rival, name="", title="", whole=False
        )
    assert settings["text-no-prompt"].prompt == BARE.text
    assert settings["text-prompt"].prompt == SUMMARY.text
    assert Setting("a", "a", trained=False).label(2) == "a"
    with pytest.raises(UsageError, match="not known"):
        find_settings(["text", "nonsense"])


def test_each_kind_of_rows_has_a_file_of_its_own(study: Study) -> None:
    """One file for two kinds would make a setting of other rows the same as text-only."""
    every = (FEW, replace(FEW, composed=0.0), replace(FEW, sizes=1.0))
    texts, plain, sized = [rows_file(study.shop, one).read_text().lower() for one in every]
    assert len({texts, plain, sized}) == 3
    assert "modify" in texts
    assert "modify" not in plain
    assert "modify" in sized


def test_the_committed_results_are_those_that_the_study_would_make(study: Study) -> None:
    """A setting renamed, or a number added: the study would stop at its own results."""
    study = replace(study, numbers=Numbers(), shop=replace(study.shop, nli=Path("nli.csv")))
    for setting in SETTINGS:
        file = RESULTS / f"{setting.label(0)}.json"
        kept = json.loads(file.read_text())["of"] if file.exists() else {}
        now = {name: one for name, one in study.of(setting).items() if name not in OTHERS}
        assert all(one == kept.get(name, one) for name, one in now.items())
