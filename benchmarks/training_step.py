"""The gradient of one batch as `e5v train` takes it, of a model that is open already.

    Student + triplets -> words -> packed chunks -> loss -> gradient, held against the plain one

The pieces are those that e5v.training.lesson puts together for a model that it opens itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from e5v.model.encoder import Prompted
from e5v.model.prompts import find_prompt
from e5v.training.chunks import PackedPass
from e5v.training.gradcache import GradCache, LossOf
from e5v.training.loss import Loss, contrastive, distinct
from e5v.training.ranks import Ranks
from e5v.training.recipe import Recipe
from e5v.training.sampler import Batch
from e5v.training.student import Student
from e5v.training.training_prompts import Wording
from e5v.training.triplets import Triplet

SAME = 0.99  # cosine of the packed and the plain gradient in bfloat16, at least


def worded(student: Student, triplets: Sequence[Triplet]) -> list[Prompted]:
    """Tokenise a batch as `e5v train` does: anchors, positives, negatives."""
    recipe = student.recipe
    wording = Wording(
        student.loaded,
        find_prompt(recipe.prompt),
        template=recipe.template,
        text_tokens=recipe.text_tokens,
    )
    return [wording(text).prompted for text in Batch(tuple(triplets), ()).texts]


def make_loss(triplets: Sequence[Triplet], recipe: Recipe) -> LossOf:
    """Return what is minimised, as a function of the states of all texts."""
    count = len(triplets)
    allowed = distinct(triplets)

    def loss_of(states: Tensor) -> Loss:
        return contrastive(
            states[:count],
            states[count:],
            allowed.to(states.device),
            temperature=recipe.objective.temperature,
        )

    return loss_of


def backward(
    student: Student, texts: Sequence[Prompted], triplets: Sequence[Triplet], chunk_tokens: int
) -> Loss:
    """Take the gradient of a batch as `e5v train` does."""
    embedder = student.embedder
    way = PackedPass(embedder.encoder, chunk_tokens)
    cache = GradCache(way, embedder.width, embedder.device, Ranks(), student.autocast)
    return cache.backward(texts, len(triplets), make_loss(triplets, student.recipe), seed=0)


def plain_backward(
    student: Student, texts: Sequence[Prompted], triplets: Sequence[Triplet]
) -> None:
    """Take the gradient of a batch as its makers would: every text by itself, all graphs held."""
    model = student.loaded.language_model

    def state(ids: list[int]) -> Tensor:
        output = model(torch.tensor([ids], device=model.device), use_cache=False)
        last: Tensor = output.last_hidden_state[0, -1]
        return last

    with student.autocast():
        states = torch.stack([state(text.ids) for text in texts])
    loss = make_loss(triplets, student.recipe)(states.float())
    loss.value.backward()  # type: ignore[no-untyped-call]


def check(student: Student, triplets: Sequence[Triplet]) -> float:
    """Compare the packed gradient with the plain one, without dropout; return their cosine.

    Raises:
        SystemExit: they differ.

    """
    texts = worded(student, triplets)
    for module in student.loaded.model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    backward(student, texts, triplets, sum(len(text.ids) for text in texts) // 2)
    packed = _taken(student)
    plain_backward(student, texts, triplets)
    plain = _taken(student)
    student.loaded.model.train()
    cosine = float(torch.nn.functional.cosine_similarity(packed, plain, dim=0))
    if not cosine >= SAME:
        raise SystemExit(f"the packed gradient is not the plain one: cosine {cosine:.5f} < {SAME}")
    return cosine


def _taken(student: Student) -> Tensor:
    """Return the whole gradient as one row, and forget it."""
    grads = [weight.grad for weight in student.weights if weight.grad is not None]
    row = torch.cat([grad.flatten().float() for grad in grads])
    student.optimiser.zero_grad()
    return row
