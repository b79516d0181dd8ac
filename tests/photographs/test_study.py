"""The study: what is scored, beside what, and that no result is of another model or training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e5v import E5V
from e5v.errors import ModelError, UsageError
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import CachedEmbedder, OwnModel, Vectors
from e5v.inputs import RawItem
from nano.findings import read_findings
from nano.kept import write
from photos import baseline
from photos.baseline import NameReader, name_classes
from photos.document import main as write_document
from photos.score import Exam, score_centred, score_demo
from photos.settings import Numbers, find_settings
from photos.study import RESULTS, SHOWN, Study
from photos.trainings import Workshop, describe, make_order
from tests.nano.small import write_base as write_other_base
from tests.photographs.small import PHOTOS, write_base, write_nli, write_photos

FEW = Numbers(steps=4, batch=4, rank=2, every=2, curve=(2,))


class Reader:
    """In the place of MiniLM: letters counted."""

    def encode(self, texts: list[str], **_: object) -> Vectors:
        """Return a row for each text."""
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
        counts = [[1 + text.count(letter) for letter in alphabet] for text in texts]
        return np.array(counts, dtype=np.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a base of random weights."""
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder to evaluate on."""
    return write_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def study(base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Give a study that has no results yet."""
    monkeypatch.setattr(baseline, "_open_minilm", Reader)
    shop = Workshop(str(base), write_nli(tmp_path / "nli.csv"), tmp_path / "work", device="cpu")
    docs = tmp_path / "docs" / "gap.png"
    results = tmp_path / "results"
    return Study(photos, shop, seeds=(0,), demo=photos, results=results, gap=docs, numbers=FEW)


@pytest.fixture
def exam(photos: Path, tmp_path: Path) -> Exam:
    """Give what is asked."""
    return Exam.read(photos, None, photos, tmp_path / "vectors.sqlite")


def pretend_training(study: Study, name: str) -> None:
    """Leave what a training leaves, without its adapter."""
    (setting,) = find_settings([name])
    order = make_order(setting, study.numbers, 0)
    kept = {"asked": describe(order, study.shop), "cost": {"steps": 4}}
    write(study.shop.work / f"{order.label}.json", json.dumps(kept))


@pytest.mark.slow
def test_a_result_holds_all_that_the_document_is_made_of(study: Study, tmp_path: Path) -> None:
    """A study of hours that forgot to ask for something would have to be made again."""
    study = replace(study, only=("base", "minilm", "shipped"))
    assert list(study.make_all()) == ["base", "minilm"], "nothing is shipped with this base"
    result = json.loads((study.results / "base.json").read_text())
    variants = {"no prompt", "prompt", "one word", "read at before-mlp"}
    assert variants | {f"{one}, centred" for one in variants} <= result["scores"].keys()
    assert {"demo", "edits", "words", "machine"} <= result.keys()
    assert len(result["words"]) == PHOTOS
    assert result["words"][3]["captions"] == ["photo 3", "3 dogs"]
    assert result["edits"][0]["targets"] == ["01.jpg"]
    recalls = result["scores"]["one word"]["figures"]["image retrieval"]
    assert len(recalls["first"]) == recalls["queries"] == 2 * PHOTOS
    out = tmp_path / "docs" / "photographs.md"
    write_document(study.results, out, study.demo)
    assert "not the study's own photographs" in out.read_text()
    assert "looked at once" in out.read_text()
    assert list(study.make_all()) == []


