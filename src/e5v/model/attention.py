"""Attention within each sequence of a pack.

    row of queries, keys, values + Pack -> attention per sequence -> row

`packed_attention` is registered with transformers and used only for the language model, only while
it runs a pack: on the CPU one call per group of equal length, on CUDA one variable-length kernel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from e5v.model.causal_blocks import BLOCK, attend_in_blocks
from e5v.model.hf_internals import attention_implementation, flash_attention
from e5v.model.packing import Pack

ATTENTION = "e5v_packed"


@dataclass(frozen=True)
class _Scope:
    """What a query attends to: its own sequence of the pack, or the last `window` tokens of it.

    With `training`, the implementation is chosen for the speed of the backward pass.
    """

    pack: Pack
    scale: float | None
    window: int | None
    training: bool


def packed_attention(
    module: torch.nn.Module,
    query: Float[Tensor, "1 heads Q dim"],
    key: Float[Tensor, "1 groups T dim"],
    value: Float[Tensor, "1 groups T dim"],
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Float[Tensor, "1 Q heads dim"], None]:
    """Attend within each sequence of a pack; the signature is transformers' attention interface.

    Q is T, or the number of sequences where the last layer computes only the pooled positions.
    Keys and values always cover the whole row.
    """
    scale, window = options.get("scaling"), options.get("sliding_window")
    scope = _Scope(options["pack"], scale, window, module.training)
    attend = _attend_cuda if query.is_cuda and query.dtype != torch.float32 else _attend_groups
    return attend(query[0], key[0], value[0], scope).unsqueeze(0), None


def _attend_groups(
    query: Float[Tensor, "heads Q dim"],
    key: Float[Tensor, "groups T dim"],
    value: Float[Tensor, "groups T dim"],
    scope: _Scope,
) -> Float[Tensor, "Q heads dim"]:
    """Call PyTorch's attention once per group of sequences of equal length."""
    if query.shape[1] != key.shape[1]:
        return _attend_pooled(query, key, value, scope)
    shared = scope.pack.shared
    outputs: list[Tensor] = []
    for group in scope.pack.groups:
        output = _causal(
            _sequences(query, shared, group),
            _sequences(key, shared, group),
            _sequences(value, shared, group),
            scope,
        ).transpose(1, 2)
        if not outputs:
            outputs.append(output[0, :shared])
        outputs.append(output[:, shared:].flatten(0, 1))
    return torch.cat(outputs)


def _causal(
    query: Float[Tensor, "n heads L dim"],
    key: Float[Tensor, "n groups L dim"],
    value: Float[Tensor, "n groups L dim"],
    scope: _Scope,
) -> Float[Tensor, "n heads L dim"]:
    """Attend causally within sequences of equal length.

    On a CPU, blocks of matrix products are faster for long sequences than PyTorch's fused
    attention: at least twice in half precision, up to 1.2 times in float32. Short sequences have
    so many shapes that creating a kernel for each costs what it saves, except in training: the
    backward pass of the fused kernel is slow at any length.
    """
    band = _band(query.shape[2], scope.window, query.device)
    in_blocks = query.device.type == "cpu" and (query.shape[2] > BLOCK or scope.training)
    if in_blocks and band is None:
        return attend_in_blocks(query, key, value, scope.scale or query.shape[-1] ** -0.5)
    return scaled_dot_product_attention(
        query, key, value, band, is_causal=band is None, scale=scope.scale, enable_gqa=True
    )


def _attend_pooled(
    query: Float[Tensor, "heads N dim"],
    key: Float[Tensor, "groups T dim"],
    value: Float[Tensor, "groups T dim"],
    scope: _Scope,
) -> Float[Tensor, "N heads dim"]:
    """Attend from each sequence's last token only; it attends to all, so no mask is needed."""
    outputs: list[Tensor] = []
    first, seen = 0, -(scope.window or 0)
    for group in scope.pack.groups:
        count = group[1]
        output = scaled_dot_product_attention(
            query[:, first : first + count].transpose(0, 1).unsqueeze(2),
            _sequences(key, scope.pack.shared, group)[:, :, seen:],
            _sequences(value, scope.pack.shared, group)[:, :, seen:],
            scale=scope.scale,
            enable_gqa=True,
        )
        outputs.append(output.squeeze(2))
        first += count
    return torch.cat(outputs)


def _sequences(
    row: Float[Tensor, "heads T dim"], shared: int, group: tuple[int, int, int]
) -> Float[Tensor, "count heads length dim"]:
    """Slice a group of sequences out of the row, each with the shared tokens first."""
    start, count, own = group
    cut = row[:, start : start + count * own]
    each = cut.view(len(row), count, own, -1).transpose(0, 1)
    if not shared:
        return each
    return torch.cat([row[:, :shared].expand(count, -1, -1, -1), each], dim=2)


def _band(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return the mask of a causal sliding window; None if it equals plain causal attention."""
    if window is None or length <= window:
        return None
    ones = torch.ones(length, length, dtype=torch.bool, device=device)
    return ones.tril().triu(1 - window)


def _attend_cuda(
    query: Float[Tensor, "heads Q dim"],
    key: Float[Tensor, "groups T dim"],
    value: Float[Tensor, "groups T dim"],
    scope: _Scope,
) -> Float[Tensor, "Q heads dim"]:
    """Call FlashAttention's variable-length kernel; its causal mask aligns the last tokens."""
    layout, window = scope.pack.kernel_layout(query.device), scope.window
    pooled = query.shape[1] != key.shape[1]
    query_ends, longest = (layout.pooled_ends, 1) if pooled else (layout.ends, layout.longest)
    rows = slice(None) if pooled else layout.rows
    output = flash_attention(
        query.transpose(0, 1)[rows].contiguous(),
        key.transpose(0, 1)[layout.rows].contiguous(),
        value.transpose(0, 1)[layout.rows].contiguous(),
        (query_ends, layout.ends),
        (longest, layout.longest),
        scale=scope.scale,
        window=window,
    )
    return output if pooled else output[layout.back]


@contextmanager
def packed(language_model: Any) -> Iterator[None]:
    """Use `packed_attention` in a language model while the block runs."""
    AttentionInterface.register(ATTENTION, packed_attention)
    with attention_implementation(language_model, ATTENTION):
        yield
