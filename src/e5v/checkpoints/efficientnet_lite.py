"""Turn the weights of an EfficientNet-Lite classifier into transformers' EfficientNet.

    published state dict -> names of transformers -> a tower whose cells say ImageNet classes

EfficientNet-Lite is EfficientNet without squeeze-and-excitation and with relu6. Its classifier
becomes a last stage of the tower, applied to each cell of the map in the place of the pooled
features: channel c of a cell is relu6(slope * (logit of class c - threshold)).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import EfficientNetConfig

CHANNELS = 1280  # of the classifier's input, and of the map: the classes, then zeros
EPS = 1e-3  # of every batch normalisation
OPEN = 30.0  # its sigmoid is 1: squeeze-and-excitation then changes nothing
MODULES = {  # of a published block -> of transformers' block
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}
STEM = {"_conv_stem": "embeddings.convolution", "_bn0": "embeddings.batchnorm"}


@dataclass(frozen=True)
class Variant:
    """One size of EfficientNet-Lite: images of size x size pixels, channels and blocks by stage."""

    size: int
    channels: tuple[int, ...]
    repeats: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Cells of the map along one side."""
        return math.ceil(self.size / 32)


LITE0 = Variant(224, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1))
LITE2 = Variant(260, (16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1))


@dataclass(frozen=True)
class ClassMap:
    """How a cell's features become channels, one per class.

    A class is silent below the `threshold`, a logit; above it the channel rises with `slope`, to 6
    at most. `context` is the share of the mean over all cells in each cell's features, 0 to 1.
    """

    threshold: float
    slope: float = 2.0
    context: float = 0.0


def make_config(variant: Variant) -> Any:
    """Return the config of a tower; its `hidden_size` is what FastVLM reads the width from."""
    made: Any = EfficientNetConfig
    return made(
        image_size=variant.size,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=[32, *variant.channels],
        out_channels=[*variant.channels, 1000],
        kernel_sizes=[3, 3, 5, 3, 5, 5, 3, 2 * variant.cells - 1],
        strides=[1, 2, 2, 2, 1, 2, 1, 1],
        expand_ratios=[1, 6, 6, 6, 6, 6, 6, math.ceil(CHANNELS / variant.channels[-1])],
        num_block_repeats=[*variant.repeats, 1],
        depthwise_padding=_symmetric_blocks(variant),
        hidden_dim=CHANNELS,
        hidden_size=CHANNELS,
        hidden_act="relu6",
        batch_norm_eps=EPS,
        squeeze_expansion_ratio=1e-9,  # one channel: it is switched off
        drop_connect_rate=0.0,
        dropout_rate=0.0,
    )


def _symmetric_blocks(variant: Variant) -> list[int]:
    """Return the blocks of stride 2 whose input has an odd size: their padding is symmetric."""
    strides = (1, 2, 2, 2, 1, 2, 1)
    size, block, odd = math.ceil(variant.size / 2), 0, []
    for stride, repeats in zip(strides, variant.repeats, strict=True):
        if stride > 1:
            if size % 2:
                odd.append(block)
            size = math.ceil(size / 2)
        block += repeats
    return odd


def convert_tower(
    published: Mapping[str, Tensor], variant: Variant, classes: ClassMap
) -> dict[str, Tensor]:
    """Return the weights of the tower, in float32, by transformers' names."""
    weights: dict[str, Tensor] = {}
    blocks = sum(variant.repeats)
    for name, tensor in published.items():
        module, _, rest = name.partition(".")
        if module in STEM:
            weights[f"{STEM[module]}.{rest}"] = tensor
        elif module == "_blocks":
            place, part, kind = rest.split(".")
            weights[f"encoder.blocks.{place}.{MODULES[part]}.{kind}"] = tensor
    weights |= _make_class_stage(published, f"encoder.blocks.{blocks}", variant, classes)
    weights |= _make_top(classes)
    for block in range(blocks + 1):
        weights |= _neutral_attention(weights, f"encoder.blocks.{block}")
    return {name: tensor.contiguous() for name, tensor in weights.items()}


def _make_class_stage(
    published: Mapping[str, Tensor], block: str, variant: Variant, classes: ClassMap
) -> dict[str, Tensor]:
    """Return the stage that holds the classifier: its hidden channels are the pooled features."""
    width = variant.channels[-1] * math.ceil(CHANNELS / variant.channels[-1])
    weights = {f"{block}.expansion.expand_conv.weight": _pad(published["_conv_head.weight"], width)}
    for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        name = f"{block}.expansion.expand_bn.{kind}"
        weights[name] = _pad(published[f"_bn1.{kind}"], width)
    side = 2 * variant.cells - 1  # from each cell the kernel reaches every other one
    kernel = torch.full((side, side), classes.context / variant.cells**2)
    kernel[side // 2, side // 2] += 1 - classes.context
    weights[f"{block}.depthwise_conv.depthwise_conv.weight"] = kernel.repeat(width, 1, 1, 1)
    weights |= _identity_norm(f"{block}.depthwise_conv.depthwise_norm", width)
    matrix = torch.zeros(len(published["_fc.weight"]), width)
    matrix[:, :CHANNELS] = published["_fc.weight"]
    weights[f"{block}.projection.project_conv.weight"] = matrix[:, :, None, None]
    weights |= _identity_norm(f"{block}.projection.project_bn", len(matrix))
    weights[f"{block}.projection.project_bn.bias"] = published["_fc.bias"] - classes.threshold
    return weights


def _make_top(classes: ClassMap) -> dict[str, Tensor]:
    """Return the last convolution: it only multiplies by the slope, before relu6."""
    matrix = torch.zeros(CHANNELS, 1000)
    matrix.fill_diagonal_(classes.slope)
    return {"encoder.top_conv.weight": matrix[:, :, None, None]} | _identity_norm(
        "encoder.top_bn", CHANNELS
    )


def _identity_norm(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.ones(channels),
        f"{name}.bias": torch.zeros(channels),
        f"{name}.running_mean": torch.zeros(channels),
        f"{name}.running_var": torch.full((channels,), 1 - EPS),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


def _neutral_attention(weights: Mapping[str, Tensor], block: str) -> dict[str, Tensor]:
    """Return a squeeze-and-excitation that multiplies by 1."""
    channels = len(weights[f"{block}.depthwise_conv.depthwise_conv.weight"])
    name = f"{block}.squeeze_excite"
    return {
        f"{name}.reduce.weight": torch.zeros(1, channels, 1, 1),
        f"{name}.reduce.bias": torch.zeros(1),
        f"{name}.expand.weight": torch.zeros(channels, 1, 1, 1),
        f"{name}.expand.bias": torch.full((channels,), OPEN),
    }


def _pad(tensor: Tensor, rows: int) -> Tensor:
    """Add zero rows, up to a number of rows; a scalar stays."""
    if not tensor.dim() or len(tensor) == rows:
        return tensor
    return torch.cat([tensor, tensor.new_zeros(rows - len(tensor), *tensor.shape[1:])])
