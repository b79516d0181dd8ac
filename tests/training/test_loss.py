"""The loss, held against double loops in float64 that are slow and plainly right."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from e5v.errors import UsageError
from e5v.training.loss import contrastive, distil, distinct
from e5v.training.triplets import Triplet

Rows = NDArray[np.float64]
SEEDS = range(8)


def cosine(left: Rows, right: Rows) -> float:
    """Cosine of two vectors."""
    return float(left @ right / math.sqrt(left @ left) / math.sqrt(right @ right))


def slow_direction(queries: Rows, answers: Rows, allowed: Tensor, temperature: float) -> float:
    """Mean of -log softmax at [i, i], term by term."""
    total = 0.0
    for i, query in enumerate(queries):
        terms = [
            math.exp(cosine(query, answer) / temperature) if allowed[i, j] else 0.0
            for j, answer in enumerate(answers)
        ]
        total -= math.log(terms[i] / sum(terms))
    return total / len(queries)


def slow_kl(teacher: Rows, student: Rows) -> float:
    """Mean over rows of sum p log(p / q), both of them softmax of these logits."""
    total = 0.0
    for wanted, given in zip(teacher, student, strict=True):
        p = [math.exp(value) / sum(map(math.exp, wanted)) for value in wanted]
        q = [math.exp(value) / sum(map(math.exp, given)) for value in given]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(teacher)


class Drawn:
    """A batch drawn at random: float64 rows of any length, and which candidates are allowed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n, extra, self.d = (int(value) for value in rng.integers((1, 0, 4), (7, 7, 10)))
        self.anchors = rng.normal(size=(self.n, self.d)) * rng.uniform(0.1, 50, (self.n, 1))
        self.candidates = rng.normal(size=(self.n + extra, self.d))
        self.allowed = torch.from_numpy(rng.random((self.n, self.n + extra)) < 0.7)
        self.allowed.fill_diagonal_(fill_value=True)

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """The anchors and the candidates."""
        return torch.from_numpy(self.anchors), torch.from_numpy(self.candidates)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_papers_loss(seed: int, temperature: float) -> None:
    """Negatives left out, rows and columns swapped, dot products for cosines, another mean."""
    batch = Drawn(seed)
    loss = contrastive(*batch.tensors, batch.allowed, temperature=temperature)
    slow = slow_direction(batch.anchors, batch.candidates, batch.allowed, temperature)
    assert loss.value.item() == pytest.approx(slow, abs=1e-5, rel=1e-5)
    assert loss.value.dtype == torch.float32


def test_the_papers_temperature() -> None:
    """Another temperature by default than the paper's code has."""
    batch = Drawn(3)
    loss = contrastive(*batch.tensors, batch.allowed)
    assert loss.value == contrastive(*batch.tensors, batch.allowed, temperature=0.05).value


