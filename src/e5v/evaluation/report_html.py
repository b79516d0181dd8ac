"""A report as one self-contained HTML page: no scripts, and no fonts or images from elsewhere.

Report -> figures with bars, the gap with its plane as SVG, data, setting -> HTML

The page follows the reader's light or dark mode. All text from outside is escaped.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from e5v.evaluation.gap import Gap
from e5v.evaluation.report_plots import bars, plot
from e5v.evaluation.report_text import (
    cost,
    counted,
    duration,
    facts,
    gap_measures,
    numbered,
    percent,
    signed,
)
from e5v.evaluation.scores import Figure, Results, Run

STYLE = """
:root { color-scheme: light dark; --ground: #f5f6f8; --card: #fff; --ink: #1b2430;
  --quiet: #5f6b79; --line: #e4e8ed; --track: #f0f2f5; --ours: #2b6cb0; --paper: #aab4c0;
  --texts: #d9730d; --above: #1d7446; --below: #b3382c; }
@media (prefers-color-scheme: dark) { :root { --ground: #10141a; --card: #181e26; --ink: #e4e8ee;
  --quiet: #97a3b2; --line: #2a323d; --track: #222a34; --ours: #5fa2e6; --paper: #66727f;
  --texts: #f0983f; --above: #5fc08c; --below: #f08b7f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { margin: 0; font-size: 1.75rem; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 0 0 .25rem; font-size: 1.1rem; }
p { margin: 0; }
section { margin-top: 1.25rem; padding: 1.25rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; overflow-x: auto; }
.quiet { color: var(--quiet); }
.small { font-size: .87rem; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin-top: 1.5rem; }
.tiles b { display: block; font-size: 1.4rem; font-weight: 650; letter-spacing: -.01em; }
table { width: 100%; margin-top: .75rem; border-collapse: collapse; }
td, th { padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--line); font-weight: 400;
  text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
thead th { border: 0; color: var(--quiet); font-size: .8rem; }
tbody th { width: 12rem; color: var(--quiet); }
b { font-weight: 600; }
.figures { min-width: 44rem; table-layout: fixed; margin-bottom: .5rem; }
.figures .task { width: 12rem; }
.figures .metric { width: 6.5rem; }
.figures .number { width: 5.25rem; padding-right: 0; text-align: right;
  font-variant-numeric: tabular-nums; }
.figures .mark { width: 1.25rem; padding: .35rem 0 0 .2rem; color: var(--quiet); }
.figures .bar { padding-left: 2rem; padding-right: 0; }
sup { font-size: .75em; line-height: 1; }
.bar svg { display: block; width: 100%; height: 1rem; margin-top: .2rem; border-radius: 2px; }
.above { color: var(--above); }
.below { color: var(--below); }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 2px; }
.key.ours { background: var(--ours); }
.key.paper { background: var(--paper); margin-left: .75em; }
.key.texts { background: var(--texts); margin-left: .75em; }
.key.dot { border-radius: 50%; }
code { font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, "Liberation Mono", monospace; }
.gap { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.gap td { color: var(--quiet); }
.gap td:last-child { min-width: 11rem; }
.gap thead th, .gap tbody th { white-space: nowrap; }
.several thead th { white-space: normal; }
.several { display: block; }
.several .plane text { font-size: 19px; }
figure { margin: 0; }
.caption { margin-top: .75rem; }
.several .planes { display: grid; gap: 1rem 2rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); }
.gap td b { white-space: nowrap; color: var(--ink); font-variant-numeric: tabular-nums; }
.plane { display: block; width: 100%; margin: .75rem 0; }
.plane text { fill: var(--quiet); font-size: 13px; }
.plane line { stroke: var(--line); }
.plane path { fill: none; stroke-width: 5; stroke-linecap: round; opacity: .6; }
@media (max-width: 40rem) {
  main { padding: 1.5rem .75rem 3rem; }
  section { padding: 1rem; }
  td, th { padding-right: .6rem; font-size: .87rem; }
  tbody th { width: 6.5rem; }
  .figures { min-width: 0; table-layout: auto; }
  .figures :is(.task, .metric, .number) { width: auto; }
  .figures .number { padding-left: .5rem; }
  .figures td { padding-right: .5rem; overflow-wrap: break-word; }
  .figures .mark { width: .5rem; padding-right: 0; }
  .figures thead th { font-size: .7rem; }
  .figures .bar { display: none; }
  .gap :is(thead, tbody) th { white-space: normal; }
  .gap td:last-child { min-width: 6.5rem; }
  .plane text { font-size: 19px; }
}
"""


def to_html(report: Results) -> str:
    """Write a report as one HTML page."""
    setting = report.setting
    runs, groups = {run.benchmark: run for run in setting.runs}, report.by_benchmark
    parts = [
        _header(report),
        *(_benchmark(one, groups.get(one, []), runs.get(one)) for one in {**groups, **runs}),
        _gaps(report.gaps) if report.gaps else "",
        _section(
            "Setting", _rows((escape(name), escape(fact)) for name, fact in facts(setting).items())
        ),
        _section("Prompts", _rows(_prompt(*prompt) for prompt in setting.prompts.items())),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(setting.model)} · evaluation</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{"".join(parts)}</main>
</body>
</html>
"""


def _header(report: Results) -> str:
    """Write the name of the model and the key numbers."""
    setting, figures = report.setting, report.figures
    alike = [one for one in figures if one.difference is not None and not one.note]
    reached = f"{sum(map(_reaches, alike))} of {len(alike)}"
    tiles = {
        "figures": f"{len(figures)}",
        **({"at or above the paper's, on its data": reached} if alike else {}),
        "items embedded": f"{sum(run.embedded for run in setting.runs):,}",
        "embedding time": duration(sum(run.seconds for run in setting.runs)),
    }
    numbers = "".join(
        f'<div><b>{value}</b><span class="quiet small">{escape(name)}</span></div>'
        for name, value in tiles.items()
    )
    line = " · ".join((setting.dtype, setting.device, setting.when))
    return f"""<h1>{escape(setting.model)}</h1>
<p class="quiet">{escape(line)}</p>
<div class="tiles">{numbers}</div>
"""


def _benchmark(name: str, figures: Sequence[Figure], run: Run | None) -> str:
    """Write the figures of one benchmark, and their data."""
    said = f"{counted(run)} · {run.revision} · {cost(run)}" if run else ""
    protocol = f'<p class="small">{escape(run.protocol)}</p>' if run else ""
    above = f'{protocol}<p class="quiet small">{escape(said)}</p>\n'
    return _section(name, above + (_figures(figures) if figures else ""))


def _figures(figures: Sequence[Figure]) -> str:
    """Write a table of figures, and their notes under it."""
    notes = numbered(figures)
    footnotes = "".join(
        f'<p class="quiet small">{_mark(note, notes)} {escape(note)}</p>' for note in notes
    )
    return f"""<table class="figures">
<thead><tr><th class="task">task</th><th class="metric">metric</th>\
<th class="number">ours</th><th class="mark"></th>\
<th class="number">paper</th><th class="number">difference</th>\
<th class="bar">{_key("ours")} ours {_key("paper")} paper</th></tr></thead>
<tbody>{"".join(_figure(one, notes) for one in figures)}</tbody>
</table>{footnotes}"""


def _figure(figure: Figure, notes: Mapping[str, int]) -> str:
    """Write one figure; a difference has a colour where the data are the paper's."""
    colour = ""
    if figure.difference is not None and not figure.note:
        colour = " above" if _reaches(figure) else " below"
    paper = "" if figure.paper is None else percent(figure.paper)
    return (
        f"<tr><td>{escape(figure.task)}</td><td>{escape(figure.metric)}</td>"
        f'<td class="number"><b>{percent(figure.value)}</b></td>'
        f'<td class="mark">{_mark(figure.note, notes)}</td><td class="number">{paper}</td>'
        f'<td class="number{colour}">{signed(figure.difference)}</td>'
        f'<td class="bar">{bars(figure)}</td></tr>\n'
    )


def _mark(note: str, notes: Mapping[str, int]) -> str:
    return f"<sup>{notes[note]}</sup>" if note else ""


def _reaches(figure: Figure) -> bool:
    """Return whether a figure, as printed, is at least the paper's."""
    return figure.difference is not None and round(figure.difference, 2) >= 0


def _gaps(gaps: Mapping[str, Gap]) -> str:
    """Write the measures of gaps, and draw their planes: beside them if there is only one."""
    measures = _rows(
        (
            (one.name, *(f"<b>{escape(value)}</b>" for value in one.values), escape(one.meaning))
            for one in gap_measures(gaps.values())
        ),
        heading=("", *map(escape, gaps), ""),
    )
    planes = "".join(_plane(name, gap) for name, gap in gaps.items())
    caption = (
        "At most 1,000 images and 1,000 texts, in the plane of the first two singular vectors of "
        "all of them, not centred, as in Figure 3 of the paper."
    )
    several = " several" if len(gaps) > 1 else ""
    return _section(
        "Modality gap",
        f'<div class="gap{several}">{measures}<div class="planes">{planes}</div></div>'
        f'<p class="quiet small caption">{caption}</p>',
    )


def _plane(name: str, gap: Gap) -> str:
    keys = f"{_key('ours dot')} {gap.images:,} images {_key('texts dot')} {gap.texts:,} texts"
    return f'<figure><b>{escape(name)}</b>{plot(gap.plane)}<p class="small">{keys}</p></figure>'


def _prompt(name: str, wording: str) -> tuple[str, str]:
    """Write a wording as JSON, so that spaces and line breaks are visible."""
    return escape(name), f"<code>{escape(json.dumps(wording, ensure_ascii=False))}</code>"


def _key(name: str) -> str:
    return f'<span class="key {name}"></span>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>\n"


def _rows(rows: Iterable[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Write rows of cells that are HTML already; the first is the row's name."""
    above = "".join(f"<th>{name}</th>" for name in heading)
    written = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for name, *cells in rows
    )
    head = f"<thead><tr>{above}</tr></thead>" if above else ""
    return f"<table>{head}<tbody>{written}</tbody></table>"
