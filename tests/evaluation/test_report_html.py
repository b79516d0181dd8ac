"""The page of a report: what it says, that it needs nothing else, and that text stays text."""

import re
from dataclasses import replace
from html import unescape
from importlib.resources import files

from e5v.evaluation.report_html import to_html
from e5v.evaluation.report_text import gap_measures
from e5v.evaluation.scores import Results
from tests.evaluation.reported import EVIL, NOTE, as_printed, read_page, spoilt


def test_page_says_it_all(report: Results) -> None:
    """A fact of the setting, a figure or a note that the page leaves out."""
    text = "\n".join(read_page(to_html(report)).text)
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


def test_page_needs_nothing_else(report: Results) -> None:
    """A font, a script or an image from elsewhere: a page that is broken without the network."""
    page = to_html(report)
    reader = read_page(page)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in reader.tags}
    assert not any({"src", "href", "xlink:href"} & set(given) for _, given in reader.tags)
    assert not re.search(r"https?:|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page


def test_page_keeps_text_text(report: Results) -> None:
    """A model's name, a note or a prompt that writes HTML of its own."""
    page, evil = to_html(report), to_html(spoilt(report))
    assert "<script" not in evil
    assert EVIL not in evil
    assert EVIL in unescape(evil)
    kinds = [{tag for tag, _ in read_page(one).tags} for one in (page, evil)]
    assert kinds[0] == kinds[1]


def test_page_praises_only_like_for_like(report: Results) -> None:
    """A figure on 148 images that is coloured, and counted, as if it beat the paper's 5,000."""
    page = to_html(report)
    assert re.findall(r'class="number (above|below)">([^<]+)<', page) == [
        ("above", "+0.50"),
        ("below", "-0.50"),
    ]
    assert "<b>1 of 2</b>" in page


def test_a_note_is_told_once(report: Results) -> None:
    """A page of the same sentence, or a mark that leads to another's note."""
    first, second = report.figures[:2]
    other = replace(report, figures=(first, second, replace(second, note="another")))
    page = to_html(other)
    assert page.count(NOTE) == 1
    assert re.findall(r"<sup>(\d)</sup>", page) == ["1", "1", "2", "1", "2"]
    assert as_printed(other).count(NOTE) == 1


def test_page_of_a_submission(report: Results) -> None:
    """A run whose only figures are a test server's, of which the page says nothing."""
    page = to_html(replace(report, figures=(), gaps={}))
    assert "148 images, 740 captions" in page
    assert "<table class=" not in page
    assert "difference" not in as_printed(replace(report, figures=(), gaps={}))


def test_page_without_gap_or_runs(report: Results) -> None:
    """An empty section, or a page that cannot be written."""
    bare = replace(report, gaps={}, setting=replace(report.setting, runs=(), prompts={}))
    assert "Modality gap" not in to_html(bare)
    read_page(to_html(bare))


def test_template_and_style_lie_in_the_package(report: Results) -> None:
    """Catches an installed package without its template, and a page without its style sheet."""
    package = files("e5v.evaluation")
    assert package.joinpath("report.html.jinja").is_file()
    assert package.joinpath("report.css").read_text(encoding="utf-8") in to_html(report)
    shared = files("e5v").joinpath("assets/page/tokens.css")  # also of the page of e5v serve
    assert shared.read_text(encoding="utf-8") in to_html(report)
