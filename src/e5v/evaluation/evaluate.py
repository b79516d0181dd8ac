"""Evaluates a model on benchmarks, in one call.

model, names of benchmarks, folder -> data, variants -> scores of each -> Report
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from e5v.evaluation.benchmark_data import find_folder, read_benchmark
from e5v.evaluation.benchmark_scores import BenchmarkScores, compute_means, score_benchmark
from e5v.evaluation.benchmarks import Benchmark, find_benchmarks
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import CachedEmbedder
from e5v.evaluation.caption_images import Layout
from e5v.evaluation.published import MODELS, PaperPrompt, add_published
from e5v.evaluation.report import Report
from e5v.evaluation.scores import Results
from e5v.evaluation.tasks import Material, pools
from e5v.evaluation.variants import Ablation, Variant, describe_setting, variants
from e5v.extras import need
from e5v.model.embedder import E5V
from e5v.places import local_path


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation.

    Args:
        gap: also measure the modality gap, where there are 10 images and 10 texts.
        ablate: also evaluate variants: other prompts (Table 6 of the paper), or other positions
            and layers of the language model.
        paper: published results to compare with: those of E5-V, or of its base model before tuning.
        font: font file of drawn captions (i2i-flickr30k, i2i-coco); by default Liberation Sans.
        cache: file that keeps vectors, so that an interrupted or repeated evaluation reuses them.
        layout: what places the letters of drawn captions: Pillow's own "basic", or "raqm".
        prompts: the row of Table 6 whose prompts are used: "one word", the paper's; "prompt",
            without "in one word"; or "no prompt". An ablation has its own.
    """

    gap: bool = False
    ablate: Ablation | None = None
    paper: Literal["tuned", "untuned"] = "tuned"
    font: Path | None = None
    cache: Path | None = None
    layout: Layout = "basic"
    prompts: PaperPrompt = "one word"


@dataclass(frozen=True)
class BenchmarkData:
    """A benchmark and its data."""

    benchmark: Benchmark
    material: Material


class ProgressBar(Protocol):
    """Shows the progress of one variant."""

    def name(self, doing: str) -> None:
        """Show what is embedded now."""

    def step(self, count: int = 1) -> None:
        """Count items that are done."""


ProgressFactory = Callable[[int], AbstractContextManager[ProgressBar]]


def evaluate(
    model: E5V | str | Path,
    benchmark: str | Sequence[str] = "folder",
    *,
    data: str | Path | None = None,
    options: EvaluationOptions | None = None,
) -> Report:
    """Evaluate a model on benchmarks or on your own data.

    `e5v.evaluate("nano", data="examples/scenes")` scores the bundled model on a folder of captioned
    images. Scores are in percent: recall (the share of queries that find a true candidate among the
    first K), mean average precision, or Spearman's rank correlation times 100.

    Args:
        model: an open model, or its name: "nano", a hub id, or a folder.
        benchmark: one name or several; `e5v evaluate --help` lists them. "folder" is your own data,
            laid out as docs/evaluation-data.md says.
        data: the folder of a benchmark's data, or of one folder per benchmark; None for the copy
            on the hub.
        options: by default, the model itself, without its modality gap.

    Returns:
        The scores, and what they were measured with: see `Report`.

    Raises:
        UsageError: a benchmark is unknown, has no copy on the hub, or the font or the layout cannot
            be used.
        DataError: the data are missing or cannot be used, or an item cannot be embedded.
        ModelError: the model cannot be opened.
        MissingExtraError: scipy or matplotlib is not installed.
    """
    need("evaluate", "scipy", "matplotlib", extra="eval")
    chosen = options or EvaluationOptions()
    names = [benchmark] if isinstance(benchmark, str) else benchmark
    folder = None if data is None else local_path(data, "data")
    drawn = partial(read_benchmark, font=chosen.font, layout=chosen.layout)
    read = [
        BenchmarkData(one, drawn(one, find_folder(one, folder))) for one in find_benchmarks(names)
    ]
    opened = model if isinstance(model, E5V) else E5V(model)
    name = opened.loaded.name if isinstance(model, E5V) else str(model)
    return evaluate_data(opened, read, chosen, name=name)


@contextmanager
def _show_nothing(_: int) -> Iterator[ProgressBar]:
    class Silent:
        def name(self, doing: str) -> None:
            """Show nothing."""

        def step(self, count: int = 1) -> None:
            """Count nothing."""

    yield Silent()


def evaluate_data(
    model: E5V,
    data: Sequence[BenchmarkData],
    options: EvaluationOptions,
    *,
    name: str,
    progress: ProgressFactory = _show_nothing,
) -> Report:
    """Evaluate an open model on data that are read; `name` is the user's name for the model.

    `progress` is called once per variant, with the number of its items.

    Raises:
        DataError: an item cannot be embedded.
    """
    every = list(variants(model, options.ablate, options.prompts))
    cache = Cache(options.cache)
    by_variant = [_score_variant(one, cache, data, options, progress) for one in every]
    found = [one for of_benchmark in zip(*by_variant, strict=True) for one in of_benchmark]
    unsorted = (figure for one in found for figure in one.figures)
    figures = tuple(sorted(unsorted, key=lambda one: one.task == "mean"))  # means of all come last
    setting = describe_setting(
        every,
        [pool for one in data for pool in pools(one.material.tasks)],
        [one.run for one in found],
        name=name,
        paper=MODELS[options.paper] if any(one.paper is not None for one in figures) else "",
    )
    gaps = {one.run.benchmark: one.gap for one in found if one.gap}
    files: Mapping[str, str] = {key: text for one in found for key, text in one.files.items()}
    ranks = {
        (one.run.benchmark, task): tuple(places)
        for one in found
        for task, places in one.places.items()
    }
    return Report(Results(setting, figures, gaps), files, ranks)


def _score_variant(
    variant: Variant,
    cache: Cache,
    data: Sequence[BenchmarkData],
    options: EvaluationOptions,
    progress: ProgressFactory,
) -> list[BenchmarkScores]:
    """Score one variant on all benchmarks, with the means over them and the paper's figures."""
    embedder = CachedEmbedder(variant.embedder, cache)
    found = []
    with progress(
        sum(len(pool.items) for one in data for pool in pools(one.material.tasks))
    ) as bar:
        for one in data:
            bar.name(f"{one.benchmark.title} {variant.label}")
            found.append(
                score_benchmark(one.benchmark, one.material, embedder, bar.step, gap=options.gap)
            )
    means = compute_means([figure for one in found for figure in one.figures])
    found[-1] = replace(found[-1], figures=(*found[-1].figures, *means))
    tuned = options.paper == "tuned"
    return [
        _label_scores(
            replace(
                one, figures=tuple(add_published(one.figures, variant.paper_prompt, tuned=tuned))
            ),
            variant.label,
        )
        for one in found
    ]


def _label_scores(scores: BenchmarkScores, label: str) -> BenchmarkScores:
    """Put a variant's label beside the names of benchmarks, and before those of files."""
    if not label:
        return scores
    return replace(
        scores,
        figures=tuple(
            replace(one, benchmark=f"{one.benchmark}, {label}") for one in scores.figures
        ),
        run=replace(scores.run, benchmark=f"{scores.run.benchmark}, {label}"),
        files={f"{label.replace(' ', '-')}-{name}": file for name, file in scores.files.items()},
    )
