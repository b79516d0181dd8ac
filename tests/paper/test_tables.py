"""The paper's numbers are typed rightly, and ours stand beside the right ones."""

from statistics import fmean

import pytest

from e5v.evaluation.published import TUNED
from paper.claims import QUESTIONS, Against, make_claims
from paper.findings import Findings, Side
from paper.tables import LAYOUTS, PUBLISHED, TEXT, build_tables
from paper.ways import SHAPED
from tests.paper.found import make_findings

EMPTY = Findings({})


def test_rows_are_as_wide_as_their_table() -> None:
    """Catches a row that is shifted by a column."""
    for table in build_tables(EMPTY):
        assert table.rows
        for row in table.rows:
            assert len(row.cells) == len(table.layout.columns), (table.layout.name, row.title)


@pytest.mark.parametrize("name", PUBLISHED["Table 5"])
def test_means_of_sentences_are_those_of_their_cells(name: str) -> None:
    """Catches a mistyped figure of Table 5."""
    *cells, mean = PUBLISHED["Table 5"][name]
    assert fmean(float(one or 0) for one in cells) == pytest.approx(mean, abs=0.0101)


@pytest.mark.parametrize("name", PUBLISHED["Table 3"])
def test_means_of_categories_are_those_of_their_cells(name: str) -> None:
    """Catches a mistyped figure of Table 3; its own last digits are rounded."""
    *cells, ten, fifty = (float(one or 0) for one in PUBLISHED["Table 3"][name])
    assert fmean(cells[::2]) == pytest.approx(ten, abs=0.04)
    assert fmean(cells[1::2]) == pytest.approx(fifty, abs=0.08)


def test_recalls_rise() -> None:
    """Catches two figures of one row that are swapped."""
    for name in ("Table 1", "Table 2", "Table 4"):
        width = 4 if name == "Table 2" else 3
        for row in PUBLISHED[name].values():
            for start in range(0, len(row), width):
                known = [one for one in row[start : start + width] if one is not None]
                assert known == sorted(known)


def test_ours_stands_beside_the_papers() -> None:
    """Catches a figure beside that of another prompt, model or column."""
    findings = make_findings({TEXT: [0.9, 0.8]})
    table = build_tables(findings)[5]
    row = next(one for one in table.rows if "E5-V" in one.title)
    assert [cell.paper for cell in row.cells] == list(TUNED["one word"])
    first = row.cells[0]
    assert first.ours is not None
    assert first.ours.mean == pytest.approx(85)
    assert first.ours.spread == pytest.approx(7.07, abs=0.01)
    assert first.difference == pytest.approx(85 - 95.0)
    assert first.verdict in {"below", "level"}


def test_captions_drawn_with_raqm_have_a_row_of_their_own() -> None:
    """Catches a figure of one layout in the row of the other, or an empty row without raqm."""
    sides = {TEXT: [0.9], Side("text", way=SHAPED): [0.7]}
    for findings, count in ((make_findings(sides), 2), (make_findings({TEXT: [0.9]}), 1)):
        ours = [row for row in build_tables(findings)[3].rows if row.is_ours]
        assert len(ours) == count
        assert ours[0].cells[0].ours
        assert ours[0].cells[0].ours.mean == pytest.approx(90)
    raqm = build_tables(make_findings(sides))[3].rows[-1]
    assert "raqm" in raqm.title
    assert raqm.cells[0].ours
    assert raqm.cells[0].ours.mean == pytest.approx(70)
    assert raqm.cells[0].paper == 67.8


def test_every_claim_can_be_asked() -> None:
    """Catches a claim about a figure that no table has."""
    claims = make_claims(EMPTY, {})
    assert {one.number for one in claims} == set(range(1, 9))
    assert all(one.verdict is None for one in claims)
    for asked in QUESTIONS:
        if isinstance(asked, Against):
            keys = [
                column.key for one in LAYOUTS if one.name == asked.table for column in one.columns
            ]
            assert PUBLISHED[asked.table][asked.rival][keys.index(asked.key)] is not None


def test_claims_are_judged_both_ways() -> None:
    """Catches a claim of being behind that is reproduced by being ahead."""
    sides = {TEXT: [0.99], Side("image-text"): [0.7], Side("mistral-text"): [0.5]}
    findings = make_findings(sides | {Side("mistral-untuned"): [0.9]})
    verdicts = {(one.number, one.paper): one.verdict for one in make_claims(findings, {})}
    ahead = [verdict for (number, paper), verdict in verdicts.items() if "ahead of EVA" in paper]
    behind = [verdict for (number, paper), verdict in verdicts.items() if "behind EVA" in paper]
    assert set(ahead) == {"above"}
    assert set(behind) == {"below"}, "99 % is not behind 93.9 or 68.8 %"
    texts = next(paper for number, paper in verdicts if number == 7 and "texts is better" in paper)
    assert verdicts[7, texts] == "above"
    mistral = next(paper for number, paper in verdicts if "Mistral" in paper)
    assert verdicts[8, mistral] == "below"
