"""A report as one page that needs nothing but itself: no script, no font, no image elsewhere.

Report -> figures with bars, the gap with its plane as SVG, data, setting -> HTML

The page is light or dark as the reader's screen is. Whatever comes from outside is escaped.
"""

import json
from collections.abc import Iterable, Sequence
from html import escape

from e5v.evaluation.figures import Figure, Report, Run
from e5v.evaluation.gap import Gap
from e5v.evaluation.report_plots import bars, plot
from e5v.evaluation.report_words import (
    cost,
    counted,
    duration,
    facts,
    gap_measures,
    percent,
    signed,
)

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
.figures { min-width: 62rem; table-layout: fixed; }
.figures .task { width: 12rem; }
.figures .metric { width: 6.5rem; }
.figures .number { width: 5.25rem; text-align: right; font-variant-numeric: tabular-nums; }
.figures .bar { width: 17rem; padding-left: 1rem; padding-right: 1.5rem; }
.figures td:last-child { padding-right: 0; }
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
.gap td b { white-space: nowrap; color: var(--ink); font-variant-numeric: tabular-nums; }
.plane { display: block; width: 100%; margin: .75rem 0; }
.plane text { fill: var(--quiet); font-size: 13px; }
.plane line { stroke: var(--line); }
.plane path { fill: none; stroke-width: 5; stroke-linecap: round; opacity: .6; }
"""


def to_html(report: Report) -> str:
    """Write a report as one HTML page."""
    setting = report.setting
    runs = {run.benchmark: run for run in setting.runs}
    parts = [
        _header(report),
        *(_benchmark(name, group, runs.get(name)) for name, group in report.by_benchmark.items()),
        _gap(report.gap) if report.gap else "",
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


def _header(report: Report) -> str:
    """Name the model, and say the most important in a line of large numbers."""
    setting, figures = report.setting, report.figures
    alike = [one for one in figures if one.difference is not None and not one.note]
    tiles = {
        "figures": f"{len(figures)}",
        "reach the paper's, of those on its data": f"{sum(map(_reaches, alike))} of {len(alike)}",
        "items embedded": f"{sum(run.embedded for run in setting.runs):,}",
        "to embed them": duration(sum(run.seconds for run in setting.runs)),
    }
    told = "".join(
        f'<div><b>{value}</b><span class="quiet small">{escape(name)}</span></div>'
        for name, value in tiles.items()
    )
    line = " · ".join((setting.dtype, setting.device, setting.when))
    return f"""<h1>{escape(setting.model)}</h1>
<p class="quiet">{escape(line)}</p>
<div class="tiles">{told}</div>
"""


def _benchmark(name: str, figures: Sequence[Figure], run: Run | None) -> str:
    """Write the figures of one benchmark, and what data they are of."""
    said = f"{counted(run)} · {run.revision} · {cost(run)}" if run else ""
    numbers = "".join(f'<th class="number">{word}</th>' for word in ("ours", "paper", "difference"))
    return _section(
        name,
        f"""<p class="quiet small">{escape(said)}</p>
<table class="figures">
<thead><tr><th class="task">task</th><th class="metric">metric</th>{numbers}\
<th class="bar">{_key("ours")} ours {_key("paper")} paper</th>\
<th>note</th></tr></thead>
<tbody>{"".join(map(_figure, figures))}</tbody>
</table>""",
    )


def _figure(figure: Figure) -> str:
    """Write one figure; a difference has a colour where the data are the paper's."""
    colour = ""
    if figure.difference is not None and not figure.note:
        colour = " above" if _reaches(figure) else " below"
    paper = "" if figure.paper is None else percent(figure.paper)
    return (
        f"<tr><td>{escape(figure.task)}</td><td>{escape(figure.metric)}</td>"
        f'<td class="number"><b>{percent(figure.value)}</b></td><td class="number">{paper}</td>'
        f'<td class="number{colour}">{signed(figure.difference)}</td>'
        f'<td class="bar">{bars(figure)}</td>'
        f'<td class="quiet small">{escape(figure.note)}</td></tr>\n'
    )


def _reaches(figure: Figure) -> bool:
    """Tell whether a figure is the paper's or above, as far as it is written."""
    return figure.difference is not None and round(figure.difference, 2) >= 0


def _gap(gap: Gap) -> str:
    """Write the measures of the gap, and draw its plane."""
    measures = _rows(
        (escape(one.name), f"<b>{escape(one.value)}</b>", escape(one.meaning))
        for one in gap_measures(gap)
    )
    told = (
        f"{len(gap.plane.images):,} of {gap.images:,} images and {len(gap.plane.texts):,} of "
        f"{gap.texts:,} texts in the plane of the first two singular vectors of them all, "
        "not centred: Figure 3 of the paper."
    )
    keys = f"{_key('ours dot')} images {_key('texts dot')} texts"
    return _section(
        "Modality gap",
        f'<div class="gap">{measures}<div>{plot(gap.plane)}'
        f'<p class="small">{keys}</p><p class="quiet small">{told}</p></div></div>',
    )


def _prompt(name: str, wording: str) -> tuple[str, str]:
    """Write a wording as JSON would, so that spaces and line breaks are seen."""
    return escape(name), f"<code>{escape(json.dumps(wording, ensure_ascii=False))}</code>"


def _key(name: str) -> str:
    return f'<span class="key {name}"></span>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>\n"


def _rows(rows: Iterable[Sequence[str]]) -> str:
    """Write rows of cells that are HTML already; the first is the row's name."""
    written = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for name, *cells in rows
    )
    return f"<table><tbody>{written}</tbody></table>"
