"""Run the last layer only at the pooled positions.

    states of all T tokens -> keys and values of all T -> query, output and MLP of pooled tokens

The embedding is the state of one token per sequence, so the last layer's query projection, output
projection and MLP, nine tenths of its work, run on that token only. The layer's own code runs, with
the pooled rows as input and a key-value cache of all tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from e5v.model.hf_internals import (
    CACHE_KEYWORDS,
    FixedCache,
    find_cache_keyword,
    find_forward,
    find_rotary,
    replaced_forward,
)


def can_pool(layer: Any) -> bool:
    """Check whether `pooled_layer` supports a decoder layer's structure."""
    attention = getattr(layer, "self_attn", None)
    projections = hasattr(attention, "qkv_proj") or hasattr(attention, "k_proj")
    known = projections and find_rotary(attention) is not None and hasattr(layer, "input_layernorm")
    return known and find_cache_keyword(layer) is not None


@contextmanager
def pooled_layer(layer: Any, rows: Int[Tensor, " N"], columns: Int[Tensor, " N"]) -> Iterator[None]:
    """Make a decoder layer return only the states at (rows[i], columns[i]) of its (B, T, d) input.

    For one packed row (B = 1) it returns (1, N, d); for padded rows (one position each) (N, 1, d).
    """
    forward = find_forward(layer)
    cache = find_cache_keyword(layer)

    def pooled(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        def gather(x: Tensor) -> Tensor:
            """Select the pooled rows of a (B or 1, T, ...) tensor."""
            picked = x[rows.to(x.device) if len(x) > 1 else 0, columns.to(x.device)]
            return picked.unsqueeze(0 if len(hidden_states) == 1 else 1)

        def pick_mask(mask: Tensor) -> Tensor:
            return mask[rows.to(mask.device), :, columns.to(mask.device)].unsqueeze(2)

        cos, sin = kwargs.pop("position_embeddings")
        keys, values = _keys_values(layer, hidden_states, cos, sin)
        mask = kwargs.pop("attention_mask", None)
        others = {key: value for key, value in kwargs.items() if key not in CACHE_KEYWORDS}
        return forward(
            gather(hidden_states),
            *args,
            attention_mask=None if mask is None else pick_mask(mask),
            position_embeddings=(gather(cos), gather(sin)),
            **{str(cache): FixedCache(keys, values)},
            **others,
        )

    with replaced_forward(layer, pooled):
        yield


def pick_states(states: Float[Tensor, "B T d"], columns: Int[Tensor, " B"]) -> Float[Tensor, "B d"]:
    """Return the state at one position of each row, where a layer returned all."""
    return states[torch.arange(len(states), device=states.device), columns.to(states.device)]


def _keys_values(
    layer: Any, hidden: Float[Tensor, "B T d"], cos: Tensor, sin: Tensor
) -> tuple[Float[Tensor, "B groups T dim"], Float[Tensor, "B groups T dim"]]:
    """Compute keys and values of every token, as the layer's own attention does."""
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    if hasattr(attention, "qkv_proj"):
        width = attention.config.num_attention_heads * attention.head_dim
        keys, values = attention.qkv_proj(normed)[..., width:].chunk(2, dim=-1)
    else:
        keys, values = attention.k_proj(normed), attention.v_proj(normed)
    keys = keys.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
    values = values.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
    if hasattr(attention, "k_norm"):
        keys = attention.k_norm(keys)
    rotate: Any = find_rotary(attention)
    return rotate(keys[:, :0], keys, cos, sin)[1], values
