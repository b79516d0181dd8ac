"""`e5v evaluate`: the metrics of a model, beside those of the paper.

model + data, of folders or of the hub -> e5v.evaluation -> a table, or JSON lines; a report on disk
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.extras import need
from e5v.files import write_file
from e5v.verbs.console import announce, bar, say, show_line, wants_lines
from e5v.verbs.model_options import Opening, check_model, named_model
from e5v.verbs.paths import need_file, need_folder, need_new_file, need_possible_folder

if TYPE_CHECKING:
    from e5v.evaluation.benchmarks import Benchmark
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.evaluate import Evaluated
    from e5v.evaluation.scores import Report
    from e5v.evaluation.tasks import Material
    from e5v.evaluation.variants import Variant

    Wanted = list[tuple[Benchmark, Material]]


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a model on benchmarks or on your own data.

    Benchmarks: flickr30k, coco, i2i-flickr30k, i2i-coco (captions drawn as images), cirr,
    cirr-test, fashioniq, circo, circo-test, sts (all of sts12 to sts16, stsbenchmark,
    sickrelatedness), table6 (those of the paper's Table 6), scenes, and folder for your own data.
    The layout of the files is described in docs/evaluation-data.md. Without --data, Flickr30K,
    COCO, CIRR and FashionIQ are downloaded from the hub.

    Examples:
        e5v evaluate nano --data examples/scenes
        e5v evaluate royokong/e5-v --benchmark coco --data coco --out report
    """

    model: Annotated[Positional[str | None], arg(metavar="[MODEL]")] = None
    """Hub id or folder of the model; by default $E5V_MODEL."""
    data: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of a benchmark's data, or of one folder per benchmark; by default the hub's copy."""
    benchmark: Annotated[tuple[str, ...], arg(metavar="NAME...")] = ("folder",)
    """Names of benchmarks."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write report.json, report.md and report.html (also gap.png and files for test servers)."""
    cache: Annotated[Path | None, arg(metavar="FILE")] = None
    """Keep vectors in this file, so that an interrupted or repeated evaluation reuses them."""
    gap: bool = False
    """Also measure the modality gap between images and texts."""
    ablate: Literal["prompt", "readout"] | None = None
    """Also evaluate variants: other prompts (Table 6), or other positions and layers of the
    language model."""
    paper: Literal["tuned", "untuned"] = "tuned"
    """Published results to compare with: those of E5-V, or of its base model before tuning."""
    font: Annotated[Path | None, arg(metavar="FILE")] = None
    """Font of drawn captions for i2i-...; by default Liberation Sans."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def evaluate(verb: Evaluate) -> None:
    """Evaluate and show the results.

    Raises:
        E5VError: the model cannot be opened, a benchmark is unknown, or its data cannot be used.
    """
    need("e5v evaluate", "scipy", "matplotlib", extra="eval")
    _check(verb)
    model = named_model(verb.model)
    announce("reading the data")
    from e5v.evaluation.cache import Cache
    from e5v.evaluation.published import MODELS
    from e5v.evaluation.scores import Report
    from e5v.evaluation.setting import setting_of
    from e5v.evaluation.tasks import pools
    from e5v.evaluation.variants import variants

    wanted = _read(verb)
    if verb.out:
        verb.out.mkdir(parents=True, exist_ok=True)  # fails now, and not at the end
    if verb.gap and verb.out is None and wants_lines(json=verb.json):
        say("warning: JSON lines do not include the gap; give --out for it")
    every = list(variants(verb.opening.open(model), verb.ablate))
    cache = Cache(verb.cache)
    by_variant = [_evaluate(variant, cache, wanted, verb) for variant in every]
    found = [one for of_benchmark in zip(*by_variant, strict=True) for one in of_benchmark]
    unsorted = (figure for one in found for figure in one.figures)
    figures = tuple(
        sorted(unsorted, key=lambda one: one.task == "mean")
    )  # means over all come last
    setting = setting_of(
        every,
        [pool for _, material in wanted for pool in pools(material.tasks)],
        [one.run for one in found],
        name=model,
        paper=MODELS[verb.paper] if any(one.paper is not None for one in figures) else "",
    )
    gaps = {one.run.benchmark: one.gap for one in found if one.gap}
    _present(verb, Report(setting, figures, gaps), found)


def _check(verb: Evaluate) -> None:
    """Check what can be known before anything slow is imported."""
    from e5v.evaluation.benchmarks import find_benchmarks

    benchmarks = find_benchmarks(verb.benchmark)
    need_folder(verb.data, "--data")
    for one in benchmarks if verb.data is None else ():
        if one.hub is None:
            raise UsageError(
                f"benchmark {one.name} is not on the hub; give a folder of its data ({one.source})",
                argument="data",
            )
    if verb.font and not any(one.drawn for one in benchmarks):
        raise UsageError("--font draws the captions of i2i-flickr30k and i2i-coco; name one")
    need_file(verb.font, "--font")
    need_possible_folder(verb.out, "--out")
    need_new_file(verb.cache, "--cache")
    check_model(named_model(verb.model))  # the last: the hub may be asked


def _read(verb: Evaluate) -> "Wanted":
    """Read the data of every benchmark, so that mistakes are reported before a model is opened."""
    from e5v.evaluation.benchmarks import find_benchmarks
    from e5v.evaluation.evaluate import place, read
    from e5v.evaluation.image_files import other_files
    from e5v.evaluation.tasks import Submission

    wanted = []
    for one in find_benchmarks(verb.benchmark):
        folder = place(one, verb.data)
        if folder is None and one.hub:
            say(f"reading {one.title} from the hub")
        material = read(one, folder, font=verb.font)
        if verb.out is None and any(isinstance(task, Submission) for task in material.tasks):
            raise UsageError(f"benchmark {one.name} writes files for a test server; give --out")
        if folder and (left_out := other_files(folder / "images")):
            say(f"left out of {folder / 'images'}: {left_out}")
        wanted.append((one, material))
    return wanted


def _evaluate(
    variant: "Variant", cache: "Cache", wanted: "Wanted", verb: Evaluate
) -> "list[Evaluated]":
    """Evaluate one variant on everything, with the means over it."""
    from e5v.evaluation.cached_embedder import Remembering
    from e5v.evaluation.evaluate import evaluate as evaluate_on
    from e5v.evaluation.evaluate import means
    from e5v.evaluation.published import beside
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


def _present(verb: Evaluate, report: "Report", found: "list[Evaluated]") -> None:
    """Show the results, and write the report if one is asked for, even if the pipe is closed."""
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
