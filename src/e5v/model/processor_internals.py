"""Names of transformers' processors that are not part of their public interface.

what e5v needs -> the private name that gives it -> one function, and one test of it

Seen to work with transformers 5.17 to 5.24, as those in `e5v.model.hf_internals`.
"""

from collections.abc import Callable
from typing import Any

import transformers
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING


def find_processor_class(config: Any) -> Any | None:
    """Return the class of processor that belongs to a config; None if transformers has none."""
    return PROCESSOR_MAPPING.get(type(config), None)


def without_part(processor_class: Any, part: str, instead: Any) -> Any:
    """Return a subclass of a processor class that does not load one of its parts.

    `instead` takes its place; the others keep theirs among the arguments. A class without this part
    is returned as it is.
    """
    whole: list[str] = processor_class.get_attributes()
    if part not in whole:
        return processor_class

    class Remaining(transformers.ProcessorMixin):
        """Stands after the processor class, whose `__init__` passes all parts on to it."""

        def __init__(self, *parts: Any, **others: Any) -> None:
            given = dict(zip(whole, parts, strict=False)) | others
            init: Any = super().__init__
            init(**{name: one for name, one in given.items() if name != part})

    def get_attributes(cls: Any) -> list[str]:
        return [one for one in super(smaller, cls).get_attributes() if one != part]

    def load(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        loaded = iter(super(smaller, cls)._get_arguments_from_pretrained(*args, **kwargs))
        return [None if one == part else next(loaded) for one in whole]

    body = {
        "get_attributes": classmethod(get_attributes),
        "_get_arguments_from_pretrained": classmethod(load),
        part: instead,
    }
    smaller: Any = type(processor_class.__name__, (processor_class, Remaining), body)
    return smaller


def llava_next_image_processor() -> Any:
    """Return the class of LLaVA-NeXT's image processor that needs no torchvision."""
    from transformers.models.llava_next.image_processing_pil_llava_next import (
        LlavaNextImageProcessorPil,
    )

    return LlavaNextImageProcessorPil


def replace_llava_next_tiling(
    model: Any,
    processor: Any,
    *,
    pad: Callable[..., Any],
    count: Callable[..., Any],
    join: Callable[..., Any],
) -> None:
    """Let an open LLaVA-NeXT cut images into tiles, and join their features, in another way.

    `pad` returns the padding of a resized image, `count` the numbers of features and of line ends
    that are left of its tiles, and `join` the features of each image in one row. The image
    processor becomes the one without torchvision, which resizes as versions before 5 did.
    """
    pil = llava_next_image_processor()
    padding: Any = type(pil.__name__, (pil,), {"_get_padding_size": staticmethod(pad)})
    processor.image_processor = padding.from_dict(processor.image_processor.to_dict())
    processor._get_unpadded_features = count
    model.base_model.pack_image_features = join


def keep_base_tile(processor: Any, count: int) -> None:
    """Let LLaVA-NeXT's processor make only the tile that shows the whole image, `count` tokens.

    A model whose config has the grid of 0 x 0 pixels only takes that tile and ends it with a line
    end. No setting of the processor gives it: it cuts every image into one tile more, at least.
    """
    stock: Any = type(processor.image_processor)
    tile = processor.image_processor.crop_size["height"]

    def preprocess(self: Any, images: Any, *given: Any, **options: Any) -> Any:
        made = stock.preprocess(
            self, images, *given, **options | {"image_grid_pinpoints": [[tile, tile]]}
        )
        made["pixel_values"] = made["pixel_values"][:, :1]
        return made

    first: Any = type(stock.__name__, (stock,), {"preprocess": preprocess})
    processor.image_processor = first.from_dict(processor.image_processor.to_dict())
    drops_one = processor.vision_feature_select_strategy == "default"
    processor._get_number_of_features = lambda *_: count + drops_one
