"""Packed attention against the plain one, run for each sequence on its own.

The variable-length kernel runs on CUDA only; here its layout is read by a loop that does what the
kernel does with it: each sequence whole, causal masks aligned to the last token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from e5v.model.attention import ATTENTION, packed, packed_attention
from e5v.model.packing import Pack, shared_tokens

DIM = 8


@dataclass(frozen=True)
class Case:
    """A pack, heads, and what else changes the attention."""

    shared: int
    own: tuple[int, ...]
    heads: int = 4
    groups: int = 2
    window: int | None = None
    scale: float | None = None

    @property
    def pack(self) -> Pack:
        """The pack of these lengths."""
        return Pack(self.shared, self.own)

    def draw(self, seed: int = 0) -> list[Tensor]:
        """Draw query, key and value of the whole row: (1, heads or groups, T, dim)."""
        generator = torch.Generator().manual_seed(seed)
        counts = (self.heads, self.groups, self.groups)
        shape = (self.pack.tokens, DIM)
        return [torch.randn(1, n, *shape, generator=generator, dtype=torch.float64) for n in counts]


def random_case(seed: int) -> Case:
    """Draw lengths, head counts, a window and a scale."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    own = tuple(draw(1, 12) for _ in range(draw(1, 8)))
    groups = draw(1, 4)
    return Case(
        shared=draw(0, 6) if draw(0, 3) else 0,
        own=tuple(sorted(own)) if draw(0, 2) else own,
        heads=groups * draw(1, 4),
        groups=groups,
        window=draw(1, 14) if draw(0, 2) else None,
        scale=0.3 if draw(0, 2) else None,
    )


CASES = [
    Case(0, (1,)),
    Case(0, (1, 1, 1)),
    Case(3, (1, 1, 1)),
    Case(0, (7,)),
    Case(4, (5, 5, 5)),
    Case(2, (5, 1, 5, 5, 9)),
    Case(3, (4, 4, 6), heads=4, groups=4),
    Case(3, (4, 4, 6), heads=6, groups=1),
    Case(3, (4, 9, 9), window=1),
    Case(3, (4, 9, 9), window=5),
    Case(6, (2, 3), window=4),
    Case(6, (2, 3), window=100),
    Case(2, (3, 3), scale=1.7),
    *map(random_case, range(14)),
]


def rows_of(pack: Pack) -> list[list[int]]:
    """List, for each sequence, where in the row its tokens lie: shared ones, then its own."""
    starts = [pack.shared + sum(pack.own[:n]) for n in range(len(pack.own))]
    owns = zip(starts, pack.own, strict=True)
    return [[*range(pack.shared), *range(start, start + own)] for start, own in owns]


