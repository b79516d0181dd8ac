"""Opens a checkpoint and makes sure that all of it arrived.

hub id | folder -> config -> backbone record -> weights + processor -> Loaded, or one clear error
"""

import inspect
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils.hub import cached_file

from e5v.errors import ModelError, UsageError, first_line
from e5v.model.backbones import GENERIC, Backbone, find_backbone
from e5v.model.heap import keep_freed
from e5v.model.prompts import TURNS, Turn
from e5v.model.rendering import chat_template

DTypeName = Literal["auto", "float32", "bfloat16", "float16"]
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
VIDEO = "video_processor"


@dataclass(frozen=True)
class Loaded:
    """An open model: everything that the encoder needs to know about it.

    `image_token_id` marks the places of image tokens in the ids; `turn` is None where the chat
    template is used; `unexpected` names weights of the checkpoint that the model has no place for.
    """

    name: str
    model: Any
    processor: Any
    backbone: Backbone
    turn: Turn | None
    image_token_id: int
    unexpected: tuple[str, ...]

    @property
    def language_model(self) -> Any:
        """The text decoder, without its head."""
        return self.model.get_decoder()

    @property
    def text_config(self) -> Any:
        """The configuration of the language model."""
        return self.model.config.get_text_config(decoder=True)


def load(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: DTypeName = "auto",
    trust_remote_code: bool = False,
) -> Loaded:
    """Open a multimodal model from the hub or a folder.

    Raises:
        ModelError: no such model, a text-only one, weights missing, or no processor or chat
            template that fits.
        UsageError: the device or dtype is unknown, or not on this machine.
    """
    name = str(name)
    config = _config(name, trust_remote_code=trust_remote_code)
    backbone = find_backbone(config.model_type)
    _check_kind(name, config, backbone)
    place = _place(device)
    if place.type == "cpu":
        keep_freed()
    with quiet():
        model, info = _weights(name, backbone, pick_dtype(dtype, place), trust_remote_code)
        processor = _processor(name, model.config, backbone, trust_remote_code)
    _check_weights(name, info)
    unexpected = tuple(sorted(info["unexpected_keys"]))
    if unexpected:
        warnings.warn(
            f"{name} has weights that the model has no place for: {unexpected[0]}, ...",
            stacklevel=3,
        )
    turn = _turn(processor, model.config, backbone)
    _check_prompt(name, processor, turn)
    return Loaded(
        name=name,
        model=model.eval().requires_grad_(requires_grad=False).to(place),
        processor=processor,
        backbone=backbone,
        turn=turn,
        image_token_id=_image_token_id(name, model.config, processor),
        unexpected=unexpected,
    )


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the torch dtype of a name; "auto" is bfloat16 where the machine is fast at it.

    Raises:
        UsageError: the name is not known.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype in known:
        return known[dtype]
    if dtype != "auto":
        raise UsageError(f'dtype is "{dtype}"; expected auto, {", ".join(known)}')
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    fast_cpu = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast_cpu else torch.float32


def _place(device: str | None) -> torch.device:
    """Return the device of a name, if this machine has it; the fastest at hand for None."""
    if device is None:
        fast = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else fast)
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f'device "{device}" cannot be used here: {first_line(error)}; leave it out'
        ) from None


def _config(name: str, *, trust_remote_code: bool) -> Any:
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise ModelError(f"{name} is a folder without config.json; expected a model checkpoint")
    try:
        return transformers.AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    except Exception as error:
        raise ModelError(f"{name} cannot be opened as a model: {first_line(error)}") from error


def _check_kind(name: str, config: Any, backbone: Backbone) -> None:
    remote = getattr(config, "auto_map", None) or {}
    multimodal = config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    if backbone is GENERIC and not multimodal and "AutoModelForImageTextToText" not in remote:
        raise ModelError(
            f"{name} is a {config.model_type} model, which takes no images; "
            "expected an image-text-to-text model"
        )


