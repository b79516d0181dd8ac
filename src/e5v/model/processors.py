"""Open the processor of a checkpoint, and run it on images.

folder  -> its processor class, without video -> settings that old files lack
picture -> the model's own processor -> Pixels: arrays + the string for its placeholder
"""

import copy
import inspect
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import PIL.Image
import transformers

from e5v.errors import ModelError, first_line
from e5v.model.backbones import Backbone
from e5v.model.hf_internals import find_file
from e5v.model.image_files import UnreadableError
from e5v.model.image_inputs import Pixels
from e5v.model.processor_internals import find_processor_class, without_part
from e5v.model.resizing import Resize, patch_factor, resize
from e5v.model.special_tokens import follow_settings

if TYPE_CHECKING:
    from e5v.model.loading import Loaded

TOKENIZER_CONFIG = "tokenizer_config.json"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", TOKENIZER_CONFIG)
VIDEO = "video_processor"
# Qwen2.5-Omni's processor reads this size in transformers before 5.23, though there is no video.
NO_VIDEO = SimpleNamespace(merge_size=1)


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
    return without_part(full, VIDEO, NO_VIDEO)


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


class ImageProcessor:
    """Runs a model's own processor on one image at a time, from any thread.

    A picture is resized in `steps` first (`e5v.model.resizing`). `fit` returns arguments of the
    processor that an image of a height and width has for itself.
    """

    def __init__(
        self,
        processor: Any,
        steps: Sequence[Resize] = (),
        fit: Callable[[int, int], dict[str, Any]] | None = None,
    ) -> None:
        self._processor, self._steps, self._fit = processor, steps, fit

    @classmethod
    def of(cls, loaded: "Loaded") -> "ImageProcessor":
        """Return the processor of an open model, with its recipe's sizes and its image budget."""
        budget = loaded.image_budget
        return cls(loaded.processor, loaded.recipe.resize, budget.fit if budget else None)

    def __call__(self, picture: PIL.Image.Image) -> Pixels:
        """Return the arrays of one RGB picture and the expansion of its placeholder.

        The processor is called in the usual way, with only the placeholder as the prompt; two
        wrappers record the arrays from its image processor and the text given to its tokenizer.
        This works the same for every family and every version of transformers.

        Raises:
            UnreadableError: the processor refuses the picture (such as a shape it cannot tile).
        """
        picture = resize(picture, self._steps, patch_factor(self._processor.image_processor))
        processor = copy.copy(self._processor)
        images = _ImageRecorder(self._processor.image_processor)
        processor.image_processor = images
        processor.tokenizer = _TextRecorder(self._processor.tokenizer)
        own = self._fit(picture.height, picture.width) if self._fit else {}
        try:
            processor(text=[processor.image_token], images=[picture], return_tensors="pt", **own)
        except _TextError as recorded:
            return Pixels(images.arrays, recorded.text)
        except Exception as error:
            width, height = picture.size
            raise UnreadableError(
                f"the model's processor refuses a {width}x{height} image: {first_line(error)}"
            ) from error
        raise UnreadableError("the model's processor never tokenised its prompt")


class _TextError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _ImageRecorder:
    """Wraps an image processor and records what it returned."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.arrays: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        returned = self._inner(*args, **kwargs)
        self.arrays = {key: value for key, value in returned.items() if hasattr(value, "shape")}
        return returned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _TextRecorder:
    """Wraps a tokenizer and raises `_TextError` with the text it was given."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, text: Any, **_: Any) -> Any:
        raise _TextError(text[0] if isinstance(text, list) else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
