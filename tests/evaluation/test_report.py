"""The faces of a report: what they say, and that what they are told stays text."""

import io
import json
import re
from dataclasses import fields, is_dataclass, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from e5v.evaluation.figures import Figure, Report, Run, Setting
from e5v.evaluation.gap import measure_gap
from e5v.evaluation.plane import Plane
from e5v.evaluation.report import from_json, table, to_json, to_markdown, write_report
from e5v.evaluation.report_page import to_html
from e5v.evaluation.report_plots import BOTTOM, LEFT, RIGHT, TOP, View, bars, plot
from e5v.evaluation.report_words import cost, duration, gap_measures, signed

EVIL = "</style><script>alert('&\"')</script> [b]|`*_\n```"
NOTE = "data: 148 of 5,000 images"
VOID = {"meta", "rect", "line", "path"}  # tags that are never closed, or close themselves


@pytest.fixture(scope="module")
def report() -> Report:
    """One benchmark on the paper's data and one on other data; a gap."""
    random = np.random.default_rng(0)
    images, texts = random.standard_normal((2, 30, 8))
    pairs = np.stack([np.arange(30), np.arange(30)], axis=1)
    return Report(
        setting=Setting(
            model="an/embedder",
            fingerprint="f00dfeed",
            dtype="bfloat16",
            device="cuda: H100",
            readout="last token, last layer",
            turn="llama3, the paper's",
            prompts={"retrieval": "<text>\nSummary above sentence in one word: ", "sts": " <text>"},
            paper="E5-V, tuned on text",
            versions={"e5v": "0.1.0", "torch": "2.13.0"},
            runs=(
                Run(
                    "COCO 5K",
                    "hit rate both ways",
                    "abc123",
                    {"images": 148, "captions": 740},
                    888,
                    0,
                    185.2,
                    (NOTE,),
                ),
                Run("STS12", "Spearman", "SentEval", {"pairs": 3108}, 0, 6216, 0.0),
            ),
            when="2026-01-02T03:04:05+00:00",
        ),
        figures=(
            Figure("COCO 5K", "image retrieval", "R@1", 61.25, 52.0, NOTE),
            Figure("COCO 5K", "image retrieval", "R@5", 80.0, None, NOTE),
            Figure("STS12", "similarity", "Spearman", 80.53, 80.03),
            Figure("STS13", "similarity", "Spearman", 89.44, 89.94),
            Figure("STS14", "similarity", "Spearman", None, 85.67),
        ),
        gaps={"COCO 5K": measure_gap(images, texts + 1, pairs)},
    )


def _evil(value: Any) -> Any:
    """Put the worst text in place of every text in a record."""
    if isinstance(value, str):
        return EVIL
    if isinstance(value, dict):
        return {
            EVIL if isinstance(given, str) else key: _evil(given) for key, given in value.items()
        }
    if isinstance(value, tuple):
        return tuple(_evil(one) for one in value)
    if is_dataclass(value) and not isinstance(value, (type, Plane)):
        return replace(
            value, **{field.name: _evil(getattr(value, field.name)) for field in fields(value)}
        )
    return value


