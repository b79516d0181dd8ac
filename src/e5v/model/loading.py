"""Open a checkpoint and check that it is complete.

bundled | hub id | folder -> config -> backbone record -> weights + processor -> Loaded

Every problem is reported as one `ModelError`.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import torch
import transformers

from e5v.errors import ModelError, first_line
from e5v.model.adapters import fetch_adapter, find_source
from e5v.model.backbones import GENERIC, Backbone, Tiling, find_backbone
from e5v.model.bitsandbytes_internals import keep_unpacked
from e5v.model.devices import pick_dtype
from e5v.model.dividing import check_device_map, main_device, settle
from e5v.model.failures import advise_version
from e5v.model.head import head_weights, take_head
from e5v.model.hf_internals import find_model_class, input_device, takes_images
from e5v.model.image_budget import ImageBudget, check_image_budget, use_image_budget
from e5v.model.locating import find_model
from e5v.model.merging import merge_into_model
from e5v.model.multimodal import MultimodalModel, MultimodalProcessor
from e5v.model.opening import Opening, OpenOptions, Weights
from e5v.model.partial import Part, partial_class
from e5v.model.processors import image_token_id, open_processor
from e5v.model.prompts import Turn
from e5v.model.quantised import check_weights, load_options
from e5v.model.recipe import Recipe
from e5v.model.recipes_llava import E5_V
from e5v.model.recognising import Recognised, choose_turn, recognise, recognise_source
from e5v.model.rendering import chat_template
from e5v.model.resizing import limit_pixels
from e5v.model.skeleton import make_skeleton
from e5v.model.tiling import check_tiling, use_tiling

TALKERS = ("accelerate", "huggingface_hub", "bitsandbytes")  # advise of what is not needed
SINGLE_WEIGHTS = "The following device_map keys do not match"  # LLaVA-NeXT's image_newline


@dataclass(frozen=True)
class Loaded:
    """An open model with everything the encoder needs.

    `image_token_id` marks the positions of image tokens in the ids; `turn` is None where the chat
    template is used; `unexpected` names weights of the checkpoint that the model does not use;
    `part` says whether only the language model, or only the vision tower, was loaded; `tiling` how
    images are cut into tiles. `recipe` is how it is asked, and `recipe_by` how that is known, empty
    if it is only assumed. `engine_digest` is the fingerprint of a model whose weights are with
    an engine (`e5v.model.engine_encoder`), otherwise empty. `adapter` is the one asked for by name.
    `image_budget` is None without a limit; `weights` says how matrices are stored, `adapted` if an
    adapter is merged into them.
    """

    name: str
    model: MultimodalModel
    processor: MultimodalProcessor
    backbone: Backbone
    turn: Turn | None
    image_token_id: int
    unexpected: tuple[str, ...]
    part: Part = "whole"
    tiling: Tiling = "correct"
    engine_digest: str = ""
    recipe: Recipe = E5_V
    recipe_by: str = ""
    adapter: str | Path | None = None
    image_budget: ImageBudget | None = None
    weights: Weights = "full"
    adapted: bool = False

    @property
    def language_model(self) -> Any:
        """The text decoder, without its output head."""
        return self.model.get_decoder()

    @property
    def device(self) -> torch.device:
        """The device of the inputs; other layers may be on others (`e5v.model.dividing`)."""
        return input_device(self.model)

    @property
    def text_config(self) -> Any:
        """The configuration of the language model."""
        return self.model.config.get_text_config(decoder=True)

    @property
    def image_tokens(self) -> int | None:
        """The most tokens of an image, as asked for; None for as many as the model gives."""
        return self.image_budget.most if self.image_budget else None

    @property
    def context(self) -> int:
        """The most tokens of a prompt: the context of the language model, or the recipe's limit."""
        context = getattr(self.text_config, "max_position_embeddings", None) or 2**20
        return min(context, self.recipe.max_tokens or context)


def load(name: str | Path, *, part: Part = "whole", **options: Unpack[OpenOptions]) -> Loaded:
    """Open a multimodal model: bundled, from the hub, or from a folder; `options` as in `Opening`.

    `part` loads only the language model (and head), or only the vision tower (and projector).

    Raises:
        ModelError: the model is missing, is text only, lacks weights, has no suitable processor or
            chat template, or is of another family than the tiling, the recipe or the image budget.
        UsageError: the device, dtype, tiling or recipe is unknown or not available, or images
            cannot have so few tokens.
        MissingExtraError: the library that stores or divides the weights is not installed.
    """
    how = Opening(**options)
    found = find_source(name, how.adapter)
    name, source, trusted = str(name), found.checkpoint, how.trust_remote_code
    check_device_map(how.device, how.device_map)
    place = main_device(how.device, how.device_map)
    check_weights(name, how.weights, place, adapted=bool(found.adapter))
    recognised = recognise_source(name, found, how.recipe)
    adapter = fetch_adapter(found.adapter) if found.adapter else None
    config = _read_config(name, source, trust_remote_code=trusted)
    backbone = find_backbone(config.model_type)
    _check_kind(name, config, backbone)
    check_tiling(name, how.tiling, backbone, config.model_type)
    with quiet():
        check_image_budget(name, source, config, backbone, how)
        skeleton = partial(make_skeleton, config, backbone, trusted)
        given = load_options(how.weights, pick_dtype(how.dtype, place), place, skeleton)
        given["trust_remote_code"] = trusted
        given |= {"device_map": how.device_map} if how.device_map else {}
        model_class = _model_class(name, config, backbone, part)
        model, info = _load_weights(name, source, model_class, given)
    _check_weights(name, model, info)
    keep_unpacked(model)
    unexpected = tuple(sorted(info["unexpected_keys"])) if part == "whole" else ()
    if unexpected:
        unused = f"{name} has weights that the model does not use: {unexpected[0]}, ..."
        warnings.warn(unused, stacklevel=3)
    model = settle(name, model.eval().requires_grad_(requires_grad=False), place)
    if adapter:
        merge_into_model(adapter, model, part)
    loaded = _add_processor(source, model, backbone, recognised, remote=trusted)
    use_tiling(how.tiling, model, loaded.processor)
    budget = use_image_budget(how.image_tokens, backbone, model.config, loaded.processor)
    loaded = replace(loaded, adapter=how.adapter, adapted=bool(adapter), weights=how.weights)
    loaded = replace(loaded, name=name, unexpected=unexpected, part=part, tiling=how.tiling)
    return replace(loaded, image_budget=budget)


