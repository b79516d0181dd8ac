"""EfficientNet-Lite in transformers' EfficientNet: the classifier of each cell, and of them all."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn import functional

from e5v.checkpoints.efficientnet_lite import (
    CHANNELS,
    EPS,
    SIDE,
    SIZE,
    ClassMap,
    convert_tower,
    make_config,
)
from tests.checkpoints.photos_files import list_blocks, make_lite0

Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def published() -> Weights:
    """Give a random Lite0."""
    return make_lite0()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Give an image, (1, 3, 224, 224), with a bright corner."""
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    image[:, :, :60, :90] += 2
    return image


def convolve(image: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve with TensorFlow's padding: one pixel more at the end where it is uneven."""
    side, size = weight.shape[-1], image.shape[-1]
    total = max((-(-size // stride) - 1) * stride + side - size, 0)
    before, after = total // 2, total - total // 2
    padded = functional.pad(image, (before, after, before, after))
    groups = image.shape[1] if weight.shape[1] == 1 and image.shape[1] > 1 else 1
    return functional.conv2d(padded, weight, stride=stride, groups=groups)


def normalise(image: Tensor, weights: Weights, name: str) -> Tensor:
    """Apply a batch normalisation as it is after training."""
    kinds = ("running_mean", "running_var", "weight", "bias")
    mean, var, scale, shift = (weights[f"{name}.{kind}"] for kind in kinds)
    return functional.batch_norm(image, mean, var, scale, shift, eps=EPS)


def plain_cells(image: Tensor, weights: Weights) -> Tensor:
    """Return the features of EfficientNet-Lite before its pooling, (1, 1280, 7, 7)."""
    image = convolve(image, weights["_conv_stem.weight"], 2)
    image = functional.relu6(normalise(image, weights, "_bn0"))
    for block, (width, out, widen, _, stride) in enumerate(list_blocks()):
        name, entered = f"_blocks.{block}", image
        if widen > 1:
            image = convolve(image, weights[f"{name}._expand_conv.weight"])
            image = functional.relu6(normalise(image, weights, f"{name}._bn0"))
        image = convolve(image, weights[f"{name}._depthwise_conv.weight"], stride)
        image = functional.relu6(normalise(image, weights, f"{name}._bn1"))
        image = convolve(image, weights[f"{name}._project_conv.weight"])
        image = normalise(image, weights, f"{name}._bn2")
        image = image + entered if stride == 1 and width == out else image
    image = convolve(image, weights["_conv_head.weight"])
    return functional.relu6(normalise(image, weights, "_bn1"))


def plain_logits(features: Tensor, weights: Weights) -> Tensor:
    """Apply the classifier to features, (..., 1280) to (..., 1000)."""
    return functional.linear(features, weights["_fc.weight"], weights["_fc.bias"])


def list_windows(image: Tensor, weights: Weights) -> Tensor:
    """Return the class logits of the means over 3 x 3 cells, one at every second: (3, 3, 1000)."""
    means = functional.avg_pool2d(plain_cells(image, weights), 3, stride=2)
    return plain_logits(means[0].permute(1, 2, 0), weights)


def run_tower(image: Tensor, published: Weights, classes: ClassMap) -> Tensor:
    """Return the map of the converted tower, (3, 3, 1280)."""
    tower: Any = transformers.EfficientNetModel(make_config())
    tower.eval().load_state_dict(convert_tower(published, classes))
    with torch.inference_mode():
        cells: Tensor = tower(image).last_hidden_state
    return cells[0].permute(1, 2, 0)


def test_a_window_says_the_classes_above_the_threshold(published: Weights, pixels: Tensor) -> None:
    """Catches a block, a padding or a normalisation that is not that of the published model."""
    logits = list_windows(pixels, published)
    threshold = float(logits.quantile(0.9))
    spread = float(logits.std())
    cells = run_tower(pixels, published, ClassMap(threshold, slope=2 / spread))
    expected = functional.relu6(2 / spread * (logits - threshold))
    assert cells.shape == (SIDE, SIDE, CHANNELS)
    torch.testing.assert_close(cells[..., :1000], expected, atol=2e-3, rtol=1e-3)
    assert (cells[..., 1000:] == 0).all()
    assert 0.02 < (cells > 0).float().mean() < 0.12


@pytest.mark.parametrize("context", [0.3, 1.0])
def test_a_share_of_the_whole_image_is_in_every_window(
    published: Weights, pixels: Tensor, context: float
) -> None:
    """Catches a share of the whole image that is one of the neighbours, or less at the border."""
    image = plain_logits(plain_cells(pixels, published).mean((2, 3))[0], published)
    logits = (1 - context) * list_windows(pixels, published) + context * image
    threshold, slope = float(logits.min()), 5.9 / float(logits.max() - logits.min())
    cells = run_tower(pixels, published, ClassMap(threshold, slope, context))
    expected = slope * (logits - threshold)
    torch.testing.assert_close(cells[..., :1000], expected, atol=2e-3, rtol=1e-3)
