"""The jobs of the paper, stage by stage.

Plan: settings, seeds, bases -> data -> base -> train -> evaluate -> Job, in the order of their run
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from e5v.captions import CAPTIONS, EDITS
from e5v.data.records import RECORDS
from e5v.data.source import SOURCE
from e5v.evaluation.benchmarks import PICTURES, find_benchmarks
from e5v.evaluation.caption_images import Layout
from paper.bases import Base
from paper.jobs import Job
from paper.settings import FILES, Numbers, Setting
from paper.ways import BASIC, OLD, SHAPED, USUAL, Way, list_ways

BENCHMARKS: tuple[str, ...] = ("table6",)
MEASURED_ON = ("flickr30k", "coco", "cirr", "fashioniq", "sts")
DRAWN = tuple(one.name for one in find_benchmarks(("table6",)) if one.drawn)
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"


@dataclass(frozen=True)
class Plan:
    """What is to be made, and where.

    `out` takes everything but the data, which are in `data`. Of `settings`, those of a base that
    cannot be run have no jobs. `layouts` are those of drawn captions that are compared.
    """

    out: Path
    data: Path
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    bases: Mapping[str, Base]
    numbers: Numbers = field(default_factory=Numbers)
    device: str | None = None
    layouts: tuple[Layout, ...] = (BASIC,)
    dtype: str = "auto"

    @property
    def runnable(self) -> tuple[Setting, ...]:
        """The settings whose base can be run."""
        return tuple(one for one in self.settings if not self.bases[one.base].missing)

    @property
    def used_bases(self) -> list[Base]:
        """The bases that are needed."""
        names = dict.fromkeys(one.base for one in self.runnable)
        return [self.bases[name] for name in names]

    @property
    def used_data(self) -> tuple[str, ...]:
        """The names of the data sets that are needed."""
        trained = {name for one in self.runnable if one.trained for name in one.data}
        return tuple(name for name in RECORDS if name in trained or name in MEASURED_ON)

    @property
    def labelled(self) -> Iterator[tuple[Setting, int, str]]:
        """The settings with their seeds and labels."""
        for setting in self.runnable:
            for seed in setting.seeds(self.seeds):
                yield setting, seed, setting.label(seed)

    def model_of(self, setting: Setting, label: str) -> str:
        """Return the model that a setting is measured with."""
        return str(self.out / "models" / label) if setting.trained else self.base_of(setting)

    def base_of(self, setting: Setting) -> str:
        """Return the model that a setting starts from."""
        base = self.bases[setting.base]
        return str(self.out / "models" / base.name) if base.converted else base.source

    def evaluation(self, label: str, way: Way = USUAL) -> Path:
        """Return the folder of an evaluation's report."""
        return self.out / "evaluate" / way.name(label)

    def ways_of(self, setting: Setting) -> tuple[Way, ...]:
        """Return how the images of a setting are made, the usual way first."""
        if not setting.whole:
            return (USUAL,)
        layouts = self.layouts if setting.trained else (BASIC,)
        return tuple(list_ways(self.bases[setting.base].tilings, layouts))


