"""The training loss: how well an anchor's own positive stands out from the batch.

    items   -> which candidates each anchor is compared with     --.
    vectors -> cosines in float32 -> / temperature -> softmax over those -> -log of the own positive

Candidates are the positives of all anchors, in their order, then all hard negatives. All functions
are pure, and take vectors of any length: only their direction counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from e5v.inputs import RawItem
from e5v.training.contents import identify
from e5v.training.recipe import Recipe
from e5v.training.sampler import Batch
from e5v.training.teacher import Teacher
from e5v.training.triplets import Triplet
from e5v.vectors import check_dim


@dataclass(frozen=True)
class Loss:
    """The `value` to minimise, and `accuracy`: the share of anchors whose own positive is first.

    A candidate with the same cosine as the own positive ranks before it.
    """

    value: Float[Tensor, ""]
    accuracy: Float[Tensor, ""]


def distinct(triplets: Sequence[Triplet]) -> Bool[Tensor, "n c"]:
    """Mark which candidates each anchor is compared with; c is n plus the hard negatives.

    False for false negatives, known by their content: the candidate repeats the anchor or its
    positive, or is another positive of the same anchor with the same instruction. Spaces around a
    text do not count. The own positive, at [i, i], is True. The left square, transposed, applies to
    positives against anchors.
    """
    numbers: dict[str, int] = {}

    def numbered(items: Sequence[RawItem]) -> Int[Tensor, " m"]:
        known = [numbers.setdefault(identify(item), len(numbers)) for item in items]
        return torch.tensor(known, dtype=torch.long)

    anchors = numbered([one.anchor for one in triplets])
    positives = numbered([one.positive for one in triplets])
    negatives = [item for one in triplets for item in one.negatives]
    candidates = torch.cat([positives, numbered(negatives)])
    same = (candidates == anchors[:, None]) | (candidates == positives[:, None])
    asked: dict[tuple[int, str], int] = {}
    pairs = zip(anchors.tolist(), (one.instruction for one in triplets), strict=True)
    queries = torch.tensor([asked.setdefault(pair, len(asked)) for pair in pairs])
    same[:, : len(triplets)] |= queries == queries[:, None]
    return ~same.fill_diagonal_(False)  # noqa: FBT003  torch takes it by position


def all_allowed(triplets: Sequence[Triplet]) -> Bool[Tensor, "n c"]:
    """Allow every candidate against every anchor, as the official script does.

    False negatives that `distinct` excludes then count as negatives: repeats of the anchor or of
    its positive.
    """
    candidates = len(triplets) + sum(len(one.negatives) for one in triplets)
    return torch.ones(len(triplets), candidates, dtype=torch.bool)


def batch_loss(
    states: Float[Tensor, "m d"], batch: Batch, recipe: Recipe, teacher: Teacher | None = None
) -> Loss:
    """Return the loss of a recipe, from the states of a batch's items (in its order).

    With a teacher, `distil` is its weight beside the contrastive loss.
    """
    objective, count = recipe.objective, len(batch.triplets)
    anchors, candidates = states[:count], states[count:]
    allowed = (all_allowed if recipe.mask == "faithful" else distinct)(batch.triplets)
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
    cosines = teacher.similarities(batch.places).to(states.device)
    taught = distil(anchors, candidates[:count], cosines, temperature=objective.temperature)
    share = objective.distil
    return Loss(share * taught + (1 - share) * loss.value, loss.accuracy)


def contrastive(
    anchors: Float[Tensor, "n d"],
    candidates: Float[Tensor, "c d"],
    allowed: Bool[Tensor, "n c"],
    *,
    temperature: float = 0.05,
    symmetric: bool = False,
    dims: Sequence[int] = (),
) -> Loss:
    """Return the mean over anchors of -log softmax(cosines / temperature) at the own positive.

    This is the loss of E5-V's single modality training (arXiv 2407.12580; the temperature is from
    its code), in float32, over the `allowed` candidates (see `distinct` and `all_allowed`).

    Args:
        anchors: their vectors.
        candidates: vectors of the n positives, in the order of the anchors, then hard negatives.
        allowed: whether anchor i is compared with candidate j; [i, i] is True.
        temperature: what cosines are divided by.
        symmetric: also classify each positive's own anchor among all anchors, with equal weight
            (CLIP, arXiv 2103.00020).
        dims: average the losses of the first k values, for each k and the full width, so that
            vectors can be truncated (Matryoshka, arXiv 2205.13147). `accuracy` is at full width.

    Raises:
        UsageError: one of `dims` is not between 1 and d.
    """
    count, width = anchors.shape
    for dim in dims:
        check_dim(dim, width)
    losses = []
    for dim in sorted({*dims, width}):
        cosines = _cosines(anchors[:, :dim], candidates[:, :dim])
        losses.append(_own_entropy(cosines, allowed, temperature))
        if symmetric:
            losses.append(_own_entropy(cosines[:, :count].T, allowed[:, :count].T, temperature))
    return Loss(torch.stack(losses).mean(), _accuracy(cosines.detach(), allowed))


def distil(
    anchors: Float[Tensor, "n d"],
    positives: Float[Tensor, "n d"],
    teacher: Float[Tensor, "n n"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Return KL(teacher || student) of an anchor's distribution over the positives, mean over n.

    A distribution is softmax(cosines / temperature); `teacher[i, j]` is its cosine of anchor i with
    positive j (UniME, arXiv 2504.17432, stage 1: textual discriminative knowledge distillation).
    """
    student = (_cosines(anchors, positives) / temperature).log_softmax(dim=1)
    target = (teacher.float() / temperature).log_softmax(dim=1)
    return functional.kl_div(student, target, reduction="batchmean", log_target=True)


def _cosines(left: Float[Tensor, "n d"], right: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    with torch.autocast(left.device.type, enabled=False):  # else in half precision
        left, right = (functional.normalize(rows.float(), dim=1) for rows in (left, right))
        return left @ right.T


def _own_entropy(
    cosines: Float[Tensor, "n m"], allowed: Bool[Tensor, "n m"], temperature: float
) -> Float[Tensor, ""]:
    """Return the mean of -log softmax at [i, i], over the allowed values of each row."""
    logits = (cosines / temperature).masked_fill(~allowed, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def _accuracy(cosines: Float[Tensor, "n c"], allowed: Bool[Tensor, "n c"]) -> Float[Tensor, ""]:
    rivals = cosines.masked_fill(~allowed, -torch.inf).fill_diagonal_(-torch.inf)
    return (rivals.amax(dim=1) < cosines.diagonal()).float().mean()
