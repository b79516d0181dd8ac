"""`e5v evaluate`: how good a model is, beside what the paper says.

model + data, of folders or of the hub -> e5v.evaluation -> a table, or JSON lines; a report on disk
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.extras import need
from e5v.files import write_file
from e5v.verbs.opening import Opening
from e5v.verbs.talk import bar, say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.evaluation.ablations import Variant
    from e5v.evaluation.benchmarks import Benchmark
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.evaluate import Evaluated
    from e5v.evaluation.figures import Report
    from e5v.evaluation.tasks import Material

    Wanted = list[tuple[Benchmark, Material]]


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a model by the paper's own protocols, or on a folder of your own.

    Benchmarks: flickr30k, coco, i2i-flickr30k, i2i-coco (captions drawn as images), cirr,
    cirr-test, fashioniq, circo, circo-test, sts (or one of its seven: sts12 to sts16, stsbenchmark,
    sickrelatedness), table6 (what the paper's Table 6 is of), scenes, folder.
    docs/evaluation-data.md says how the files lie. Without --data, the copies on the hub are read:
    of Flickr30K, COCO, CIRR and FashionIQ.

    e5v evaluate royokong/e5-v --benchmark coco --data coco --out report
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    """A hub id or a folder."""
    data: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where the data are: those of a benchmark, or a folder for each; by default the hub's copy."""
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
    paper: Literal["tuned", "untuned"] = "tuned"
    """Whose figures stand beside: E5-V's, or its model's before it was tuned (Table 6)."""
    font: Annotated[Path | None, arg(metavar="FILE")] = None
    """Draw captions in this font (your Arial, say) for i2i-...; by default in Liberation Sans."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def evaluate(verb: Evaluate) -> None:
    """Evaluate and show the figures.

    Raises:
        E5VError: the model cannot be opened, a benchmark is not known, or its data are wrong.
    """
    need("e5v evaluate", "scipy", "matplotlib", extra="eval")
    from e5v.evaluation.ablations import variants
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.figures import Report
    from e5v.evaluation.setting import setting_of
    from e5v.evaluation.table6 import MODELS
    from e5v.evaluation.tasks import pools

    wanted = _read(verb)
    if verb.out:
        verb.out.mkdir(parents=True, exist_ok=True)  # or fail now, and not after a night
    if verb.gap and verb.out is None and wants_lines(json=verb.json):
        say("warning: JSON lines are of figures alone; give --out to be told the gap")
    every = list(variants(verb.opening.open(verb.model), verb.ablate))
    cache = Cache(verb.cache)
    by_variant = [_evaluate(variant, cache, wanted, verb) for variant in every]
    found = [one for of_benchmark in zip(*by_variant, strict=True) for one in of_benchmark]
    told = (figure for one in found for figure in one.figures)
    figures = tuple(sorted(told, key=lambda one: one.task == "mean"))  # means over all come last
    setting = setting_of(
        every,
        [pool for _, material in wanted for pool in pools(material.tasks)],
        [one.run for one in found],
        name=verb.model,
        paper=MODELS[verb.paper] if any(one.paper is not None for one in figures) else "",
    )
    gaps = {one.run.benchmark: one.gap for one in found if one.gap}
    _tell(verb, Report(setting, figures, gaps), found)


def _read(verb: Evaluate) -> "Wanted":
    """Read the data of every benchmark: what is wrong is told before a model is opened."""
    from e5v.evaluation.benchmarks import find_benchmarks
    from e5v.evaluation.evaluate import place, read
    from e5v.evaluation.tasks import Submission

    benchmarks = find_benchmarks(verb.benchmark)
    if verb.font and not any(one.drawn for one in benchmarks):
        raise UsageError("--font draws the captions of i2i-flickr30k and i2i-coco; name one")
    wanted = []
    for one in benchmarks:
        folder = place(one, verb.data)
        if folder is None and one.hub:
            say(f"reading {one.title} from the hub")
        material = read(one, folder, font=verb.font)
        if verb.out is None and any(isinstance(task, Submission) for task in material.tasks):
            raise UsageError(f"benchmark {one.name} writes files for a test server; give --out")
        wanted.append((one, material))
    return wanted


def _evaluate(
    variant: "Variant", cache: "Cache", wanted: "Wanted", verb: Evaluate
) -> "list[Evaluated]":
    """Evaluate one variant on everything, with the means over it."""
    from e5v.evaluation.embedders import Remembering
    from e5v.evaluation.evaluate import evaluate as evaluate_on
    from e5v.evaluation.evaluate import means
    from e5v.evaluation.table6 import beside
    from e5v.evaluation.tasks import pools

    remembering = Remembering(variant.embedder, cache)
    found = []
    total = sum(len(pool.items) for _, material in wanted for pool in pools(material.tasks))
    with bar(total, shown=True) as progress:
        for benchmark, material in wanted:
            progress.name(f"{benchmark.title} {variant.label}")
            one = evaluate_on(benchmark, material, remembering, progress.step, gap=verb.gap)
            found.append(one)
    every = [figure for one in found for figure in one.figures]
    found[-1] = replace(found[-1], figures=(*found[-1].figures, *means(every)))
    tuned = verb.paper == "tuned"
    return [
        _labelled(
            replace(one, figures=tuple(beside(one.figures, variant.asked, tuned=tuned))),
            variant.label,
        )
        for one in found
    ]


def _labelled(evaluated: "Evaluated", label: str) -> "Evaluated":
    """Put a variant's label beside the names of benchmarks, and before those of files."""
    if not label:
        return evaluated
    return replace(
        evaluated,
        figures=tuple(
            replace(one, benchmark=f"{one.benchmark}, {label}") for one in evaluated.figures
        ),
        run=replace(evaluated.run, benchmark=f"{evaluated.run.benchmark}, {label}"),
        files={f"{label.replace(' ', '-')}-{name}": file for name, file in evaluated.files.items()},
    )


def _tell(verb: Evaluate, report: "Report", found: "list[Evaluated]") -> None:
    """Show the figures, and write the report if it is asked for, whoever closes the pipe."""
    try:
        _show(verb, report)
    finally:
        if verb.out:
            _write(verb.out, report, found)


def _show(verb: Evaluate, report: "Report") -> None:
    from rich.console import Console

    from e5v.evaluation.report import table

    if wants_lines(json=verb.json):
        for figure in report.figures:
            show_line(asdict(figure))
    else:
        table(report, Console())
    if verb.gap and not report.gaps:
        say("warning: no benchmark here has 10 images and 10 texts, so no gap was measured")


def _write(out: Path, report: "Report", found: "list[Evaluated]") -> None:
    from e5v.evaluation.report import write_report

    write_report(report, out)
    for one in found:
        for name, content in one.files.items():
            write_file(out / name, content)
            say(f"wrote {out / name}")
    say(f"wrote {out / 'report.html'}")