def _printed(report: Report, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    table(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_json_and_back(report: Report) -> None:
    """A field that is lost, or comes back as something else."""
    assert from_json(to_json(report)) == report
    without = replace(report, gaps={})
    assert from_json(to_json(without)) == without


def test_json_has_a_line_for_a_point(report: Report) -> None:
    """Thousands of lines for the picture, or a regular expression that spoils a text."""
    odd = replace(report, figures=(replace(report.figures[0], note="[ 1, 2 ]"),))
    written = to_json(odd)
    assert from_json(written) == odd
    assert len(written.splitlines()) < 60 + 30 + 30 + 60
    assert re.search(r"^ +\[-?[\d.]+, -?[\d.]+\],$", written, re.MULTILINE)


def test_json_is_json(report: Report) -> None:
    """NaN, which other readers of JSON refuse; evil texts that break it."""
    assert json.loads(to_json(_evil(report)))["figures"][0]["note"] == EVIL
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(replace(report, figures=(Figure("a", "b", "c", float("nan")),)))


def test_table_says_it_all(report: Report) -> None:
    """A column of another figure, a sign that is lost, or a row that hides whose data it is of."""
    lines = [re.split(r"  +", line.strip()) for line in _printed(report).splitlines()]
    assert ["COCO 5K", "image retrieval", "R@1", "61.25", "52.00", "+9.25", "[1]"] in lines
    assert ["image retrieval", "R@5", "80.00", "[1]"] in lines
    assert [f"[1] {NOTE}"] in lines
    assert ["STS13", "similarity", "Spearman", "89.44", "89.94", "-0.50"] in lines
    assert ["STS14", "similarity", "Spearman", "n/a", "85.67"] in lines
    assert any("centroid distance" in line for line in lines)


def test_table_fits_a_terminal(report: Report) -> None:
    """Numbers cut off where the terminal is of the usual width."""
    printed = _printed(report, width=80)
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert all(number in printed for number in ("61.25", "52.00", "+9.25"))


def test_table_prints_text_as_it_is() -> None:
    """A name in brackets that rich takes for a colour and swallows."""
    setting = Setting("m", "f", "d", "d", "r", "t", {}, "p", {}, (), "w")
    assert "[red]" in _printed(Report(setting, (Figure("[red]", "a", "b", 1.0),)))


def test_markdown_says_it_all(report: Report) -> None:
    """A row that is no row of the table, or a fact that is left out."""
    written = to_markdown(report)
    rows = [_cells(line) for line in written.splitlines() if line.startswith("| ")]
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


def test_markdown_keeps_text_in_its_place(report: Report) -> None:
    """A pipe that makes a column, a line break that ends a table, a fence that is closed."""
    written = to_markdown(_evil(report))
    plain, fence = written.split("```json\n")
    assert not re.search(r"(?<!\\)[<`*_]", plain)
    widths = {len(_cells(line)) for line in plain.splitlines() if line.startswith("|")}
    assert widths <= {2, 3, 6, 7}
    ordinary = to_markdown(report).split("```json\n")[0]
    assert len(plain.splitlines()) == len(ordinary.splitlines())
    assert re.findall("^```", fence, re.MULTILINE) == ["```"]


class _Reader(HTMLParser):
    """Reads a page: its tags, whether they are closed in order, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def test_page_says_it_all(report: Report) -> None:
    """A fact of the setting, a figure or a note that the page leaves out."""
    text = "\n".join(_read(to_html(report)).text)
    setting = report.setting
    told = (
        setting.model,
        setting.fingerprint,
        setting.dtype,
        setting.device,
        setting.readout,
        setting.turn,
        setting.paper,
        setting.when,
        "hit rate both ways",
        "torch 2.13.0",
        r'"<text>\nSummary above sentence in one word: "',
        "148 images, 740 captions · abc123 · 888 embedded in 3 min 05 s (4.8 a second)",
        NOTE,
        "61.25",
        "+9.25",
        "n/a",
        *(measure.values[0] for measure in gap_measures(report.gaps.values())),
    )
    assert [one for one in told if one not in text] == []


def test_page_needs_nothing_else(report: Report) -> None:
    """A font, a script or an image from elsewhere: a page that is broken without the network."""
    page = to_html(report)
    reader = _read(page)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in reader.tags}
    assert not any({"src", "href", "xlink:href"} & set(given) for _, given in reader.tags)
    assert not re.search(r"https?:|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page


def test_page_keeps_text_text(report: Report) -> None:
    """A model's name, a note or a prompt that writes HTML of its own."""
    page, evil = to_html(report), to_html(_evil(report))
    assert "<script" not in evil
    assert EVIL not in evil
    assert EVIL in unescape(evil)
    kinds = [{tag for tag, _ in _read(one).tags} for one in (page, evil)]
    assert kinds[0] == kinds[1]


def test_page_praises_only_like_for_like(report: Report) -> None:
    """A figure on 148 images that is coloured, and counted, as if it beat the paper's 5,000."""
    page = to_html(report)
    assert re.findall(r'class="number (above|below)">([^<]+)<', page) == [
        ("above", "+0.50"),
        ("below", "-0.50"),
    ]
    assert "<b>1 of 2</b>" in page


def test_several_gaps_stand_beside_each_other(report: Report, tmp_path: Path) -> None:
    """The last variant's gap for all of them, or values under another's name."""
    (first,) = report.gaps.values()
    wider = replace(first, centroid_distance=1.75, cosine_true=None, alignment=None)
    both = replace(report, gaps={"COCO 5K, prompt": first, "COCO 5K, one word": wider})
    assert from_json(to_json(both)) == both
    rows = [re.split(r"  +", line.strip()) for line in _printed(both).splitlines()]
    near = f"{first.centroid_distance:.3f}"
    assert ["centroid distance", near, "1.750", "0 is no gap, 2 the widest"] in rows
    cells = [_cells(line) for line in to_markdown(both).splitlines() if line.startswith("| ")]
    assert ["", "COCO 5K, prompt", "COCO 5K, one word", ""] in cells
    assert ["alignment", f"{first.alignment:.3f}", "", "of true pairs; lower is closer"] in cells
    page = to_html(both)
    assert page.count('<svg class="plane"') == 2
    text = _read(page).text
    assert text.index("COCO 5K, prompt") < text.index("COCO 5K, one word")
    write_report(both, tmp_path / "both")
    write_report(report, tmp_path / "one")
    sizes = []
    for name in ("one", "both"):
        with Image.open(tmp_path / name / "gap.png") as picture:
            sizes.append(picture.size)
    assert sizes[1] == (2 * sizes[0][0], sizes[0][1])


def test_a_note_is_told_once(report: Report) -> None:
    """A page of the same sentence, or a mark that leads to another's note."""
    first, second = report.figures[:2]
    other = replace(report, figures=(first, second, replace(second, note="another")))
    page = to_html(other)
    assert page.count(NOTE) == 1
    assert re.findall(r"<sup>(\d)</sup>", page) == ["1", "1", "2", "1", "2"]
    assert _printed(other).count(NOTE) == 1


def test_page_of_a_submission(report: Report) -> None:
    """A run whose only figures are a test server's, of which the page says nothing."""
    page = to_html(replace(report, figures=(), gaps={}))
    assert "148 images, 740 captions" in page
    assert "<table class=" not in page
    assert "difference" not in _printed(replace(report, figures=(), gaps={}))


def test_page_without_gap_or_runs(report: Report) -> None:
    """An empty section, or a page that cannot be written."""
    bare = replace(report, gaps={}, setting=replace(report.setting, runs=(), prompts={}))
    assert "Modality gap" not in to_html(bare)
    _read(to_html(bare))


def test_bars_have_the_lengths_of_figures() -> None:
    """A bar that runs out of its track, or ours and the paper's exchanged."""
    drawn = bars(Figure("a", "b", "c", 61.25, 52.0))
    assert re.findall(r'width="([\d.]+)" height="\d+" fill="var\(--(\w+)\)"', drawn)[1:] == [
        ("61.25", "ours"),
        ("52.00", "paper"),
    ]
    assert 'width="0.00"' in bars(Figure("a", "b", "c", -12.0))
    assert 'width="100.00"' in bars(Figure("a", "b", "c", 130.0))


@pytest.mark.parametrize("spread", [(1.0, 0.01), (0.01, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_a_view_holds_every_point(spread: tuple[float, float]) -> None:
    """Points outside of the picture or all in a corner of it, or a grid without lines."""
    points = np.random.default_rng(0).random((50, 2)) * spread + (0.3, -0.4)
    places = [(float(x), float(y)) for x, y in points]
    view = View.of(places)
    xs, ys = zip(*map(view.place, places), strict=True)
    assert LEFT <= min(xs) <= max(xs) <= RIGHT
    assert TOP <= min(ys) <= max(ys) <= BOTTOM
    if all(spread):
        assert max(xs) - min(xs) > 0.9 * (RIGHT - LEFT)
        assert max(ys) - min(ys) > 0.9 * (BOTTOM - TOP)
    for axis in (0, 1):
        assert 4 <= len(view.ticks(axis)) <= 10
    drawn = plot(Plane(tuple(places[:30]), tuple(places[30:]), (0.6, 0.2)))
    assert drawn.count("h0") == 50
    assert "first singular vector (60.0%)" in drawn


def test_numbers_in_words() -> None:
    """Minus nothing, sixty seconds to the minute, or a rate of what took no time."""
    assert [signed(x) for x in (1.234, -0.5, -0.001, 0.0, None)] == [
        "+1.23",
        "-0.50",
        "0.00",
        "0.00",
        "",
    ]
    assert [duration(x) for x in (0.04, 59.5, 119.7, 3600, 7384.0)] == [
        "0.0 s",
        "59.5 s",
        "2 min 00 s",
        "1 h 00 min",
        "2 h 03 min",
    ]
    assert cost(Run("a", "p", "r", {}, 0, 12, 0.0)) == "0 embedded in 0.0 s, 12 remembered"


def test_a_report_on_disk(report: Report, tmp_path: Path) -> None:
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
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
