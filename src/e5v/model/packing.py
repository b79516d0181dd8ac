"""Many sequences in one row, without padding.

    sequences -> shared first tokens once + each one's own tokens -> one row -> language model

Every prompt of a batch begins alike (the chat turn's header). Attention is causal, so the states of
those first tokens are the same in every sequence: they are computed once. Each sequence then
attends to the shared tokens and to its own, never to a neighbour's: see `attention`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class KernelLayout:
    """A pack as a variable-length kernel reads it: every sequence whole, shared tokens repeated.

    `rows` (W,) are the places in the pack of the W tokens in that order; `back` (T,) leads from the
    kernel's W rows to the pack's T. `ends` and `pooled_ends` are cumulative lengths (N + 1,) of the
    whole sequences and of one query each.
    """

    rows: Int[Tensor, " W"]
    back: Int[Tensor, " T"]
    ends: Int[Tensor, " N1"]
    pooled_ends: Int[Tensor, " N1"]
    longest: int

    @classmethod
    def of(cls, pack: "Pack", device: torch.device) -> "KernelLayout":
        """Lay a pack out for a kernel on `device`."""
        shared = list(range(pack.shared))
        rows: list[int] = []
        back = list(shared)
        ends = [0]
        for start, own in zip(pack.starts, pack.own, strict=True):
            rows += [*shared, *range(start, start + own)]
            back += range(ends[-1] + pack.shared, len(rows))
            ends.append(len(rows))
        return cls(
            rows=torch.tensor(rows, device=device),
            back=torch.tensor(back, device=device),
            ends=torch.tensor(ends, dtype=torch.int32, device=device),
            pooled_ends=torch.arange(len(ends), dtype=torch.int32, device=device),
            longest=pack.shared + max(pack.own),
        )


@dataclass(frozen=True)
class Pack:
    """How sequences lie in one row of T tokens: `shared` first tokens, then `own[i]` of each."""

    shared: int
    own: tuple[int, ...]
    _layouts: list[KernelLayout] = field(default_factory=list, repr=False, compare=False)

    @property
    def tokens(self) -> int:
        """T, the length of the row."""
        return self.shared + sum(self.own)

    @cached_property
    def starts(self) -> list[int]:
        """Where each sequence's own tokens begin in the row."""
        return list(itertools.accumulate(self.own, initial=self.shared))[:-1]

    @property
    def last(self) -> list[int]:
        """Where each sequence's last token is: the pooled positions."""
        return [start + own - 1 for start, own in zip(self.starts, self.own, strict=True)]

    @cached_property
    def groups(self) -> list[tuple[int, int, int]]:
        """Runs of neighbours of equal length: (first token in the row, how many, own tokens)."""
        runs = []
        start = self.shared
        for own, run in itertools.groupby(self.own):
            count = len(list(run))
            runs.append((start, count, own))
            start += count * own
        return runs

    def kernel_layout(self, device: torch.device) -> KernelLayout:
        """Return the layout that a variable-length kernel needs, made once per pack."""
        if not self._layouts:
            self._layouts.append(KernelLayout.of(self, device))
        return self._layouts[0]


def shared_tokens(sequences: Sequence[Sequence[int]]) -> int:
    """Count the first tokens that all sequences have in common, leaving each at least one."""
    first, shortest = sequences[0], min(map(len, sequences))
    if len(sequences) == 1:
        return 0
    for place in range(shortest - 1):
        if any(sequence[place] != first[place] for sequence in sequences):
            return place
    return shortest - 1
