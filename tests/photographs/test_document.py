"""The document: what is claimed, what is left unsaid, and that it is what the results say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from e5v.checkpoints.photos_settings import ClassName
from nano.findings import BOTH, ONE_WORD, Findings, read_findings
from photos.claims import QUESTIONS, make_claims
from photos.document import FILE, main, read_looks, write_document, write_effect
from photos.figures import SIDE, draw_curve, find_points, make_thumbnail
from photos.limit import class_words, compare_apart, group_photos, is_named, names_a_class
from photos.pictures import Listed, identify, read_list
from photos.settings import SETTINGS
from photos.study import DEMO, RESULTS
from tests.nano.small import firsts
from tests.photographs.small import measured

ROOT = Path(__file__).parents[2]
VARIANTS = ("no prompt", "prompt", ONE_WORD)
LARGEST = 200_000  # bytes of all thumbnails


def findings(**recalls: float) -> Findings:
    """Give results by setting: base in three variants, the others in three seeds."""
    every = {
        name.replace("_", "-"): [
            measured(name.replace("_", "-"), recall + seed - 1, seed=seed) for seed in range(3)
        ]
        for name, recall in recalls.items()
        if name not in {"base", "minilm"}
    }
    fixed = {"base": [measured("base", recalls["base"], variants=VARIANTS)]}
    if "minilm" in recalls:
        fixed["minilm"] = [measured("minilm", recalls["minilm"])]
    return Findings(every | fixed, None)


def verdict(every: Findings, paper: str) -> str:
    """Return the verdict on a claim of the paper."""
    return next(one.verdict for one in make_claims(every) if one.paper.startswith(paper))


def words(word: str, *captions: str) -> dict[str, Any]:
    """Return what a photo says."""
    return {"image": "01.jpg", "captions": captions, "says": [{"word": word, "probability": 0.5}]}


def test_claims_hold_or_fail_as_the_numbers_do() -> None:
    """A sentence that stands whatever was measured is no result."""
    paper = "Tuning on texts alone makes photographs better"
    assert verdict(findings(base=30.0, text=60.0), paper) == "above"
    assert verdict(findings(base=60.0, text=30.0), paper) == "below"
    assert verdict(findings(base=60.0, text=60.2), paper) == "level"
    assert verdict(findings(base=30.0, text=60.0), "... and texts") == "above"


def test_each_claim_is_of_settings_that_are_made() -> None:
    """A claim of a setting that was renamed would never be judged, and nobody would miss it."""
    known = {one.name for one in SETTINGS}
    assert {side.setting for one in QUESTIONS for side in (one.one, one.other)} <= known
    told = [one.paper for one in make_claims(findings(base=30.0, text=60.0))]
    assert len(told) == len(QUESTIONS) - 2 + 2, "two are of other trainings; the gap has two"


def test_captions_of_a_photo_are_one_query() -> None:
    """Five captions counted as five would make every error too small."""
    every = findings(base=30.0)
    figures = every.results["base"][0]["scores"][ONE_WORD]["figures"]
    figures["text retrieval"] = {"queries": 100, "R@1": 30.0, "first": firsts(30, 100)}
    both = every.figure("base", BOTH)
    assert both is not None
    assert both.queries == both.first.shape[1] == 100
    captions = figures["image retrieval"]["first"][:5]
    expected = (captions.count("1") / 5 + int(figures["text retrieval"]["first"][0])) / 2
    assert both.first[0, 0] == pytest.approx(expected)


def test_what_was_not_measured_is_not_spoken_of() -> None:
    """A document made of half the results must not claim the other half."""
    alone = write_document(findings(base=30.0), [])
    for unsaid in ("Hard negatives", "two bugs", "step by step", "What photographs say", "looked"):
        assert unsaid not in alone
    whole = write_document(
        findings(base=30.0, text=60.0, plain=50.0, faithful=59.9, batch_16=40.0, minilm=70.0), []
    )
    assert "_Text_ is ahead of _plain_ on photographs (60.0 ± 1.0 against 50.0 ± 1.0" in whole
    assert "ahead of it on STS-B" in whole
    assert "_Text_ is not told apart from _faithful_" in whole
    assert "it is the better way" in whole
    assert "batch-256" not in whole


def test_the_baseline_stands_in_every_table_of_recalls() -> None:
    """Recalls of this model alone would look like a way to search photographs."""
    whole = write_document(
        findings(base=30.0, text=60.0, plain=50.0, faithful=59.0, minilm=45.0), []
    )
    tables = whole.count("| R@1 centred |")
    assert tables == whole.count("| _baseline: MiniLM on class names_ | 45.0 / 45.0 |") == 3
    rows = [line for line in whole.splitlines() if line.startswith("| untuned, one word | 30")]
    assert rows[0].endswith("| behind |")
    assert "it is no better than this model" in whole


def test_the_curve_begins_before_training_and_ends_with_it(tmp_path: Path) -> None:
    """A curve from the first checkpoint on hides what was there before."""
    every = findings(base=30.0, text=60.0)
    for one in every.results["text"]:
        for step, recall in ((15, 40.0), (30, 50.0)):
            scores = measured("text", recall, seed=0)["scores"][ONE_WORD]
            one["scores"][f"after {step}"] = scores
    points = find_points(every)
    assert [(one.step, one.photos.mean) for one in points] == [
        (0, 30.0),
        (15, 40.0),
        (30, 50.0),
        (60, 60.0),
    ]
    drawn = draw_curve(points)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert draw_curve([]) is None
    assert "| 15 | 40.0 ± 0.0 | 40.0 ± 0.0 |" in write_document(every, [])


def test_words_are_shown_as_they_are_and_counted_if_they_say_something() -> None:
    """A word with a bar would shift every cell after it; "the" stands in every caption."""
    every = findings(base=30.0, text=60.0)
    for one in (*every.results["base"], *every.results["text"]):
        one["words"] = [
            words("the", "the dog"),
            words("Dog", "A dog.", "A cat."),
            words("|*", "x|y"),
        ]
        one["edits"] = []
    told = write_document(every, [])
    assert "**\\|\\*** 50 %" in told
    assert "x\\|y |" in told
    assert "for 1 of 3 untuned, and for 1 tuned" in told


def test_looks_are_counted_by_model() -> None:
    """Two hundred results of one model are one look; two models are two."""
    every = findings(base=30.0)
    look = {"when": "2026-12-01T10:00:00", "base": "a base", "photos": "others"}
    looks = [look, {**look, "when": "2026-12-02T10:00:00"}]
    assert "looked at once, with a finished model: on 2026-12-01." in write_document(every, looks)
    looks.append({**look, "when": "2026-12-05T10:00:00", "base": "another"})
    looks.append({**look, "base": "a third", "photos": "of something else"})
    assert "at twice, with a finished model each time: on 2026-12-01 and 2026-12-05." in (
        write_document(every, looks)
    )


def test_a_caption_names_a_class_by_any_of_its_words() -> None:
    """Photos in the wrong group would explain the wrong thing."""
    known = class_words(
        [ClassName("golden retriever", ("dog",)), ClassName("bus"), ClassName("Fox")]
    )
    for caption in ("Two dogs.", "a Golden Retriever runs", "buses", "A fox-like thing"):
        assert names_a_class(caption, known), caption
    for caption in ("A golden field", "busy", "A dogged man", ""):
        assert not names_a_class(caption, known), caption
    photo = Listed("1.jpg", ("a dog", "a bus", "a man"), "", "", "")
    assert is_named(photo, known)
    assert not is_named(Listed("1.jpg", ("a dog", "a man"), "", "", ""), known)


def test_photos_are_grouped_only_if_they_are_those_of_the_list() -> None:
    """Groups of one set of photos over recalls of another."""
    every = findings(base=30.0, text=60.0, minilm=50.0)
    assert group_photos(every, ("base", "text", "minilm")) == []
    of = {"base": "a base", "photos": identify(read_list())}
    for results in every.results.values():
        for one in results:
            one["of"] = of
            figures = one["scores"][ONE_WORD]["figures"]
            figures["image retrieval"] |= {"queries": 740, "first": firsts(60, 740)}
            figures["text retrieval"] |= {"queries": 148, "first": "1" * 148}
    named, rest = group_photos(every, ("base", "text", "minilm"))
    assert named.photos + rest.photos == 148
    assert named.recalls["text"].first.mean() == pytest.approx(0.8, abs=0.02)
    assert compare_apart(named.recalls["text"], rest.recalls["text"]) == "level"
    assert "Where the tower is the limit" in write_document(every, [])


def test_a_thumbnail_is_small() -> None:
    """Megabytes of photos in a table of words."""
    files = sorted((DEMO / "images").iterdir())
    sizes = [len(make_thumbnail(file)) for file in files[:: len(files) // 10]]
    assert max(sizes) < 12_000
    assert SIDE <= 200


def test_without_results_there_is_no_document(tmp_path: Path) -> None:
    """A document of nothing."""
    with pytest.raises(SystemExit, match="make it with"):
        main(tmp_path, tmp_path / "a.md")


def test_the_document_is_there_if_and_only_if_there_are_results() -> None:
    """Numbers in the document that no committed result has; or results that nobody can read."""
    made = (RESULTS / "base.json").exists()
    assert FILE.exists() == made
    if not made:
        assert not list(RESULTS.glob("*.json"))
        return
    found = read_findings(RESULTS)
    written = write_document(found, read_looks(RESULTS))
    assert FILE.read_text(encoding="utf-8") == written, "run python -m photos.document"
    shown = {ROOT / "docs" / one for one in _images(written)}
    assert all(file.exists() for file in shown)
    thumbnails = list((ROOT / "docs" / "photographs").iterdir())
    assert sum(file.stat().st_size for file in thumbnails) <= LARGEST
    assert set(thumbnails) <= shown, "a thumbnail that nothing shows"


def test_the_table_of_the_effect_shows_photographs_first() -> None:
    """A table in the guide that is of other numbers; drawings before photographs."""
    every = findings(base=30.0, text=60.0, minilm=50.0)
    rows = write_effect(every).splitlines()
    assert rows[2] == "| text to photo, R@1 | 30.0 | 30.0 | 60.0 ± 1.0 | 50.0 |"
    assert len(rows) == 5
    if not (RESULTS / "base.json").exists():
        return
    table = write_effect(read_findings(RESULTS))
    for name in ("README.md", "docs/guides/train.md"):
        page = (ROOT / name).read_text(encoding="utf-8")
        assert table in page, f"put this into {name}:\n{table}"
        assert page.index(table) < page.index("| text to image |")
    linked = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "mkdocs.yml"))
    assert all("photographs.md" in text for text in linked)


def test_looks_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A look that is not read is not counted."""
    assert read_looks(tmp_path) == []
    (tmp_path / "looks.jsonl").write_text(json.dumps({"result": "base"}) + "\n")
    assert read_looks(tmp_path) == [{"result": "base"}]


def _images(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+\.(?:png|jpg))\)", text)
