"""Pack many sequences in one row, without padding.

    sequences -> common prefix once + each one's other tokens -> one row -> language model

All prompts of a batch have a common prefix (the chat turn's header). Attention is causal, so the
states of the prefix are the same in every sequence, and are computed once. Each sequence attends to
the shared prefix and to its own tokens, never to another sequence's: see `attention`.
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
    """A pack for a variable-length kernel: every sequence whole, shared tokens repeated.

    `rows` (W,) are the positions in the pack of the kernel's W tokens; `back` (T,) are the kernel's
    rows of the pack's T tokens. `ends` and `pooled_ends` are cumulative lengths (N + 1,) of the
    whole sequences, and of one query each.
    """

    rows: Int[Tensor, " W"]
    back: Int[Tensor, " T"]
    ends: Int[Tensor, " N1"]
    pooled_ends: Int[Tensor, " N1"]
    longest: int

    @classmethod
    def of(cls, pack: "Pack", device: torch.device) -> "KernelLayout":
        """Make the layout of a pack, on `device`."""
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
    """Layout of sequences in one row of T tokens: `shared` tokens, then `own[i]` of each."""

    shared: int
    own: tuple[int, ...]
    _layouts: dict[torch.device, KernelLayout] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def tokens(self) -> int:
        """T, the length of the row."""
        return self.shared + sum(self.own)

    @cached_property
    def starts(self) -> list[int]:
        """The position in the row where each sequence's own tokens begin."""
        return list(itertools.accumulate(self.own, initial=self.shared))[:-1]

    @property
    def last(self) -> list[int]:
        """The position of each sequence's last token: the pooled positions."""
        return [start + own - 1 for start, own in zip(self.starts, self.own, strict=True)]

    @cached_property
    def groups(self) -> list[tuple[int, int, int]]:
        """Runs of sequences of equal length: (first position in the row, count, own tokens)."""
        runs = []
        start = self.shared
        for own, run in itertools.groupby(self.own):
            count = len(list(run))
            runs.append((start, count, own))
            start += count * own
        return runs

    def kernel_layout(self, device: torch.device) -> KernelLayout:
        """Return the layout for a variable-length kernel, made once per pack and device."""
        if device not in self._layouts:
            self._layouts[device] = KernelLayout.of(self, device)
        return self._layouts[device]


def shared_tokens(sequences: Sequence[Sequence[int]]) -> int:
    """Return the length of the common prefix, leaving each sequence at least one token."""
    first, shortest = sequences[0], min(map(len, sequences))
    if len(sequences) == 1:
        return 0
    for place in range(shortest - 1):
        if any(sequence[place] != first[place] for sequence in sequences):
            return place
    return shortest - 1
