"""Writes docs/photographs.md: the paper's argument on real photographs, and the pictures in it.

photos/results/*.json -> Findings -> claims, curve, groups of photos -> photographs.md.jinja

    python -m photos.document

No number of ours is typed by hand, nor is a sentence that depends on one.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from nano import findings as names
from nano.findings import (
    IMAGES,
    NO_PROMPT,
    TEXTS,
    Findings,
    Record,
    read_findings,
)
from nano.kept import write
from nano.templates import fill_in
from photos.claims import DEMO, STS, Side, make_claims, stand
from photos.figures import draw_curve, find_points, make_thumbnail
from photos.limit import compare_apart, group_photos
from photos.pictures import identify, read_list
from photos.study import DEMO as DEMO_FOLDER
from photos.study import GAP, LOOKS, MINILM, RESULTS

FILE = GAP.with_name("photographs.md")
CURVE = "photographs-curve.png"
THUMBNAILS = "photographs"  # the folder beside the document
GROUPED = ("base", "text", MINILM)
SPECIAL = re.compile(r"([\\`*_<>|\[\]#~])")
EMPTY = {"a", "an", "and", "at", "in", "is", "it", "of", "on", "or", "that", "the", "this", "to"}
EFFECT = (  # the columns of the table in the guide to training
    Side("untuned, no prompt", "base", NO_PROMPT),
    Side("untuned, one word", "base"),
    Side("tuned on texts", "text"),
    Side("MiniLM on class names", MINILM),
)


def write_document(findings: Findings, looks: Sequence[Record]) -> str:
    """Fill in the template; what was not measured is not spoken of."""
    values: dict[str, Any] = {name: value for name, value in vars(names).items() if name.isupper()}
    base = findings.first("base")
    values |= {"f": findings, "base": base, "text": findings.first("text")}
    values |= {"STS": STS, "DEMO": DEMO, "MINILM": MINILM, "CURVE": CURVE, "Side": Side}
    values |= {"claims": make_claims(findings), "stand": stand, "points": find_points(findings)}
    values |= {"groups": group_photos(findings, GROUPED), "compare_apart": compare_apart}
    values |= {"looks": _count_looks(base, looks), "tested": _is_tested(base)}
    values |= {
        "readouts": _list_readouts,
        "literal": _literal,
        "told": _told_in_captions,
        "thumbnails": THUMBNAILS,
    }
    return fill_in(Path(__file__).parent, "photographs", values)


def write_effect(findings: Findings) -> str:
    """Return the table of the effect, for the README and the guide to training."""
    rows = {
        "text to photo, R@1": (IMAGES, "R@1"),
        "photo to text, R@1": (TEXTS, "R@1"),
        "STS-B, Spearman": (STS, "Spearman"),
    }
    return findings.table({one.title: (one.setting, one.variant) for one in EFFECT}, rows)


def read_looks(folder: Path) -> list[Record]:
    """Return when which result was made on which photos, and of which model."""
    file = folder / LOOKS
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def _count_looks(base: Record | None, looks: Sequence[Record]) -> list[str]:
    """Return the days on which another model was scored on these photos for the first time."""
    first: dict[str, str] = {}
    for look in looks:
        if base and look["photos"] == base["of"]["photos"]:
            first.setdefault(look["base"], look["when"][:10])
    return list(first.values())


def _is_tested(base: Record | None) -> bool:
    """Tell whether the results are of the photographs that the study is about."""
    return base is not None and base["of"]["photos"] == identify(read_list())


def _list_readouts(result: Record) -> list[str]:
    """Return the variants that are read elsewhere than at the last layer."""
    return [one for one in result["scores"] if one.startswith("read at") and "," not in one]


def _literal(text: str) -> str:
    """Return a text that Markdown shows as it is, in a cell of a table."""
    return SPECIAL.sub(r"\\\1", text.replace("\n", " ")).strip()


def _told_in_captions(rows: Sequence[Record]) -> int:
    """Count the photos whose first word stands in one of their captions, and says something."""
    first = [(one["says"][0]["word"].strip().lower(), one["captions"]) for one in rows]
    return sum(word in _words(captions) - EMPTY for word, captions in first)


def _words(captions: Sequence[str]) -> set[str]:
    return set(re.findall(r"[a-z]+", " ".join(captions).lower()))


def write_pictures(findings: Findings, folder: Path, demo: Path = DEMO_FOLDER) -> None:
    """Write the curve and the thumbnails that the document shows."""
    curve = draw_curve(find_points(findings))
    if curve:
        write(folder / CURVE, curve)
    text = findings.first("text") or {}
    shown = {row["image"] for row in text.get("words", ())}
    shown |= {name for row in text.get("edits", ()) for name in (row["image"], row["targets"][0])}
    for name in sorted(shown):
        write(folder / THUMBNAILS / name, make_thumbnail(demo / "images" / name))


def main(results: Path = RESULTS, out: Path = FILE, demo: Path = DEMO_FOLDER) -> None:
    """Write the document of a folder of results, and its pictures beside it."""
    findings = read_findings(results)
    if findings.first("base") is None:
        raise SystemExit("no result of the setting base; make it with python -m photos.study")
    write_pictures(findings, out.parent, demo)
    write(out, write_document(findings, read_looks(results)))
    print(f"wrote {out}")  # noqa: T201


if __name__ == "__main__":
    tyro.cli(main)