def list_jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan, each after those that it needs."""
    return [*_list_data(plan), *_list_bases(plan), *_list_trainings(plan), *_list_measured(plan)]


def _source(plan: Plan, name: str) -> Path:
    return plan.data / RECORDS[name].home / SOURCE


def _list_data(plan: Plan) -> Iterator[Job]:
    names = plan.used_data
    for name in names:
        fetch = ("data", "fetch", name, "--data", str(plan.data), "--json")
        yield Job(f"data-{name}", "data", fetch, (_source(plan, name),), resumes=True)
    check = ("data", "check", *names, "--data", str(plan.data), "--json")
    needs = tuple(f"data-{name}" for name in names)
    yield Job("data-check", "data", check, (), needs, _sources(plan, names), checks=True)


def _sources(plan: Plan, names: Iterable[str]) -> tuple[Path, ...]:
    return tuple(_source(plan, name) for name in names)


def _list_bases(plan: Plan) -> Iterator[Job]:
    for base in plan.used_bases:
        model, converting = base.source, f"convert-{base.name}"
        if base.converted:
            target = plan.out / "models" / base.name
            model = str(target)
            yield Job(converting, "base", ("convert", base.source, "--out", model), (target,))
        verify = ("verify", model, *_opening(plan), "--json")
        needs = (converting,) if base.converted else ()
        yield Job(f"verify-{base.name}", "base", verify, (), needs)


def _opening(plan: Plan) -> tuple[str, ...]:
    device = ("--device", plan.device) if plan.device else ()
    return ("--dtype", plan.dtype, *device)


def _list_trainings(plan: Plan) -> Iterator[Job]:
    for setting, seed, label in plan.labelled:
        if not setting.trained:
            continue
        run, merged = plan.out / "train" / label, plan.out / "models" / label
        yield Job(
            f"train-{label}",
            "train",
            ("train", *_train_words(plan, setting, seed, run)),
            (run / "adapter",),
            (f"verify-{setting.base}", *(f"data-{name}" for name in setting.data)),
            _sources(plan, setting.data),
            resumes=True,
        )
        words = ("merge", str(run), "--out", str(merged), *_opening(plan), "--json")
        yield Job(f"merge-{label}", "train", words, (merged,), (f"train-{label}",))


def _train_words(plan: Plan, setting: Setting, seed: int, run: Path) -> list[str]:
    numbers = plan.numbers
    values = {
        "model": plan.base_of(setting),
        "out": run,
        "prompt": setting.prompt,
        "template": setting.template,
        "mask": setting.mask,
        "seed": seed,
        "steps": numbers.steps,
        "batch": numbers.batch,
        "every": numbers.every,
    }
    if numbers.chunk_tokens:
        values["chunk-tokens"] = numbers.chunk_tokens
    flags = {"--recompute": numbers.recompute, "--four-bit": numbers.four_bit}
    files = [str(plan.data / RECORDS[name].home / FILES[name]) for name in setting.data]
    if setting.weights:
        files = [f"{one}:{w:g}" for one, w in zip(files, setting.weights, strict=True)]
    return [
        "--data",
        *files,
        *(word for name, value in values.items() for word in (f"--{name}", str(value))),
        *(flag for flag, given in flags.items() if given),
        *_opening(plan),
        "--resume",
        "--json",
    ]


def _list_measured(plan: Plan) -> Iterator[Job]:
    for setting, _, label in plan.labelled:
        needs = (f"merge-{label}",) if setting.trained else (f"verify-{setting.base}",)
        model = plan.model_of(setting, label)
        for way in plan.ways_of(setting):
            yield _make_evaluation(plan, setting, label, way, needs)
        if setting.whole:
            out = plan.out / "words" / f"{label}.json"
            words = (model, "--photos", str(EXAMPLES), "--out", str(out), *_opening(plan))
            read = (EXAMPLES / CAPTIONS, EXAMPLES / EDITS)
            yield Job(f"words-{label}", "evaluate", words, (out,), needs, read, "paper.words")


def _make_evaluation(
    plan: Plan, setting: Setting, label: str, way: Way, needs: tuple[str, ...]
) -> Job:
    """Return the evaluation of a model; another way than the usual on what it changes alone."""
    out = plan.evaluation(label, way)
    cache = out / "vectors.sqlite"
    benchmarks = BENCHMARKS
    more: list[str] = []
    if way == USUAL and setting.whole:
        benchmarks += ("cirr-test",)
        more += ["--gap"] if setting.trained else ["--gap", "--ablate", "prompt"]
    elif way == OLD:
        benchmarks = PICTURES
        more += ["--tiling", way.tiling]
    elif way == SHAPED:
        usual = plan.evaluation(label)
        benchmarks, needs = DRAWN, (*needs, f"evaluate-{usual.name}")
        cache = usual / cache.name  # has the photos
        more += ["--layout", way.layout]
    if setting.prompts != "one-word":
        more += ["--prompts", setting.prompts]
    words = ("evaluate", plan.model_of(setting, label), "--benchmark", *benchmarks)
    words += ("--data", str(plan.data), "--cache", str(cache), "--out", str(out))
    words += (
        *more,
        "--paper",
        "tuned" if setting.trained else "untuned",
        *_opening(plan),
        "--json",
    )
    data = tuple(f"data-{name}" for name in MEASURED_ON)
    made = (out / "report.json", out / "ranks.json")
    return Job(
        f"evaluate-{out.name}",
        "evaluate",
        words,
        made,
        (*needs, *data),
        _sources(plan, MEASURED_ON),
        resumes=True,
    )
