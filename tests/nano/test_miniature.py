"""The document: what is a difference, what is said of it, and that it is what the results say."""

from pathlib import Path

import pytest

from nano.claims import claims
from nano.cost import papers, saved
from nano.findings import Findings, Sample, compare, read_findings
from nano.miniature import FILE, write_miniature
from nano.study import RESULTS
from nano.tables import table
from tests.nano.small import result, write_result


def findings(**recalls: float) -> Findings:
    """Give results by setting: base in three variants, the others in three seeds."""
    every = {
        name: [result(name, recall + seed, seed=seed) for seed in (-1, 0, 1)]
        for name, recall in recalls.items()
        if name != "base"
    }
    base = result("base", recalls["base"], variants=("no prompt", "prompt", "one word"))
    return Findings(every | {"base": [base]}, None)


def test_a_difference_is_one_only_beyond_its_error() -> None:
    """A miniature that calls noise a reproduction is worth nothing."""
    assert compare(Sample((80.0,), 500), Sample((60.0,), 500)) == "above"
    assert compare(Sample((80.0,), 500), Sample((77.0,), 500)) == "level"
    assert compare(Sample((80.0,), 50_000), Sample((77.0,), 50_000)) == "above"
    assert compare(Sample((70.0, 90.0), 50_000), Sample((77.0, 77.0), 50_000)) == "level"
    assert compare(Sample((60.0,), 500), Sample((80.0,), 500)) == "below"


def test_claims_hold_or_fail_as_the_numbers_do() -> None:
    """A sentence that stands whatever was measured is no result."""

    def verdict(text: float, pairs: float) -> bool | None:
        judged = claims(findings(base=60.0, text=text, **{"pairs-bare": pairs}))
        return next(one.holds for one in judged if one.papers.startswith("Text-only beats"))

    assert verdict(90.0, 70.0) is True
    assert verdict(70.0, 90.0) is False
    assert verdict(80.0, 80.5) is None


def test_the_first_metric_decides_and_the_other_stands_beside_it() -> None:
    """A verdict that takes whichever recall suits it."""
    every = findings(base=60.0, text=80.0)
    for one in every.results["text"]:
        for task in ("image retrieval", "text retrieval"):
            one["scores"]["one word"]["figures"][task]["R@5"] = 50.0
    told = next(one for one in claims(every) if one.papers.startswith("Tuning on text"))
    assert told.holds is True
    assert "R@1 tuned 80.0 ± 1.0, untuned 60.0; R@5 tuned 50.0 ± 0.0, untuned 60.0" in told.ours


def test_what_was_not_measured_is_not_spoken_of() -> None:
    """A document made of half the results must not claim the other half."""
    alone = write_miniature(findings(base=60.0))
    assert "Tuning on text alone" not in alone
    assert "official script" not in alone
    whole = write_miniature(
        findings(base=60.0, text=80.0, pairs=70.0, **{"faithful-template": 79.0})
    )
    assert "Tuning on text alone" in whole
    assert "_Text_ is ahead of _pairs_ on retrieval (80.0 ± 1.0 against 70.0 ± 1.0" in whole
    assert "_Text_ is not told apart from _faithful-template_" in whole
    with pytest.raises(FileNotFoundError, match="python -m nano"):
        write_miniature(Findings({}, None))


def test_seeds_are_told_as_mean_and_spread(tmp_path: Path) -> None:
    """The best seed in place of their mean would be a number that nobody gets again."""
    for seed, recall in enumerate((78.0, 80.0, 82.0)):
        write_result(tmp_path, f"text-{seed}", result("text", recall, seed=seed))
    kept = read_findings(tmp_path)
    assert str(kept.figure("text", "image retrieval", "R@1")) == "80.0 ± 2.0"
    assert kept.figure("text", "image retrieval", "R@1", "no prompt") is None
    assert kept.took("text", "cpu_seconds") == 90.0


def test_a_cell_does_not_break_its_table() -> None:
    """A caption with a bar in it would shift every cell after it."""
    lines = table(("a", "b"), [("x|y", None), ("z", 1.5)]).splitlines()
    assert lines[1:] == ["| --- | ---: |", "| x\\|y |  |", "| z | 1.5 |"]


def test_the_papers_saving_is_what_its_tokens_make() -> None:
    """The arithmetic would explain nothing if it came to another number than the paper's hours."""
    photo = next(one for one in papers()["images"] if one["image_tokens"] == 2340)
    assert photo["saved_flops_without_negatives"] == pytest.approx(95.7, abs=1.0)
    assert saved(1.5, 34.9) == 95.7


def test_the_document_says_what_the_results_say() -> None:
    """Numbers in the document that no committed result has."""
    if not (RESULTS / "base.json").exists() and not FILE.exists():
        pytest.skip("there are no results and no document yet")
    assert FILE.read_text(encoding="utf-8") == write_miniature(read_findings(RESULTS)), (
        "run python -m nano.miniature"
    )
