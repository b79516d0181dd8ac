"""Attention in blocks: its values, its gradients, and what it keeps for them."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from e5v.model.causal_blocks import BLOCK, attend_in_blocks

DIM, SCALE = 8, 0.3
LENGTHS = (1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7)


def _draw(length: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Draw query, key and value of two sequences, and a gradient of their attention."""
    generator = torch.Generator().manual_seed(length)
    return [
        torch.randn(2, heads, length, DIM, generator=generator, dtype=torch.float64).to(dtype)
        for heads in (6, 3, 3, 6)
    ]


def _plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=SCALE, enable_gqa=True
    )


@pytest.mark.parametrize("length", LENGTHS)
def test_blocks_are_causal_attention(length: int) -> None:
    """A block that sees a key too many or too few: photos in bfloat16, and only those, go wrong."""
    query, key, value, _ = _draw(length)
    attention = attend_in_blocks(query, key, value, SCALE)
    assert torch.allclose(attention, _plain(query, key, value), atol=1e-12)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)]
)
def test_gradients_are_those_of_plain_attention(
    length: int, dtype: torch.dtype, most: float
) -> None:
    """A block whose weights are other ones on the way back, or that adds to the wrong keys."""
    expected = _gradients(_draw(length), plain=True)
    for ours, plain in zip(_gradients(_draw(length, dtype)), expected, strict=True):
        assert ours.dtype == dtype
        assert (ours - plain).norm() <= most * max(float(plain.norm()), 1)


def _gradients(drawn: list[Tensor], *, plain: bool = False) -> tuple[Tensor, ...]:
    *tensors, upstream = drawn
    query, key, value = (tensor.requires_grad_() for tensor in tensors)
    attention = _plain(query, key, value) if plain else attend_in_blocks(query, key, value, SCALE)
    return torch.autograd.grad(attention, (query, key, value), upstream)


def test_the_weights_of_blocks_are_not_kept() -> None:
    """Memory of a long sequence that grows with the square of its length, in every layer."""
    length = 8 * BLOCK
    query, key, value, _ = (one.requires_grad_() for one in _draw(length, torch.float32))
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        attention = attend_in_blocks(query, key, value, SCALE)
    assert attention.requires_grad
    inputs = sum(one.untyped_storage().nbytes() for one in (query, key, value))
    assert sum(kept.values()) <= inputs


def test_values_of_another_dtype_are_taken_under_autocast() -> None:
    """A model that rotates queries and keys in float32, and whose training would then stop."""
    query, key, drawn, upstream = _draw(BLOCK + 3, torch.float32)
    tensors = query, key, value = [query, key, drawn.bfloat16()]
    for tensor in tensors:
        tensor.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        attention = attend_in_blocks(query, key, value, SCALE)
    gradients = torch.autograd.grad(attention, tensors, upstream)
    assert [one.dtype for one in gradients] == [one.dtype for one in tensors]
    for ours, plain in zip(gradients, _gradients(_draw(BLOCK + 3), plain=True), strict=True):
        assert (ours - plain).norm() <= 2e-2 * plain.norm()
