"""All that a run needs, loaded once; and the gradient of each step.

step -> batch -> token ids -> chunks through the language model -> loss of the batch -> gradient
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from e5v.inputs import Item, Text
from e5v.model.loading import load
from e5v.model.prompts import ask, find_prompt
from e5v.training.gradcache import GradCache
from e5v.training.loss import Loss, all_allowed, contrastive, distil, distinct
from e5v.training.ranks import Ranks
from e5v.training.recipe import Objective, Recipe
from e5v.training.run import Run
from e5v.training.sampler import Batch, Batches
from e5v.training.student import Student
from e5v.training.teacher import Teacher
from e5v.training.training_prompts import Wording
from e5v.training.triplets import Triplets
from e5v.training.validation import Watch


@dataclass(frozen=True)
class Taken:
    """The result of a step: loss, accuracy, tokens, and how many texts were truncated."""

    loss: float
    accuracy: float
    tokens: int
    cut: int


class Lesson:
    """The data, the model in training (the student) and the loss between them.

    Raises:
        DataError: there are fewer rows than a batch, or the teacher's file does not fit the data.
        UsageError: the recipe does not fit the model.
        PromptError: the prompt is unknown, or has no place for a text.
    """

    def __init__(self, run: Run, data: Triplets, ranks: Ranks, device: str | None) -> None:
        recipe = run.recipe
        prompt = find_prompt(recipe.prompt)
        ask(Item((Text("a text"),)), prompt)  # fails before anything is loaded or written
        options: dict[str, Any] = {"device": device, "dtype": run.dtype}
        self._recipe = recipe
        self._batches = Batches(data, recipe.batch, recipe.seed)
        self._teacher = _open_teacher(recipe.objective, data)
        held_out = run.evaluation if ranks.leads else None
        self.watch = Watch.open(held_out, run.model, prompt, **options) if held_out else None

        options |= {"trust_remote_code": run.trust_remote_code, "four_bit": recipe.four_bit}
        loaded = load(run.model, part="language", **options)
        self.student = Student(loaded, recipe)
        self._wording = Wording(
            loaded, prompt, template=recipe.template, text_tokens=recipe.text_tokens
        )
        width, place = self.student.embedder.width, self.student.embedder.device
        way = self.student.way(data)
        self._cache = GradCache(way, width, place, ranks, self.student.autocast)

    def take(self, step: int) -> Taken:
        """Accumulate the gradient of a step's batch in the weights."""
        batch = self._batches[step]
        worded = [self._wording(text) for text in batch.texts]
        texts = [one.prompted for one in worded]
        loss_of = _loss_of(self._recipe, batch, self._teacher)
        seed = (self._recipe.seed << 32) + (step << 12)  # plus the number of the chunk
        loss = self._cache.backward(texts, len(batch.triplets), loss_of, seed)
        return Taken(
            loss=float(loss.value),
            accuracy=float(loss.accuracy),
            tokens=sum(len(text.ids) for text in texts),
            cut=sum(one.cut for one in worded),
        )


def _open_teacher(objective: Objective, data: Triplets) -> Teacher | None:
    if objective.teacher is None:
        return None
    return Teacher.open(objective.teacher, data.count)


def _loss_of(recipe: Recipe, batch: Batch, teacher: Teacher | None) -> Callable[[Tensor], Loss]:
    """Return the loss of a batch as a function of the states of its texts."""
    objective, count = recipe.objective, len(batch.triplets)
    allowed = (all_allowed if recipe.mask == "faithful" else distinct)(batch.triplets)

    def loss_of(states: Tensor) -> Loss:
        anchors, candidates = states[:count], states[count:]
        loss = contrastive(
            anchors,
            candidates,
            allowed.to(states.device),
            temperature=objective.temperature,
            symmetric=objective.symmetric,
            dims=objective.dims,
        )
        if teacher is None:
            return loss
        alike = teacher.similarities(batch.places).to(states.device)
        taught = distil(anchors, candidates[:count], alike, temperature=objective.temperature)
        share = objective.distil
        return Loss(share * taught + (1 - share) * loss.value, loss.accuracy)

    return loss_of