@pytest.mark.slow
def test_what_is_tuned_is_another_model_step_by_step(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A curve whose points are all of one model would be level, and look like a finding."""
    opened: list[Path] = []
    monkeypatch.setattr("photos.study.merge_into_model", lambda path, _: opened.append(path))
    pretend_training(study, "text")
    pretend_training(study, "plain")
    study = replace(study, only=("text", "plain"))
    assert list(study.make_all()) == ["text-0", "plain-0"]
    assert [path.name for path in opened] == ["adapter", "step-000002", "adapter"]
    result = json.loads((study.results / "text-0.json").read_text())
    assert {"after 2", "one word", "after 2, centred"} <= result["scores"].keys()
    assert result["trained"]["curve"] == [2]
    assert read_findings(study.results).results.keys() == {"text", "plain"}


def test_a_result_without_its_training_is_refused(study: Study) -> None:
    """Numbers of one recipe under the name of another."""
    study = replace(study, only=("plain",))
    with pytest.raises(UsageError, match="make it with"):
        list(study.make_all())
    pretend_training(study, "plain")
    other = replace(study, numbers=replace(FEW, steps=5))
    with pytest.raises(UsageError, match="does not hold the training plain-0"):
        list(other.make_all())
    assert not (study.results / "looks.jsonl").exists(), "nothing was looked at"


def test_a_result_is_never_mixed_with_one_of_other_photos(study: Study, tmp_path: Path) -> None:
    """A table of two sets of photos would compare what nobody asked."""
    study = replace(study, only=("minilm",))
    assert list(study.make_all()) == ["minilm"]
    other = replace(study, photos=write_photos(tmp_path / "others", 11))
    with pytest.raises(UsageError, match="of other photos"):
        list(other.make_all())


@pytest.mark.slow
def test_every_look_at_the_photos_is_written_down(study: Study) -> None:
    """A test set that is looked at until the numbers please tests nothing."""
    study = replace(study, only=("minilm",))
    for _ in range(2):
        list(study.make_all())
        (study.results / "minilm.json").unlink()
    looks = [json.loads(line) for line in (study.results / "looks.jsonl").read_text().splitlines()]
    assert [one["result"] for one in looks] == ["minilm", "minilm"]
    assert looks[0]["photos"] == study.of(find_settings(["minilm"])[0])["photos"]


def test_centring_takes_away_what_a_whole_side_has_in_common(exam: Exam) -> None:
    """A gap alone must not cost a photo its caption, once both sides are centred."""

    class Apart:
        fingerprint = "apart"

        def embed(self, items: list[RawItem], prompt: str) -> Vectors:
            rows = np.zeros((len(items), PHOTOS + 2), np.float32)
            for row, item in zip(rows, items, strict=True):
                name = item.name if isinstance(item, Path) else str(item)
                number = int("".join(filter(str.isdigit, name)))
                row[number] = 1
                row[PHOTOS] = 3 if isinstance(item, Path) else 0
                row[0] += 0 if isinstance(item, Path) else 2
            return rows

        def wording(self, prompt: str) -> str:
            return ""

    embedder: Any = Apart()
    figures = score_centred(CachedEmbedder(embedder, Cache()), exam.photos)
    assert figures["image retrieval"]["R@1"] == 100.0
    assert figures["text retrieval"]["first"] == "1" * PHOTOS


def test_places_of_edits_are_those_of_the_recall(base: Path, exam: Exam) -> None:
    """A table of places that another rule ranked than the figure under it."""
    figures, edits = score_demo(OwnModel(E5V(base, device="cpu")), exam)
    first = "".join(str(int(edit["place"] == 1)) for edit in edits)
    assert first == figures["edits"]["first"]
    assert {edit["image"] for edit in edits} == {f"{n:02}.jpg" for n in range(PHOTOS)}


def test_the_baseline_reads_what_the_tower_sees(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of another tower, or of other classes, would be another rival."""
    monkeypatch.setattr(baseline, "_open_minilm", Reader)
    model = E5V(base, device="cpu")
    photo = photos / "images" / "00.jpg"
    names = name_classes(model, photo)
    assert len(set(names)) == 5
    assert names == name_classes(model, photo)
    reader = NameReader(model)
    composed = {"image": photo, "text": "more"}
    told = Reader().encode([", ".join(names), f"{', '.join(names)}. more", "a text"])
    assert (reader.embed([photo, composed, "a text"], "retrieval") == told).all()
    other = E5V(write_other_base(tmp_path / "nano"), device="cpu")
    with pytest.raises(ModelError, match="no tower that holds a classifier"):
        name_classes(other, photo)


def test_the_gap_is_of_the_settings_that_there_are() -> None:
    """A panel of a result that was renamed would never be drawn."""
    labels = {one.label(0) for one in find_settings([])}
    assert {label for label, _ in SHOWN.values()} <= labels


def test_the_committed_results_are_those_that_the_study_would_make(study: Study) -> None:
    """A setting renamed, or a number added: the study would stop at its own results."""
    study = replace(study, numbers=Numbers(), sts=Path())
    for setting in find_settings([]):
        file = RESULTS / f"{setting.label(0)}.json"
        kept = json.loads(file.read_text())["of"] if file.exists() else {}
        now = study.of(setting)
        own = {name: now[name] for name in now if name not in {"base", "photos", "demo"}}
        assert all(one == kept.get(name, one) for name, one in own.items())
