"""Turn the weights of an EfficientNet-Lite0 classifier into transformers' EfficientNet.

    published state dict -> names of transformers -> a tower whose cells say ImageNet classes

EfficientNet-Lite is EfficientNet without squeeze-and-excitation and with relu6. Its classifier
becomes a last stage of the tower. Where the classifier has the mean of all 7 x 7 cells, this stage
has means of 3 x 3 cells, one at every second cell, and gives a map of 3 x 3. Channel c of it is
relu6(slope * (logit of class c - threshold)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import EfficientNetConfig

SIZE = 224  # pixels along a side of the image
CELLS = 7  # along a side of the published map
WINDOW, STRIDE = 3, 2  # of the last stage
SIDE = (CELLS - WINDOW) // STRIDE + 1  # cells along a side of the last stage's map
OUT = (16, 24, 40, 80, 112, 192, 320)  # channels by stage
REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks by stage
REACH = 2 * CELLS - 1  # a kernel of this width reaches every cell from any other
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
class ClassMap:
    """How a cell's features become channels, one per class.

    A class is silent below the `threshold`, a logit; above it the channel rises with `slope`, to 6
    at most. `context` is the share of the mean over all cells in each cell's features, 0 to 1.
    """

    threshold: float
    slope: float = 2.0
    context: float = 0.0


def make_config() -> Any:
    """Return the config of the tower; its `hidden_size` is what FastVLM reads the width from."""
    made: Any = EfficientNetConfig
    return made(
        image_size=SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=[32, *OUT],
        out_channels=[*OUT, 1000],
        kernel_sizes=[3, 3, 5, 3, 5, 5, 3, REACH],
        strides=[1, 2, 2, 2, 1, 2, 1, STRIDE],
        expand_ratios=[1, 6, 6, 6, 6, 6, 6, CHANNELS // OUT[-1]],
        num_block_repeats=[*REPEATS, 1],
        depthwise_padding=[],  # the first window then begins at the first cell
        hidden_dim=CHANNELS,
        hidden_size=CHANNELS,
        hidden_act="relu6",
        batch_norm_eps=EPS,
        squeeze_expansion_ratio=1e-9,  # one channel: it is switched off
        drop_connect_rate=0.0,
        dropout_rate=0.0,
    )


def convert_tower(published: Mapping[str, Tensor], classes: ClassMap) -> dict[str, Tensor]:
    """Return the weights of the tower, in float32, by transformers' names."""
    weights: dict[str, Tensor] = {}
    blocks = sum(REPEATS)
    for name, tensor in published.items():
        module, _, rest = name.partition(".")
        if module in STEM:
            weights[f"{STEM[module]}.{rest}"] = tensor
        elif module == "_blocks":
            place, part, kind = rest.split(".")
            weights[f"encoder.blocks.{place}.{MODULES[part]}.{kind}"] = tensor
    weights |= _make_class_stage(published, f"encoder.blocks.{blocks}", classes)
    weights |= _make_top(classes)
    for block in range(blocks + 1):
        weights |= _neutral_attention(weights, f"encoder.blocks.{block}")
    return {name: tensor.contiguous() for name, tensor in weights.items()}


def _make_class_stage(
    published: Mapping[str, Tensor], block: str, classes: ClassMap
) -> dict[str, Tensor]:
    """Return the stage that holds the classifier: its hidden channels are the pooled features."""
    depthwise, project = f"{block}.depthwise_conv", f"{block}.projection"
    weights = {f"{block}.expansion.expand_conv.weight": published["_conv_head.weight"]}
    for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        weights[f"{block}.expansion.expand_bn.{kind}"] = published[f"_bn1.{kind}"]
    kernel = _make_kernel(classes.context)
    weights[f"{depthwise}.depthwise_conv.weight"] = kernel.repeat(CHANNELS, 1, 1, 1)
    weights |= _identity_norm(f"{depthwise}.depthwise_norm", CHANNELS)
    matrix = published["_fc.weight"]
    weights[f"{project}.project_conv.weight"] = matrix[:, :, None, None]
    weights |= _identity_norm(f"{project}.project_bn", len(matrix))
    weights[f"{project}.project_bn.bias"] = published["_fc.bias"] - classes.threshold
    return weights


def _make_kernel(context: float) -> Tensor:
    """Return the weights of a cell's surroundings: the mean of a window, and of all cells."""
    kernel = torch.full((REACH, REACH), context / CELLS**2)
    window = slice(CELLS - 1 - WINDOW // 2, CELLS + WINDOW // 2)
    kernel[window, window] += (1 - context) / WINDOW**2
    return kernel


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
