"""Scores what was trained, and what was not, on photographs; one JSON for each result.

SETTINGS -> adapters of photos.trainings -> photos.score -> photos/results/NAME-SEED.json
                                                         -> planes -> docs/photographs-gap.png

    python -m photos.study photos-base --nli nli_for_simcse.csv --photos build/photos/coco

A result that is there is not made again; one of another model, other photos or other numbers stops
the study. Whoever scores on a folder of photos is written down in its looks.jsonl.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import tyro
from tyro.conf import OmitArgPrefixes

from e5v import E5V
from e5v.captions import CAPTIONS
from e5v.errors import E5VError, UsageError
from e5v.evaluation.cached_embedder import OwnModel
from e5v.model.bundled import adapter_of, whereabouts
from e5v.model.merging import merge_into_model
from e5v.verbs.paths import need_file, need_folder
from nano.findings import NO_PROMPT, ONE_WORD, Record
from nano.kept import describe_conditions, draw_gap, is_kept, write
from nano.settings import Setting
from nano.trainings import digest
from photos.baseline import NameReader
from photos.score import Exam, collect_words, score, score_demo, score_model
from photos.settings import CURVED, Numbers, find_settings
from photos.trainings import Order, Workshop, adapter_after, describe, make_order, read_record

RESULTS = Path(__file__).parent / "results"
GAP = Path(__file__).parents[1] / "docs" / "photographs-gap.png"
DEMO = Path(__file__).parents[1] / "examples" / "photos"
LOOKS = "looks.jsonl"
WEIGHTS = "model.safetensors"
MINILM, SHIPPED, BASE = "minilm", "shipped", "base"
SHOWN = {  # the panels of Figure 3, of which result and variant
    "Untuned, no prompt": (BASE, NO_PROMPT),
    "Untuned, one word": (BASE, ONE_WORD),
    "Tuned on texts, one word": ("text-0", ONE_WORD),
}


@dataclass(frozen=True)
class Study:
    """E5-V's argument on photographs: what is scored on what, and where results go."""

    photos: Path
    """Captioned photos, as photos.pictures lays them out."""
    shop: OmitArgPrefixes[Workshop] = field(default_factory=Workshop)
    only: tuple[str, ...] = ()
    """Settings by name; by default all."""
    seeds: tuple[int, ...] = (0, 1, 2)
    sts: Path | None = None
    """SentEval's data/downstream."""
    demo: Path = DEMO
    """Photos with captions and edits, for words and composed queries."""
    results: Path = RESULTS
    gap: Path = GAP
    """Where Figure 3 is drawn."""
    numbers: OmitArgPrefixes[Numbers] = field(default_factory=Numbers)

    def of(self, setting: Setting) -> Record:
        """Return what a result depends on and another one must not differ in."""
        numbers = json.loads(json.dumps(asdict(self.numbers))) if setting.trained else {}
        base = Path(whereabouts(self.shop.model))
        return {
            "base": digest([base / WEIGHTS]),
            "photos": digest([self.photos / CAPTIONS]),
            "demo": digest([self.demo / CAPTIONS]),
            "sts": self.sts is not None,
            **numbers,
        }

    def make_all(self) -> Iterator[str]:
        """Make what is not there yet; yield what is being made, before it is.

        Raises:
            UsageError: a training is not there, or a result is of something else.
        """
        exam = Exam.read(self.photos, self.sts, self.demo, self.shop.work / "vectors.sqlite")
        for setting in self._settings():
            for seed in self.seeds if setting.trained else (None,):
                label = setting.label(seed or 0)
                if not is_kept(self.results / f"{label}.json", self.of(setting)):
                    yield label
                    self._make(setting, seed, exam)

    def _settings(self) -> list[Setting]:
        """Return what is scored; what is shipped, only beside its own base."""
        shipped = adapter_of(self._shipped()) is not None
        return [one for one in find_settings(self.only) if shipped or one.name != SHIPPED]

    def _shipped(self) -> str:
        return self.shop.model.removesuffix("-base")

    def _make(self, setting: Setting, seed: int | None, exam: Exam) -> None:
        """Score one setting, and keep what came of it."""
        label = setting.label(seed or 0)
        trained = None if seed is None else make_order(setting, self.numbers, seed)
        record = self._find_training(trained) if trained else {}
        self._write_look(label)
        model = self._open(setting, trained)
        scores, more = self._score(model, setting, exam)
        if trained and setting.name == CURVED:
            for step in trained.numbers.curve:
                tuned = self._open(setting, trained, step)
                scores |= score(OwnModel(tuned), exam, f"after {step}")
        planes = {name: one.pop("plane") for name, one in scores.items()}
        result = {
            "setting": setting.name,
            "title": setting.title,
            "seed": seed,
            "of": self.of(setting),
            "trained": trained and trained.told(),
            "scores": scores,
            **more,
            "cost": record.get("cost"),
            **describe_conditions(model),
        }
        write(self._planes() / f"{label}.json", json.dumps(planes))
        write(self.results / f"{label}.json", json.dumps(result, indent=1) + "\n")

    def _score(self, model: E5V, setting: Setting, exam: Exam) -> tuple[dict[str, Record], Record]:
        """Return the scores of the variants, and what else a setting is asked for."""
        if setting.name == MINILM:
            reader = NameReader(model)
            demo, edits = score_demo(reader, exam)
            return score(reader, exam, ONE_WORD), {"demo": demo, "edits": edits}
        scores: dict[str, Record] = {}
        for ablation in setting.ablations or (None,):
            scores |= score_model(model, exam, ablation)
        if not setting.whole:
            return scores, {}
        demo, edits = score_demo(OwnModel(model), exam)
        words = collect_words(model, exam.demo)
        return scores, {"demo": demo, "edits": edits, "words": words}

    def _find_training(self, trained: Order) -> Record:
        """Return the record of a training.

        Raises:
            UsageError: it is not there, not done, or another one.
        """
        target = self.shop.work / trained.label
        record = read_record(target)
        if not record.get("cost") or record["asked"] != describe(trained, self.shop):
            raise UsageError(
                f"{target} does not hold the training {trained.label} of this model, these rows "
                "and numbers; make it with python -m photos.trainings"
            )
        return record

    def _open(self, setting: Setting, trained: Order | None, step: int | None = None) -> E5V:
        """Open the base, what is shipped, or the base with an adapter of a training."""
        name = self._shipped() if setting.name == SHIPPED else self.shop.model
        model = E5V(name, device=self.shop.device)
        if trained:
            target = self.shop.work / trained.label
            merge_into_model(adapter_after(target, step), model.loaded.model)
        return model

    def _write_look(self, label: str) -> None:
        """Write down that a result is about to be made on these photos."""
        (base,) = find_settings([BASE])
        of = self.of(base)
        look = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "result": label,
            "base": of["base"],
            "photos": of["photos"],
        }
        file = self.results / LOOKS
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        write(file, before + json.dumps(look) + "\n")

    def draw_gap(self) -> bool:
        """Draw Figure 3, if all of its panels were measured here."""
        return draw_gap(SHOWN, self._planes(), self.gap)

    def _planes(self) -> Path:
        """Return the folder of the planes of these photos."""
        return self.shop.work / f"planes-{digest([self.photos / CAPTIONS])}"


def main() -> None:
    """Read the command line and make what is not there yet."""
    study = tyro.cli(Study)
    try:
        need_folder(study.photos, "--photos")
        need_folder(study.sts, "--sts")
        need_file(study.shop.nli, "--nli")
        for label in study.make_all():
            print(label, flush=True)  # noqa: T201
    except E5VError as error:
        raise SystemExit(str(error)) from error
    drawn = study.draw_gap()
    print(f"wrote {study.gap}" if drawn else "no gap plot: its planes are not here")  # noqa: T201


if __name__ == "__main__":
    main()
