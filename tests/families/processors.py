"""Processors without their video half: class -> the same class that asks for no video processor.

Every video processor of transformers needs torchvision, which this project does not install, and
the processors of Qwen, SmolVLM, InternVL and LLaVA-OneVision refuse to load without one. Images go
through the same code either way, so the tests' reference loads them without it.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import transformers

VIDEO = "video_processor"
NO_VIDEO = SimpleNamespace(num_frames=0, fps=0, merge_size=2)  # read where there is no video


def images_only(processor_class: Any) -> Any:
    """Make `processor_class` without its video processor, under its own name.

    Where the class has one, None takes its place among the parts, and is not passed on.
    """
    whole = processor_class.get_attributes()
    if VIDEO not in whole:
        return processor_class

    class Rest(transformers.ProcessorMixin):
        def __init__(self, *parts: Any, **kwargs: Any) -> None:
            init: Any = super().__init__
            init(*(part for part in parts if part is not None), **kwargs)

    def get_attributes(cls: Any) -> list[str]:
        return [name for name in super(made, cls).get_attributes() if name != VIDEO]

    def load_parts(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        parts = super(made, cls)._get_arguments_from_pretrained(*args, **kwargs)
        return [*parts[: whole.index(VIDEO)], None, *parts[whole.index(VIDEO) :]]

    body = {
        "get_attributes": classmethod(get_attributes),
        "_get_arguments_from_pretrained": classmethod(load_parts),
        VIDEO: NO_VIDEO,
    }
    made: Any = type(processor_class.__name__, (processor_class, Rest), body)
    return made


def load_processor(folder: Path) -> Any:
    """Open a processor as AutoProcessor does where torchvision is installed, without videos."""
    config_file = folder / "processor_config.json"
    if not config_file.exists():  # as before transformers 4.42
        config_file = folder / "preprocessor_config.json"
    processor_class = getattr(transformers, json.loads(config_file.read_text())["processor_class"])
    return images_only(processor_class).from_pretrained(folder)


def save_video_half(folder: Path, video_processor_type: str, fields: dict[str, Any]) -> None:
    """Write what AutoProcessor needs besides where torchvision is installed."""
    config = fields | {"video_processor_type": video_processor_type}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(config, indent=2))