def _weights(name: str, backbone: Backbone, dtype: torch.dtype, remote: bool) -> tuple[Any, Any]:  # noqa: FBT001
    auto_class = getattr(transformers, backbone.auto_class)
    options = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # we name them all
    try:
        loaded: tuple[Any, Any] = auto_class.from_pretrained(
            name, dtype=dtype, trust_remote_code=remote, **options
        )
    except Exception as error:
        raise ModelError(f"the weights of {name} cannot be loaded: {first_line(error)}") from error
    return loaded


def _check_weights(name: str, info: Any) -> None:
    missing = sorted(info["missing_keys"])
    misshapen = sorted(str(entry[0]) for entry in info["mismatched_keys"])
    for what, keys in (("lacks", missing), ("has the wrong shape for", misshapen)):
        if keys:
            shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")  # noqa: PLR2004
            raise ModelError(
                f"{name} {what} {len(keys)} of the model's weights ({shown}); "
                "they would be random: get the whole checkpoint"
            )


def _processor(name: str, config: Any, backbone: Backbone, remote: bool) -> Any:  # noqa: FBT001
    try:
        made = _processor_class(name, config)
        takes_video = VIDEO in inspect.signature(made.__init__).parameters
        absent = {VIDEO: None} if takes_video else {}
        processor = made.from_pretrained(name, trust_remote_code=remote, **absent)
    except Exception as error:
        raise ModelError(f"{name} has no processor: {first_line(error)}") from error
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"{name} has a {type(processor).__name__} instead of a processor for images and text; "
            "add its preprocessor_config.json"
        )
    if backbone.processor_from_config:
        vision = config.vision_config
        processor.patch_size = vision.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(vision.model_type == "clip_vision_model")
    return processor


def _processor_class(name: str, config: Any) -> Any:
    """Return the checkpoint's processor class, less its video half.

    Every video processor needs torchvision, which nothing here uses, and the processors that have
    one do not load without it. Images and texts go through the same code either way.
    """
    declared = next(filter(None, (_declared_processor(name, file) for file in PROCESSOR_FILES)), "")
    full: Any = getattr(transformers, declared, None) or PROCESSOR_MAPPING.get(type(config), None)
    if full is None:  # a processor of the checkpoint's own, in Python: trusted, or refused by Auto
        return transformers.AutoProcessor

    def get_attributes(cls: Any) -> list[str]:
        return [part for part in super(images_only, cls).get_attributes() if part != VIDEO]

    body = {"get_attributes": classmethod(get_attributes), VIDEO: None}
    images_only: Any = type(full.__name__, (full,), body)
    return images_only


def _declared_processor(name: str, file: str) -> str:
    """Read which processor class a file of the checkpoint names, if it does."""
    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    declared = json.loads(Path(path).read_text()) if path else {}
    return str(declared.get("processor_class") or "")


def _turn(processor: Any, config: Any, backbone: Backbone) -> Turn | None:
    """Return the first of the family's paper turns that its language model speaks."""
    vocabulary = processor.tokenizer.get_vocab()
    language_model = config.get_text_config(decoder=True).model_type
    for turn in TURNS:
        if turn.name in backbone.turns and turn.fits(language_model, vocabulary.__contains__):
            return turn
    return None


def _check_prompt(name: str, processor: Any, turn: Turn | None) -> None:
    if turn is None and not chat_template(processor):
        raise ModelError(
            f"{name} is of a family without a record and has no chat template; "
            "add chat_template.jinja to the checkpoint, or a record to e5v's backbones"
        )


def _image_token_id(name: str, config: Any, processor: Any) -> int:
    number = getattr(config, "image_token_id", None)
    if number is None:
        number = getattr(getattr(config, "vision_config", None), "image_token_id", None)
    if number is None:
        number = processor.image_token_id
    if number is None or number >= len(processor.tokenizer):
        raise ModelError(
            f"{name} marks images with token {number}, but its tokenizer has "
            f"{len(processor.tokenizer)} tokens; the processor belongs to another model"
        )
    return int(number)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing; what matters comes back as an error of ours."""
    logs: Any = transformers.utils.logging
    before, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(before)
        if bars:
            logs.enable_progress_bar()