def causal(case: Case, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend from one sequence's last queries: (heads, Q, dim) -> (Q, heads, dim), step by step."""
    outputs = []
    first = key.shape[1] - query.shape[1]
    for place in range(query.shape[1]):
        end = first + place + 1
        start = 0 if case.window is None else max(0, end - case.window)
        for head in range(case.heads):
            group = head // (case.heads // case.groups)
            scores = key[group, start:end] @ query[head, place] * (case.scale or DIM**-0.5)
            outputs.append(scores.softmax(0) @ value[group, start:end])
    return torch.stack(outputs).view(query.shape[1], case.heads, DIM)


def plain(case: Case, tensors: Sequence[Tensor]) -> Tensor:
    """Compute every row's output in a sequence of its own: (T, heads, dim)."""
    output = torch.empty(case.pack.tokens, case.heads, DIM, dtype=torch.float64)
    for rows in rows_of(case.pack):
        output[rows] = causal(case, *(tensor[0][:, rows] for tensor in tensors))
    return output


def attend(case: Case, tensors: Sequence[Tensor]) -> Tensor:
    """Call the attention as transformers does: (Q, heads, dim)."""
    options: dict[str, Any] = {"scaling": case.scale, "sliding_window": case.window}
    query, key, value = tensors
    output, weights = packed_attention(
        torch.nn.Module(), query, key, value, None, pack=case.pack, **options
    )
    assert weights is None
    return output[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_plain_attention(case: Case) -> None:
    """Catches a token that sees a neighbour, its own future, or too little of its past."""
    tensors = case.draw()
    torch.testing.assert_close(attend(case, tensors), plain(case, tensors))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_last_layer_asks_for_the_last_tokens_only(case: Case) -> None:
    """Catches a pooled state that is not the one the whole layer would have given."""
    query, key, value = case.draw()
    pooled = attend(case, (query[:, :, case.pack.last], key, value))
    torch.testing.assert_close(pooled, plain(case, (query, key, value))[case.pack.last])


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("pooled", [False, True], ids=["whole", "pooled"])
def test_gradients_are_those_of_plain_attention(case: Case, pooled: bool) -> None:  # noqa: FBT001
    """Catches training that learns from the wrong tokens though every vector is right."""
    gradients = []
    rows = case.pack.last if pooled else list(range(case.pack.tokens))
    generator = torch.Generator().manual_seed(9)
    weights = torch.randn(len(rows), case.heads, DIM, generator=generator, dtype=torch.float64)
    for ours in (True, False):
        tensors = [tensor.requires_grad_() for tensor in case.draw()]
        query, key, value = tensors
        if ours:
            output = attend(case, (query[:, :, rows] if pooled else query, key, value))
        else:
            output = plain(case, tensors)[rows]
        gradients.append(torch.autograd.grad((output * weights).sum(), tensors))
    for packed_gradient, plain_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(packed_gradient, plain_gradient)


def test_neighbours_do_not_matter() -> None:
    """Catches a vector that changes with what else is in the batch."""
    case = Case(3, (4, 6, 6, 2), window=5)
    before = attend(case, case.draw())
    for number, rows in enumerate(rows_of(case.pack)):
        own = rows[case.shared :]
        changed = [tensor.clone() for tensor in case.draw()]
        for tensor in changed:
            tensor[:, :, own] += 5.0
        after = attend(case, changed)
        others = [row for row in range(case.pack.tokens) if row not in own]
        torch.testing.assert_close(after[others], before[others], rtol=0, atol=0)
        assert not torch.isclose(after[own], before[own]).all(), number


def test_a_sequence_is_the_same_in_any_pack() -> None:
    """Catches shared tokens that stand for something else in another pack."""
    sequences = [Case(0, (n,), heads=2, groups=1).draw(seed=n) for n in (9, 5, 5)]
    first = [tensor[:, :, :3] for tensor in sequences[0]]
    pack = Case(3, (6, 2, 2), heads=2, groups=1)
    columns = zip(first, *sequences, strict=True)
    together = attend(pack, [torch.cat([s, *(t[:, :, 3:] for t in ts)], 2) for s, *ts in columns])
    start = 3
    for own, tensors in zip(pack.own, sequences, strict=True):
        mine = [torch.cat([s, t[:, :, 3:]], dim=2) for s, t in zip(first, tensors, strict=True)]
        alone = attend(Case(0, (3 + own,), heads=2, groups=1), mine)
        torch.testing.assert_close(together[start : start + own], alone[3:])
        start += own


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("pooled", [False, True], ids=["whole", "pooled"])
def test_the_kernels_layout(case: Case, pooled: bool) -> None:  # noqa: FBT001
    """Catches a GPU that answers with other vectors than the CPU: rows, ends or order mixed up."""
    query, key, value = (tensor[0] for tensor in case.draw())
    pack = case.pack
    layout = pack.kernel_layout(torch.device("cpu"))
    assert layout.ends.dtype == layout.pooled_ends.dtype == torch.int32
    assert layout.longest == max(end - start for start, end in pairwise(layout.ends.tolist()))
    assert pack.kernel_layout(torch.device("cpu")) is layout

    queries = query[:, pack.last] if pooled else query[:, layout.rows]
    query_ends = layout.pooled_ends if pooled else layout.ends
    keys, values = key[:, layout.rows], value[:, layout.rows]
    output = []
    spans = zip(pairwise(query_ends.tolist()), pairwise(layout.ends.tolist()), strict=True)
    for (first, last), (start, end) in spans:
        parts = (queries[:, first:last], keys[:, start:end], values[:, start:end])
        output.append(causal(case, *parts))
    whole = torch.cat(output)
    expected = plain(case, [tensor[None] for tensor in (query, key, value)])
    if pooled:
        torch.testing.assert_close(whole, expected[pack.last])
    else:
        torch.testing.assert_close(whole[layout.back], expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_where_things_lie(case: Case) -> None:
    """Catches another token pooled than the last of each sequence."""
    rows = rows_of(case.pack)
    assert case.pack.tokens == len({row for sequence in rows for row in sequence})
    assert case.pack.last == [sequence[-1] for sequence in rows]
    assert case.pack.starts == [sequence[case.shared] for sequence in rows]
    layout = case.pack.kernel_layout(torch.device("cpu"))
    assert layout.rows.tolist() == [row for sequence in rows for row in sequence]
    assert layout.rows[layout.back].tolist() == list(range(case.pack.tokens))


@pytest.mark.parametrize(
    ("sequences", "count"),
    [
        ([[1, 2, 3]], 0),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2, 3]], 2),
        ([[1, 2, 3], [1, 2, 3, 4]], 2),
        ([[1], [1, 2]], 0),
        ([[1, 2], [3, 2]], 0),
        ([[1, 2, 5, 6], [1, 2, 5, 7], [1, 3, 5, 6]], 1),
    ],
)
def test_what_is_shared(sequences: list[list[int]], count: int) -> None:
    """Catches a token shared that is not, and a sequence left with no token of its own."""
    assert shared_tokens(sequences) == count


def test_attention_is_routed_only_while_packed() -> None:
    """Catches a user's model left with our attention: its own forward pass would fail."""
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    model: Any = LlamaModel(config)
    model.eval()
    before = config._attn_implementation
    rows = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 7, 3, 1]])
    row = torch.cat([rows[0, :3], rows[0, 3:], rows[1, 3:]])[None]
    positions = torch.tensor([[0, 1, 2, 3, 4, 3, 4]])
    with packed(model), torch.no_grad():
        assert config._attn_implementation == ATTENTION
        output = model(row, position_ids=positions, use_cache=False, pack=Pack(3, (2, 2)))
    assert config._attn_implementation == before
    with torch.no_grad():
        plainly = model(rows, use_cache=False).last_hidden_state
    torch.testing.assert_close(output.last_hidden_state[0, 3:], plainly[:, 3:].flatten(0, 1))

    class StopError(Exception):
        pass

    with pytest.raises(StopError), packed(model):
        raise StopError
    assert config._attn_implementation == before
