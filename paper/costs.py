"""What a run took: of each training its steps, tokens, hours and operations, of each evaluation.

OUT/train/LABEL/log.jsonl, OUT/evaluate/*/report.json -> TrainingCost, EvaluationCost
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from nano.trainings import sum_steps
from paper.estimate import count_training_tokens
from paper.findings import Findings
from paper.stages import Plan

HOUR = 3600  # seconds


@dataclass(frozen=True)
class TrainingCost:
    """What a training took, the mean over seeds; `operations` are of the language model alone."""

    title: str
    steps: float
    tokens: float
    seconds: float
    operations: float

    @property
    def hours(self) -> float:
        """The hours of its steps, on one device."""
        return self.seconds / HOUR


@dataclass(frozen=True)
class EvaluationCost:
    """What an evaluation took, the mean over seeds: items embedded anew, and seconds."""

    title: str
    items: float
    seconds: float


def sum_trainings(plan: Plan, done: set[str]) -> dict[str, TrainingCost]:
    """Return the costs of the trainings that are done, by setting."""
    costs = {}
    for setting in plan.runnable:
        labels = [setting.label(seed) for seed in setting.seeds(plan.seeds)]
        taken = [sum_steps(plan.out / "train" / one) for one in labels if f"train-{one}" in done]
        if taken:
            sizes = plan.bases[setting.base].sizes
            steps, tokens, seconds = (_mean(taken, n) for n in ("steps", "tokens", "step_seconds"))
            operations = count_training_tokens(sizes, tokens)
            title = ", ".join(filter(None, (setting.title, setting.mixture)))
            costs[setting.name] = TrainingCost(title, steps, tokens, seconds, operations)
    return costs


def _mean(taken: Iterable[dict[str, float]], name: str) -> float:
    return fmean(one[name] for one in taken)


def sum_evaluations(plan: Plan, findings: Findings) -> list[EvaluationCost]:
    """Return the costs of the evaluations that are done."""
    titles = {one.name: one.title for one in plan.settings}
    costs = []
    for side, every in findings.evaluations.items():
        runs = [one.results.setting.runs for one in every]
        costs.append(
            EvaluationCost(
                f"{titles[side.setting]}, {side.way}",
                fmean(sum(run.embedded for run in own) for own in runs),
                fmean(sum(run.seconds for run in own) for own in runs),
            )
        )
    return costs
