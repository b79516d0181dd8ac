"""Open the processor of a checkpoint: its image processor and tokenizer.

folder -> its processor class, without video -> settings that old files lack
"""

import inspect
import json
from typing import Any

import transformers

from e5v.errors import ModelError, first_line
from e5v.model.backbones import Backbone
from e5v.model.hf_internals import find_file, find_processor_class, without_attribute
from e5v.model.special_tokens import follow_settings

TOKENIZER_CONFIG = "tokenizer_config.json"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", TOKENIZER_CONFIG)
VIDEO = "video_processor"


def open_processor(name: str, config: Any, backbone: Backbone, remote: bool) -> Any:  # noqa: FBT001
    """Open the processor of a checkpoint; `remote` allows Python code that comes with it.

    Raises:
        ModelError: there is none, or it does not take images and text.
    """
    try:
        made = _processor_class(name, config)
        takes_video = VIDEO in inspect.signature(made.__init__).parameters
        absent = {VIDEO: None} if takes_video else {}
        processor = made.from_pretrained(name, trust_remote_code=remote, **absent)
    except Exception as error:
        raise ModelError(f"{name} has no processor: {first_line(error)}") from error
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"{name} has a {type(processor).__name__}; expected a processor for images and text: "
            "add its preprocessor_config.json"
        )
    follow_settings(processor.tokenizer, tokenizer_config(name))
    if backbone.processor_from_config:
        vision = config.vision_config
        processor.patch_size = vision.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(vision.model_type == "clip_vision_model")
    return processor


def _processor_class(name: str, config: Any) -> Any:
    """Return the checkpoint's processor class, without its video processor.

    Video processors need torchvision, which e5v does not use, and a processor that has one does
    not load without torchvision. The code for images and texts is the same.
    """
    declared = next(filter(None, (_declared_processor(name, file) for file in PROCESSOR_FILES)), "")
    full: Any = getattr(transformers, declared, None) or find_processor_class(config)
    if full is None:  # Python code of the checkpoint, which Auto refuses unless trusted
        return transformers.AutoProcessor
    return without_attribute(full, VIDEO)


def _declared_processor(name: str, file: str) -> str:
    """Return the processor class named in a file of the checkpoint; empty if none."""
    return str(_read_json(name, file).get("processor_class") or "")


def tokenizer_config(name: str) -> dict[str, Any]:
    """Read the settings of a checkpoint's tokenizer; empty if it has none."""
    return _read_json(name, TOKENIZER_CONFIG)


def _read_json(name: str, file: str) -> dict[str, Any]:
    """Read a JSON file of the checkpoint; empty if missing."""
    path = find_file(name, file)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return content


def image_token_id(name: str, config: Any, processor: Any) -> int:
    """Return the id that marks the positions of image tokens.

    Raises:
        ModelError: the tokenizer has no such id.
    """
    number = getattr(config, "image_token_id", None)
    if number is None:
        number = getattr(getattr(config, "vision_config", None), "image_token_id", None)
    if number is None:
        number = processor.image_token_id
    if number is None or number >= len(processor.tokenizer):
        raise ModelError(
            f"{name} marks images with token {number}, but its tokenizer has "
            f"{len(processor.tokenizer)} tokens; get the processor of this model"
        )
    return int(number)