def outline(
    name: str | Path, *, trust_remote_code: bool = False, recipe: str | None = None
) -> Loaded:
    """Open a model without its weights: its tensors have names and shapes, but no content.

    Raises:
        ModelError, UsageError: as `load`.
    """
    name, source = str(name), find_model(name)
    recognised = recognise([name], source, recipe)
    config = _read_config(name, source, trust_remote_code=trust_remote_code)
    backbone = find_backbone(config.model_type)
    _check_kind(name, config, backbone)
    try:
        with quiet():
            model = make_skeleton(config, backbone, trust_remote_code)
    except Exception as error:
        raise ModelError(f"{name} cannot be opened as a model: {first_line(error)}") from error
    loaded = _add_processor(source, model, backbone, recognised, remote=trust_remote_code)
    return replace(loaded, name=name)


def _add_processor(
    name: str, model: Any, backbone: Backbone, recognised: Recognised, *, remote: bool
) -> Loaded:
    """Return a `Loaded` for a model: with its processor, recipe, chat turn and image token."""
    recipe = recognised.recipe
    with quiet():
        processor = open_processor(name, model.config, backbone, remote)
    if recipe.pixels:
        limit_pixels(processor.image_processor, *recipe.pixels)
    language_model = model.config.get_text_config(decoder=True).model_type
    turn = choose_turn(recipe, backbone.turns, language_model, processor.tokenizer.get_vocab())
    _check_prompt(name, processor, turn)
    return Loaded(
        name=name,
        model=model,
        processor=processor,
        backbone=backbone,
        turn=turn,
        image_token_id=image_token_id(name, model.config, processor),
        unexpected=(),
        recipe=recipe,
        recipe_by=recognised.by,
    )


def _read_config(name: str, source: str, *, trust_remote_code: bool) -> Any:
    try:
        with quiet():
            return transformers.AutoConfig.from_pretrained(
                source, trust_remote_code=trust_remote_code
            )
    except Exception as error:
        reason = f"{first_line(error)}{advise_version()}"
        raise ModelError(f"{name} cannot be opened as a model: {reason}") from error


def _check_kind(name: str, config: Any, backbone: Backbone) -> None:
    thinker = getattr(config, "thinker_config", None)
    opens = find_model_class(transformers.AutoModelForImageTextToText, thinker)
    if opens is not None:
        raise ModelError(
            f"{name} is a whole {config.model_type} model; expected its thinker alone: save what "
            f"{opens.__name__}.from_pretrained opens, and the processor, in a folder"
        )
    remote = getattr(config, "auto_map", None) or {}
    multimodal = takes_images(config.model_type)
    if backbone is GENERIC and not multimodal and "AutoModelForImageTextToText" not in remote:
        raise ModelError(
            f"{name} is a {config.model_type} model, which takes no images; "
            "expected an image-text-to-text model"
        )


def _model_class(name: str, config: Any, backbone: Backbone, part: Part) -> Any:
    auto_class = getattr(transformers, backbone.auto_class)
    if part == "whole":
        return auto_class
    whole = find_model_class(auto_class, config)
    if whole is None:
        raise ModelError(
            f"{name} runs its own code, so no part of it can be opened alone; open the whole model"
        )
    return partial_class(whole, part, backbone.vision_within)


def _load_weights(
    name: str, source: str, model_class: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # _check_weights
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", SINGLE_WEIGHTS)
            loaded: tuple[Any, Any] = model_class.from_pretrained(source, **options)
    except Exception as error:
        raise ModelError(f"the weights of {name} cannot be loaded: {first_line(error)}") from error
    return loaded


def _check_weights(name: str, model: Any, info: Any) -> None:
    """Raise if the checkpoint lacks weights; only an output head may be missing."""
    missing = sorted(info["missing_keys"])
    head = sorted(head_weights(model).intersection(missing)) if missing else []
    if head:
        take_head(name, model, head[0])
    missing = [key for key in missing if key not in head]
    misshapen = sorted(str(entry[0]) for entry in info["mismatched_keys"])
    for what, keys in (("lacks", missing), ("has the wrong shape for", misshapen)):
        if keys:
            shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")  # noqa: PLR2004
            raise ModelError(
                f"{name} {what} {len(keys)} of the model's weights ({shown}); "
                "expected all of them: download the whole checkpoint"
            )


def _check_prompt(name: str, processor: Any, turn: Turn | None) -> None:
    if turn is None and not chat_template(processor):
        raise ModelError(
            f"{name} is of an unknown model family and has no chat template; "
            "add chat_template.jinja to the checkpoint, or add its family to e5v.model.backbones"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers and what it uses; problems are raised as errors instead."""
    logs: Any = transformers.utils.logging
    before, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    levels = {one: one.level for one in map(logging.getLogger, TALKERS)}
    for one in levels:
        one.setLevel(logging.ERROR)
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(before)
        for one, level in levels.items():
            one.setLevel(level)
        if bars:
            logs.enable_progress_bar()