@pytest.mark.parametrize("seed", SEEDS)
def test_the_way_back_for_positives(seed: int) -> None:
    """A second direction that takes hard negatives for anchors, or forgets what is allowed."""
    batch = Drawn(seed)
    loss = contrastive(*batch.tensors, batch.allowed, temperature=0.1, symmetric=True)
    n = batch.n
    there = slow_direction(batch.anchors, batch.candidates, batch.allowed, 0.1)
    back = slow_direction(batch.candidates[:n], batch.anchors, batch.allowed[:, :n].T, 0.1)
    assert loss.value.item() == pytest.approx((there + back) / 2, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dims", [(2,), (3, 1), (2, 100), ()])
def test_short_vectors_count_as_much(seed: int, dims: Sequence[int]) -> None:
    """Short vectors that are not normalised anew, and a full width left out or counted twice."""
    batch = Drawn(seed)
    dims = [batch.d if dim == 100 else dim for dim in dims]
    loss = contrastive(*batch.tensors, batch.allowed, temperature=0.2, dims=dims)
    slow = [
        slow_direction(batch.anchors[:, :k], batch.candidates[:, :k], batch.allowed, 0.2)
        for k in {*dims, batch.d}
    ]
    assert loss.value.item() == pytest.approx(sum(slow) / len(slow), abs=1e-5, rel=1e-5)
    assert loss.accuracy == contrastive(*batch.tensors, batch.allowed).accuracy


@pytest.mark.parametrize("dim", [0, -1, 9])
def test_a_width_that_vectors_do_not_have(dim: int) -> None:
    """A width beyond the vectors' own silently trained as the full one."""
    rows = torch.ones(2, 8)
    with pytest.raises(UsageError, match=f"dim is {dim}; expected 1 to 8"):
        contrastive(rows, rows, torch.ones(2, 2, dtype=torch.bool), dims=(4, dim))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_is_that_of_the_slow_loss(seed: int) -> None:
    """A gradient lost on the way: in one of the inputs, one direction or one of the widths."""
    batch = Drawn(seed)
    n, rng = batch.n, np.random.default_rng(seed)

    def slow(anchors: Rows, candidates: Rows) -> float:
        total = 0.0
        for k in (2, batch.d):
            left, right = anchors[:, :k], candidates[:, :k]
            total += slow_direction(left, right, batch.allowed, 0.5)
            total += slow_direction(right[:n], left, batch.allowed[:, :n].T, 0.5)
        return total / 4

    anchors, candidates = (rows.requires_grad_() for rows in batch.tensors)
    loss = contrastive(
        anchors, candidates, batch.allowed, temperature=0.5, symmetric=True, dims=(2,)
    )
    loss.value.backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None
    assert candidates.grad is not None
    for towards in (1, 0), (0, 1):
        there = rng.normal(size=anchors.shape) * towards[0] * 1e-5
        beside = rng.normal(size=candidates.shape) * towards[1] * 1e-5
        above = slow(batch.anchors + there, batch.candidates + beside)
        below = slow(batch.anchors - there, batch.candidates - beside)
        slope = (anchors.grad.numpy() * there).sum() + (candidates.grad.numpy() * beside).sum()
        assert slope * 1e5 == pytest.approx((above - below) / 2 * 1e5, rel=1e-3, abs=1e-6)


def test_what_is_not_allowed_has_no_gradient() -> None:
    """NaN out of a masked value, or a duplicate that is pushed away all the same."""
    anchors = torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    candidates = torch.randn(3, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    allowed = torch.tensor([[True, False, False], [True, True, False]])
    contrastive(anchors, candidates, allowed).value.backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None
    assert candidates.grad is not None
    assert anchors.grad[0].abs().max() == 0
    assert candidates.grad[2].abs().max() == 0
    assert candidates.grad[:2].isfinite().all()
    assert anchors.grad[1].abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_whatever_comes_in(dtype: torch.dtype) -> None:
    """Cosines in half precision: at a temperature of 0.05 their error is 20 times as large."""
    batch = Drawn(6)
    anchors, candidates = (rows.to(dtype) for rows in batch.tensors)
    teacher = torch.eye(batch.n)

    def both(anchors: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        distilled = distil(anchors, candidates[: batch.n], teacher, temperature=0.05)
        return contrastive(anchors, candidates, batch.allowed).value, distilled

    with torch.autocast("cpu", torch.bfloat16):
        values = both(anchors, candidates)
    for value, exact in zip(values, both(anchors.double(), candidates.double()), strict=True):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact, rtol=1e-5, atol=1e-6)


def test_accuracy_counts_ties_against_us() -> None:
    """A model that says the same of everything and is told that it is always right."""
    same = torch.ones(4, 8)
    everything = torch.ones(4, 6, dtype=torch.bool)
    assert contrastive(same, torch.ones(6, 8), everything).accuracy == 0
    own = torch.eye(4, 8)
    assert contrastive(own, torch.cat([own, own[:2]]), everything).accuracy == 0.5
    assert contrastive(own, torch.eye(6, 8), everything).accuracy == 1
    alone = torch.eye(4, 6, dtype=torch.bool)
    assert contrastive(same, torch.ones(6, 8), alone).accuracy == 1
    assert contrastive(same * torch.nan, torch.ones(6, 8), everything).accuracy == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_against_all_candidates(seed: int) -> None:
    """An accuracy among positives alone, or one that candidates count in that are not allowed."""
    batch = Drawn(seed)
    right = 0
    for i in range(batch.n):
        nearness = [cosine(batch.anchors[i], candidate) for candidate in batch.candidates]
        rivals = [near for j, near in enumerate(nearness) if j != i and bool(batch.allowed[i, j])]
        right += all(nearness[i] > rival for rival in rivals)
    accuracy = contrastive(*batch.tensors, batch.allowed).accuracy
    assert accuracy.item() == pytest.approx(right / batch.n)


def slow_distinct(triplets: Sequence[Triplet]) -> list[list[bool]]:
    """Tell the same as `distinct`, text by text."""
    positives = [(str(one.positive).strip(), str(one.anchor).strip()) for one in triplets]
    negatives = [(str(text).strip(), None) for one in triplets for text in one.negatives]
    table = []
    for i, one in enumerate(triplets):
        anchor, positive = str(one.anchor).strip(), str(one.positive).strip()
        table.append(
            [
                i == j or (text not in (anchor, positive) and of != anchor)
                for j, (text, of) in enumerate([*positives, *negatives])
            ]
        )
    return table


def test_duplicates_are_no_negatives() -> None:
    """A text pushed away from itself, or from a text it was drawn to in the same step."""
    triplets = [
        Triplet("dog", "animal", ("cat",)),
        Triplet("dog ", "pet"),  # the first one's anchor again
        Triplet("cow", " animal", ("dog",)),  # its positive; its anchor as a negative
        Triplet("animal", "being", ("pet",)),  # the first one's positive as an anchor
    ]
    own, no, yes = True, False, True
    assert distinct(triplets).tolist() == [
        # animal, pet, animal, being | cat, dog, pet
        [own, no, no, yes, yes, no, yes],
        [no, own, yes, yes, yes, no, no],
        [no, yes, own, yes, yes, yes, yes],
        [no, yes, no, own, yes, yes, yes],
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_distinct_on_random_texts(seed: int) -> None:
    """A case of equal texts that no example thought of."""
    rng = np.random.default_rng(seed)

    def word() -> str:
        return (
            " " * int(rng.integers(2))
            + "abcdefghij"[rng.integers(10)]
            + "\n" * int(rng.integers(2))
        )

    def maybe() -> str | None:
        return word() if rng.random() < 0.6 else None

    def several() -> tuple[str, ...]:
        return tuple(word() for _ in range(int(rng.integers(3))))

    triplets = [
        Triplet(word(), word(), (first, *several()) if first else ())
        for first in (maybe() for _ in range(int(rng.integers(1, 12))))
    ]
    assert distinct(triplets).tolist() == slow_distinct(triplets)
    there = distinct(triplets)[:, : len(triplets)]
    turned = [Triplet(one.positive, one.anchor) for one in triplets]
    assert torch.equal(there.T, distinct(turned))  # what `symmetric` relies on


def test_distinct_of_pairs_alone() -> None:
    """No hard negatives at all as an error, or as one column more."""
    assert distinct([Triplet("a", "b"), Triplet("c", "d")]).tolist() == [[True, True]] * 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_teachers_distribution(seed: int) -> None:
    """The divergence the wrong way round, column-wise, summed, or of cosines not yet sharpened."""
    rng = np.random.default_rng(seed)
    anchors, positives = rng.normal(size=(2, 5, 7))
    teacher = rng.uniform(-1, 1, (5, 5))
    student = np.array([[cosine(one, other) for other in positives] for one in anchors])
    for temperature in (0.1, 1.0):
        value = distil(
            torch.from_numpy(anchors),
            torch.from_numpy(positives),
            torch.from_numpy(teacher),
            temperature=temperature,
        )
        slow = slow_kl(teacher / temperature, student / temperature)
        assert value.item() == pytest.approx(slow, rel=1e-4)


def test_nothing_to_learn_from_oneself() -> None:
    """A pull on a student that agrees with its teacher already."""
    generator = torch.Generator().manual_seed(0)
    anchors, positives = torch.randn(2, 6, 9, generator=generator)
    anchors.requires_grad_()
    with torch.no_grad():
        own = torch.nn.functional.cosine_similarity(anchors[:, None], positives[None], dim=-1)
    value = distil(anchors, positives, own, temperature=0.05)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert anchors.grad is not None
    assert anchors.grad.abs().max() < 1e-5
