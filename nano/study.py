"""The paper's argument, rerun: every setting trained, scored and kept, one JSON each.

SETTINGS -> nano.trainings -> adapter -> nano.score -> nano/results/NAME-SEED.json
                                                    -> planes -> docs/miniature-gap.png

    python -m nano.study build/nano/base
To choose steps and rates, on the validation split and apart from the results:

    python -m nano.study build/nano/base --only base text --seeds 1 --steps 200
        --scenes build/nano/validation --work build/nano/a --results build/nano/a/results
        --gap build/nano/a/gap.png

A result that is there is not made again; one of another base, other data or other numbers stops
the study, so that no table holds both.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from subprocess import CalledProcessError

import tyro
from tyro.conf import OmitArgPrefixes

from e5v import E5V
from e5v.errors import E5VError, UsageError
from e5v.model.merging import merge_into_model
from nano import score
from nano.findings import Record
from nano.kept import describe_conditions, draw_gap, is_kept, write
from nano.settings import Numbers, Setting, find_settings
from nano.trainings import Order, Workshop, digest, run

RESULTS = Path(__file__).parent / "results"
GAP = Path(__file__).parents[1] / "docs" / "miniature-gap.png"
SCENES = Path(__file__).parents[1] / "examples" / "scenes"
TEXTS = ("captions.jsonl", "edits.jsonl", "pairs.tsv")  # what tells one folder from another
SHOWN = {  # the panels of Figure 3, of which result and variant
    "Untuned, no prompt": ("base", "no prompt"),
    "Untuned, one word": ("base", "one word"),
    "Tuned on text, one word": ("text-0", "one word"),
}


@dataclass(frozen=True)
class Study:
    """The paper's argument, rerun: what is compared on what, and where results go."""

    shop: OmitArgPrefixes[Workshop]
    only: tuple[str, ...] = ()
    """Settings by name; by default all."""
    seeds: int = 3
    scenes: Path = SCENES
    style: Path | None = None
    """The same scenes in a style not trained on."""
    sts: Path | None = None
    """SentEval's data/downstream."""
    results: Path = RESULTS
    gap: Path = GAP
    """Where Figure 3 is drawn."""
    numbers: OmitArgPrefixes[Numbers] = field(default_factory=Numbers)

    def of(self, setting: Setting) -> Record:
        """Return what a result depends on and another one must not differ in."""
        numbers = asdict(self.numbers) if setting.trained else {}
        if numbers and self.shop.nli is None:
            numbers["nli_share"] = 0.0
        return {
            "base": digest([self.shop.base / "model.safetensors"]),
            "scenes": texts_of(self.scenes),
            **numbers,
        }

    def make_all(self) -> Iterator[str]:
        """Make what is not there yet; yield what is being made, before it is."""
        settings = find_settings(self.only)
        for seed in range(self.seeds):
            for setting in settings:
                label = setting.label(seed)
                if not is_kept(self.results / f"{label}.json", self.of(setting)):
                    yield label
                    self._make(setting, seed)

    def _make(self, setting: Setting, seed: int) -> None:
        """Train and score one setting, and keep what came of it."""
        label = setting.label(seed)
        order = self._order(setting, seed)
        cost = run(order, self.shop) if order else None
        model = open_model(self.shop, order)
        scored, more = self.score(model, setting)
        planes = {name: one.pop("plane") for name, one in scored.items()}
        result = {
            "setting": setting.name,
            "title": setting.title,
            "seed": order and seed,
            "of": self.of(setting),
            "trained": order and order.told(),
            "scores": scored,
            **more,
            "cost": cost,
            **describe_conditions(model),
        }
        write(self.shop.work / "planes" / f"{label}.json", json.dumps(planes))
        write(self.results / f"{label}.json", json.dumps(result, indent=1) + "\n")

    def _order(self, setting: Setting, seed: int) -> Order[Numbers] | None:
        if not setting.trained:
            return None
        numbers = replace(self.numbers, **setting.changes)
        rival = setting.name.removesuffix("-compute")
        if rival != setting.name:
            share = self._read_paid(f"text-{seed}") / self._read_paid(f"{rival}-{seed}")
            numbers = replace(numbers, steps=max(1, round(numbers.steps * share)))
        return Order(setting, numbers, seed)

    def _read_paid(self, label: str) -> float:
        """Return what a training took: CPU seconds, or on a GPU those of its steps.

        Raises:
            UsageError: it has no result yet.
        """
        file = self.results / f"{label}.json"
        if not file.exists():
            raise UsageError(f"{file} is not there; equal compute needs its cost, so make it first")
        kept = json.loads(file.read_text(encoding="utf-8"))
        on_gpu = kept["device"].startswith("cuda")
        paid: float = kept["cost"]["step_seconds" if on_gpu else "cpu_seconds"]
        return paid

    def score(self, model: E5V, setting: Setting) -> tuple[dict[str, Record], Record]:
        """Return the scores of the variants, and what else a setting is asked for."""
        scenes = score.read_data(self.scenes)
        scored: dict[str, Record] = {}
        for ablation in setting.ablations or (None,):
            scored |= score.score_variants(model, scenes, ablation)
        more: Record = {"worded": score.score_model(model, score.word_edits(scenes))}
        if not setting.whole:
            return scored, more
        more |= {
            "words": score.collect_words(model, scenes),
            "english": score.find_by_english(model, scenes),
            "lettered": score.score_model(model, score.letter_captions(scenes)),
        }
        if self.style:
            more["style"] = score.score_model(model, score.read_data(self.style))
        if self.sts:
            more["sts"] = score.score_model(model, score.read_data(self.sts, "stsbenchmark"))
        return scored, more

    def draw_gap(self) -> bool:
        """Draw Figure 3, if all of its panels were measured here."""
        return draw_gap(SHOWN, self.shop.work / "planes", self.gap)


def open_model(shop: Workshop, order: Order[Numbers] | None = None) -> E5V:
    """Open the base, with the adapter of a training added if there is one."""
    model = E5V(shop.base, device=shop.device)
    if order:
        merge_into_model(shop.work / order.label / "adapter", model.loaded.model)
    return model


def texts_of(folder: Path) -> str:
    """Tell a folder of scenes from any other, by its texts."""
    return digest([folder / name for name in TEXTS])


def main() -> None:
    """Read the command line and make what is not there yet."""
    study = tyro.cli(Study)
    try:
        for label in study.make_all():
            print(label, flush=True)  # noqa: T201
    except (E5VError, CalledProcessError) as error:
        raise SystemExit(str(error)) from error
    drawn = study.draw_gap()
    print(f"wrote {study.gap}" if drawn else "no gap plot: its planes are not here")  # noqa: T201


if __name__ == "__main__":
    main()
