"""`e5v evaluate`: how good a model is, beside what the paper says.

model + folders of data -> e5v.evaluation -> a table, or JSON lines; a report on disk
"""

import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.verbs.opening import Opening
from e5v.verbs.talk import bar, say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.evaluation.benchmarks import Benchmark
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.embedders import OwnModel
    from e5v.evaluation.evaluate import Evaluated
    from e5v.evaluation.figures import Setting
    from e5v.evaluation.gap import Gap
    from e5v.evaluation.tasks import Material
    from e5v.model.embedder import E5V


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a model by the paper's own protocols, or on a folder of your own.

    Benchmarks: flickr30k, coco, i2i-flickr30k, i2i-coco (captions drawn as images), cirr,
    cirr-test, fashioniq, circo, circo-test, sts (or one of its seven: sts12 to sts16, stsbenchmark,
    sickrelatedness), folder. docs/evaluation-data.md says how the files lie.

    e5v evaluate royokong/e5-v --benchmark coco --data coco --out report
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    """A hub id or a folder."""
    data: Annotated[Path, arg(metavar="FOLDER")]
    """Where the data are."""
    benchmark: Annotated[tuple[str, ...], arg(metavar="NAME...")] = ("folder",)
    """What to evaluate on."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write report.json, report.md and report.html (and gap.png, and files for test servers)."""
    cache: Annotated[Path | None, arg(metavar="FILE")] = None
    """Keep vectors here, to go on after a kill and to measure again for nothing."""
    gap: bool = False
    """Measure the gap between images and texts, too."""
    ablate: Literal["prompt", "readout"] | None = None
    """Evaluate with other prompts (Table 6), or read elsewhere in the language model."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def evaluate(verb: Evaluate) -> None:
    """Evaluate and show the figures.

    Raises:
        E5VError: the model cannot be opened, a benchmark is not known, or its data are wrong.
    """
    from rich.console import Console

    from e5v.evaluation.ablations import variants
    from e5v.evaluation.benchmarks import find_benchmarks
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.evaluate import read
    from e5v.evaluation.figures import Report
    from e5v.evaluation.report import table, write_report

    wanted = [(one, read(one, verb.data)) for one in find_benchmarks(verb.benchmark)]
    model = verb.opening.open(verb.model)
    cache = Cache(verb.cache)
    found: list[Evaluated] = []
    gaps: list[Gap] = []
    for label, embedder in variants(model, verb.ablate):
        evaluated, gap = _evaluate(label, embedder, cache, wanted, verb)
        found += evaluated
        gaps += [gap] if gap else []
    figures = tuple(figure for one in found for figure in one.figures)
    report = Report(_setting(model, verb, wanted, found), figures, gaps[-1] if gaps else None)

    if wants_lines(json=verb.json):
        for figure in figures:
            show_line(asdict(figure))
    else:
        table(report, Console())
    if verb.gap and not gaps:
        say("warning: no benchmark here has 10 images and 10 texts, so no gap was measured")
    if verb.out:
        write_report(report, verb.out)
        for one in found:
            for name, content in one.files.items():
                (verb.out / name).write_text(content)
        say(f"wrote {verb.out / 'report.html'}")


def _evaluate(
    label: str,
    embedder: "OwnModel",
    cache: "Cache",
    wanted: "list[tuple[Benchmark, Material]]",
    verb: Evaluate,
) -> "tuple[list[Evaluated], Gap | None]":
    """Evaluate one variant on everything; its label goes beside the benchmarks' names."""
    from e5v.evaluation.embedders import Remembering
    from e5v.evaluation.evaluate import evaluate as evaluate_on
    from e5v.evaluation.evaluate import gap_of, means, pools

    remembering = Remembering(embedder, cache)
    found = []
    gap = None
    total = sum(len(pool.items) for _, material in wanted for pool in pools(material.tasks))
    with bar(total, shown=True) as progress:
        for benchmark, material in wanted:
            progress.name(f"{benchmark.title} {label}")
            found.append(evaluate_on(benchmark, material, remembering, progress.step))
            if verb.gap and gap is None:
                gap = gap_of(material, remembering)
    if found:
        every = [figure for one in found for figure in one.figures]
        found[-1] = replace(found[-1], figures=(*found[-1].figures, *means(every)))
    return [_labelled(one, label) for one in found], gap


def _labelled(evaluated: "Evaluated", label: str) -> "Evaluated":
    if not label:
        return evaluated
    figures = tuple(
        replace(one, benchmark=f"{one.benchmark}, {label}") for one in evaluated.figures
    )
    run = replace(evaluated.run, benchmark=f"{evaluated.run.benchmark}, {label}")
    return replace(evaluated, figures=figures, run=run)


def _setting(
    model: "E5V",
    verb: Evaluate,
    wanted: "list[tuple[Benchmark, Material]]",
    found: "list[Evaluated]",
) -> "Setting":
    from datetime import UTC, datetime
    from importlib.metadata import version

    from e5v.evaluation.evaluate import pools
    from e5v.evaluation.figures import Setting
    from e5v.model.fingerprint import fingerprint
    from e5v.model.prompts import find_prompt

    names = {pool.prompt for _, material in wanted for pool in pools(material.tasks)}
    packages = ("e5v", "torch", "transformers", "numpy", "scipy")
    return Setting(
        model=verb.model,
        fingerprint=fingerprint(model.loaded),
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        readout="last" if verb.ablate != "readout" else "varied",
        prompts={name: find_prompt(name).text for name in sorted(names)},
        versions={"python": sys.version.split()[0]} | {name: version(name) for name in packages},
        runs=tuple(one.run for one in found),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
    )
