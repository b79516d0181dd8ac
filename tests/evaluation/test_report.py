"""The faces of a report: what they say, and that what they are told stays text."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from e5v.evaluation.report import from_json, to_json, to_markdown, write_report
from e5v.evaluation.report_html import to_html
from e5v.evaluation.scores import Figure, Results, Setting
from tests.evaluation.reported import EVIL, NOTE, as_printed, cells_of, read_page, spoilt


def test_json_and_back(report: Results) -> None:
    """A field that is lost, or comes back as something else."""
    assert from_json(to_json(report)) == report
    without = replace(report, gaps={})
    assert from_json(to_json(without)) == without


def test_json_has_a_line_for_a_point(report: Results) -> None:
    """Thousands of lines for the picture, or a regular expression that spoils a text."""
    odd = replace(report, figures=(replace(report.figures[0], note="[ 1, 2 ]"),))
    written = to_json(odd)
    assert from_json(written) == odd
    assert len(written.splitlines()) < 60 + 30 + 30 + 60
    assert re.search(r"^ +\[-?[\d.]+, -?[\d.]+\],$", written, re.MULTILINE)


def test_json_is_json(report: Results) -> None:
    """NaN, which other readers of JSON refuse; evil texts that break it."""
    assert json.loads(to_json(spoilt(report)))["figures"][0]["note"] == EVIL
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(replace(report, figures=(Figure("a", "b", "c", float("nan")),)))


def test_table_says_it_all(report: Results) -> None:
    """A column of another figure, a sign that is lost, or a row that hides whose data it is of."""
    lines = [re.split(r"  +", line.strip()) for line in as_printed(report).splitlines()]
    assert ["COCO 5K", "image retrieval", "R@1", "61.25", "52.00", "+9.25", "[1]"] in lines
    assert ["image retrieval", "R@5", "80.00", "[1]"] in lines
    assert [f"[1] {NOTE}"] in lines
    assert ["STS13", "similarity", "Spearman", "89.44", "89.94", "-0.50"] in lines
    assert ["STS14", "similarity", "Spearman", "n/a", "85.67"] in lines
    assert any("centroid distance" in line for line in lines)


def test_table_fits_a_terminal(report: Results) -> None:
    """Numbers cut off where the terminal is of the usual width."""
    printed = as_printed(report, width=80)
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert all(number in printed for number in ("61.25", "52.00", "+9.25"))


def test_table_prints_text_as_it_is() -> None:
    """A name in brackets that rich takes for a colour and swallows."""
    setting = Setting("m", "f", "d", "d", "r", "t", {}, "p", {}, (), "w")
    assert "[red]" in as_printed(Results(setting, (Figure("[red]", "a", "b", 1.0),)))


def test_markdown_says_it_all(report: Results) -> None:
    """A row that is no row of the table, or a fact that is left out."""
    written = to_markdown(report)
    rows = [cells_of(line) for line in written.splitlines() if line.startswith("| ")]
    assert ["COCO 5K", "image retrieval", "R@1", "61.25", "52.00", "+9.25", NOTE] in rows
    assert ["fingerprint", "f00dfeed"] in rows
    assert ["versions", "e5v 0.1.0, torch 2.13.0"] in rows
    took = "888 embedded in 3 min 05 s (4.8 a second)"
    assert [
        "COCO 5K",
        "hit rate both ways",
        "abc123",
        "148 images, 740 captions",
        took,
        NOTE,
    ] in rows
    assert r'"<text>\nSummary above sentence in one word: "' in written
    assert "](gap.png)" in written
    assert "gap.png" not in to_markdown(replace(report, gaps={}))


def test_markdown_keeps_text_in_its_place(report: Results) -> None:
    """A pipe that makes a column, a line break that ends a table, a fence that is closed."""
    written = to_markdown(spoilt(report))
    plain, fence = written.split("```json\n")
    assert not re.search(r"(?<!\\)[<`*_]", plain)
    widths = {len(cells_of(line)) for line in plain.splitlines() if line.startswith("|")}
    assert widths <= {2, 3, 6, 7}
    reduced = replace(report, setting=replace(report.setting, weights="8bit"))  # a row of its own
    ordinary = to_markdown(reduced).split("```json\n")[0]
    assert len(plain.splitlines()) == len(ordinary.splitlines())
    assert re.findall("^```", fence, re.MULTILINE) == ["```"]


def test_several_gaps_stand_beside_each_other(report: Results, tmp_path: Path) -> None:
    """The last variant's gap for all of them, or values under another's name."""
    (first,) = report.gaps.values()
    wider = replace(first, centroid_distance=1.75, cosine_true=None, alignment=None)
    both = replace(report, gaps={"COCO 5K, prompt": first, "COCO 5K, one word": wider})
    assert from_json(to_json(both)) == both
    rows = [re.split(r"  +", line.strip()) for line in as_printed(both).splitlines()]
    near = f"{first.centroid_distance:.3f}"
    assert ["centroid distance", near, "1.750", "0 is no gap, 2 the widest"] in rows
    cells = [cells_of(line) for line in to_markdown(both).splitlines() if line.startswith("| ")]
    assert ["", "COCO 5K, prompt", "COCO 5K, one word", ""] in cells
    assert ["alignment", f"{first.alignment:.3f}", "", "of true pairs; lower is closer"] in cells
    page = to_html(both)
    assert page.count('<svg class="plane"') == 2
    text = read_page(page).text
    assert text.index("COCO 5K, prompt") < text.index("COCO 5K, one word")
    write_report(both, tmp_path / "both")
    write_report(report, tmp_path / "one")
    sizes = []
    for name in ("one", "both"):
        with Image.open(tmp_path / name / "gap.png") as picture:
            sizes.append(picture.size)
    assert sizes[1] == (2 * sizes[0][0], sizes[0][1])


def test_a_report_on_disk(report: Results, tmp_path: Path) -> None:
    """A face that is not written, in another encoding, or with parts beside it."""
    folder = tmp_path / "new" / "report"
    write_report(report, folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.json", "report.md", "report.html", "gap.png"}
    assert from_json((folder / "report.json").read_text(encoding="utf-8")) == report
    assert (folder / "report.html").read_text(encoding="utf-8") == to_html(report)
    assert (folder / "report.md").read_text(encoding="utf-8") == to_markdown(report)
    with Image.open(folder / "gap.png") as picture:
        assert picture.format == "PNG"
    write_report(replace(report, gaps={}), tmp_path)
    assert not (tmp_path / "gap.png").exists()


def test_the_last_report_stands(
    report: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk that leaves half a page in place of a whole one."""
    write_report(replace(report, gaps={}), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(replace(report, figures=(), gaps={}), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
