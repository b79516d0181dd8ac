"""Causal attention on a CPU as matrix products: a block of queries at a time, with their keys.

    queries of a block @ keys up to its end -> softmax -> @ values -> attention of the block

The weights of a block are computed again for its gradient: kept for a sequence of 2,200 tokens in
30 layers they would take over 1 GB. What is computed twice takes no longer than what is saved,
since the gradients of keys and values are added up in place.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 128  # queries per matrix product


def attend_in_blocks(
    query: Float[Tensor, "n heads L dim"],
    key: Float[Tensor, "n groups L dim"],
    value: Float[Tensor, "n groups L dim"],
    scale: float,
) -> Float[Tensor, "n heads L dim"]:
    """Attend causally within n sequences of equal length.

    Query heads that share a key head are rows of one product. Under autocast, all may come in
    different dtypes; the result has that of the queries.
    """
    n, heads, length, dim = query.shape
    groups = key.shape[1]
    folded = (query * scale).reshape(n * groups, heads // groups, length, dim)
    keys, values = (part.to(query.dtype).reshape(-1, length, dim) for part in (key, value))
    attention: Tensor = _InBlocks.apply(folded, keys, values)  # type: ignore[no-untyped-call]
    return attention.view(n, heads, length, dim)


class _InBlocks(torch.autograd.Function):
    """Attention of (m, heads, L, dim) scaled queries over (m, L, dim) keys and values."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Fill in the attention of one block after the other."""
        ctx.save_for_backward(queries, keys, values)
        attention = torch.empty_like(queries)
        for own, seen in _blocks(queries.shape[2]):
            weights = _weights(queries[:, :, own].flatten(1, 2), keys[:, seen], own)
            block = attention[:, :, own]
            block.copy_(torch.bmm(weights, values[:, seen]).view(block.shape))
        return attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the weights of each block again, and go back through its two products."""
        queries, keys, values = ctx.saved_tensors
        of_queries = torch.empty_like(queries)
        of_keys, of_values = torch.zeros_like(keys), torch.zeros_like(values)
        for own, seen in _blocks(queries.shape[2]):
            rows, upstream = (part[:, :, own].flatten(1, 2) for part in (queries, gradient))
            weights = _weights(rows, keys[:, seen], own)
            of_weights = torch.bmm(upstream, values[:, seen].transpose(1, 2))
            of_scores = torch.ops.aten._softmax_backward_data(
                of_weights, weights, -1, weights.dtype
            )
            of_values[:, seen].baddbmm_(weights.transpose(1, 2), upstream)
            of_keys[:, seen].baddbmm_(of_scores.transpose(1, 2), rows)
            block = of_queries[:, :, own]
            block.copy_(torch.bmm(of_scores, keys[:, seen]).view(block.shape))
        return of_queries, of_keys, of_values


def _blocks(length: int) -> list[tuple[slice, slice]]:
    """List each block: the places of its queries, and of the keys that these may see."""
    ends = ((start, min(start + BLOCK, length)) for start in range(0, length, BLOCK))
    return [(slice(start, end), slice(end)) for start, end in ends]


def _weights(
    rows: Float[Tensor, "m rows dim"], keys: Float[Tensor, "m K dim"], own: slice
) -> Float[Tensor, "m rows K"]:
    """Return the softmax over the keys up to each query; `rows` are those of all heads."""
    scores = torch.bmm(rows, keys.transpose(1, 2))
    size = own.stop - own.start
    hidden = scores.new_full((size, size), float("-inf")).triu(1)
    scores.view(len(rows), -1, size, own.stop)[..., own] += hidden
    return scores.softmax(-1)
