"""`e5v evaluate`: the metrics of a model, beside those of the paper.

model + data, of folders or of the hub -> e5v.evaluation -> a table, or JSON lines; a report on disk
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.extras import need
from e5v.verbs.console import announce, bar, say, show_line, wants_lines
from e5v.verbs.model_options import Opening, check_model, named_model
from e5v.verbs.paths import need_file, need_folder, need_new_file, need_possible_folder

if TYPE_CHECKING:
    from e5v.evaluation.evaluate import BenchmarkData
    from e5v.evaluation.published import PaperPrompt
    from e5v.evaluation.report import Report

PROMPTS: "dict[str, PaperPrompt]" = {  # of Table 6, by how they are written here
    "one-word": "one word",
    "prompt": "prompt",
    "no-prompt": "no prompt",
}


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
    """Write report.json, .md and .html, ranks.json (also gap.png and files for test servers)."""
    cache: Annotated[Path | None, arg(metavar="FILE")] = None
    """Keep vectors in this file, so that an interrupted or repeated evaluation reuses them."""
    gap: bool = False
    """Also measure the modality gap between images and texts."""
    ablate: Literal["prompt", "readout"] | None = None
    """Also evaluate variants: other prompts (Table 6), or other positions and layers of the
    language model."""
    prompts: Literal["one-word", "prompt", "no-prompt"] = "one-word"
    """The prompts: the paper's, the same without "in one word", or none, as in Table 6: for a
    model that was trained so."""
    paper: Literal["tuned", "untuned"] = "tuned"
    """Published results to compare with: those of E5-V, or of its base model before tuning."""
    font: Annotated[Path | None, arg(metavar="FILE")] = None
    """Font of drawn captions for i2i-...; by default Liberation Sans."""
    layout: Literal["basic", "raqm"] = "basic"
    """What places the letters of drawn captions: Pillow's own basic layout, the same on every
    machine, or the library raqm, which the official code uses where it is installed."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def evaluate(verb: Evaluate) -> None:
    """Evaluate and show the results.

    Raises:
        E5VError: the model cannot be opened, a benchmark is unknown, or its data cannot be used.
    """
    need("e5v evaluate", "scipy", "matplotlib", extra="eval")
    _check_arguments(verb)
    model = named_model(verb.model)
    announce("reading the data")
    from e5v.evaluation.evaluate import EvaluationOptions, evaluate_data

    data = _read_data(verb)
    if verb.out:
        verb.out.mkdir(parents=True, exist_ok=True)  # fails now, and not at the end
    if verb.gap and verb.out is None and wants_lines(json=verb.json):
        say("warning: JSON lines do not include the gap; give --out for it")
    report = evaluate_data(
        verb.opening.open(model),
        data,
        EvaluationOptions(
            gap=verb.gap,
            ablate=verb.ablate,
            paper=verb.paper,
            font=verb.font,
            cache=verb.cache,
            layout=verb.layout,
            prompts=PROMPTS[verb.prompts],
        ),
        name=model,
        progress=partial(bar, shown=True),
    )
    try:
        _show_report(verb, report)
    finally:  # the report is written even if the pipe is closed
        if verb.out:
            _write_report(report, verb.out)


def _check_arguments(verb: Evaluate) -> None:
    """Check what can be known before anything slow is imported."""
    from e5v.evaluation.benchmarks import find_benchmarks

    benchmarks = find_benchmarks(verb.benchmark)
    if verb.ablate and verb.prompts != "one-word":
        raise UsageError("--ablate has its own prompts; leave out --prompts")
    need_folder(verb.data, "--data")
    for one in benchmarks if verb.data is None else ():
        if one.hub is None:
            raise UsageError(
                f"benchmark {one.name} is not on the hub; give a folder of its data ({one.source})",
                argument="data",
            )
    _check_drawing(verb, drawn=any(one.drawn for one in benchmarks))
    need_possible_folder(verb.out, "--out")
    need_new_file(verb.cache, "--cache")
    check_model(named_model(verb.model), verb.opening.adapter)  # the last: the hub may be asked


def _check_drawing(verb: Evaluate, *, drawn: bool) -> None:
    """Check the options of drawn captions, if any of the benchmarks has them."""
    for option, given in (("--font", verb.font), ("--layout", verb.layout != "basic")):
        if given and not drawn:
            raise UsageError(f"{option} draws the captions of i2i-flickr30k and i2i-coco; name one")
    need_file(verb.font, "--font")
    if drawn:
        from e5v.evaluation.caption_images import check_layout

        check_layout(verb.layout)


def _read_data(verb: Evaluate) -> "list[BenchmarkData]":
    """Read the data of every benchmark, so that mistakes are reported before a model is opened."""
    from e5v.evaluation.benchmark_data import find_folder, read_benchmark
    from e5v.evaluation.benchmarks import find_benchmarks
    from e5v.evaluation.evaluate import BenchmarkData
    from e5v.evaluation.image_files import other_files
    from e5v.evaluation.tasks import Submission

    data = []
    for one in find_benchmarks(verb.benchmark):
        folder = find_folder(one, verb.data)
        if folder is None and one.hub:
            say(f"reading {one.title} from the hub")
        material = read_benchmark(one, folder, font=verb.font, layout=verb.layout)
        if verb.out is None and any(isinstance(task, Submission) for task in material.tasks):
            raise UsageError(f"benchmark {one.name} writes files for a test server; give --out")
        if folder and (left_out := other_files(folder / "images")):
            say(f"left out of {folder / 'images'}: {left_out}")
        data.append(BenchmarkData(one, material))
    return data


def _show_report(verb: Evaluate, report: "Report") -> None:
    if wants_lines(json=verb.json):
        for score in report.scores:
            show_line(asdict(score))
    else:
        report.table()
    if verb.gap and not report.gaps:
        say("warning: no benchmark here has 10 images and 10 texts, so no gap was measured")


def _write_report(report: "Report", out: Path) -> None:
    for path in report.write(out):
        say(f"wrote {path}")
    say(f"wrote {out / 'report.html'}")
