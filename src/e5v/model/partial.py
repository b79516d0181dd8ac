"""Open only the language model, or only the vision tower, of a multimodal model.

class of the checkpoint -> other part removed when built -> only remaining weights are read

Training needs only the language model, and the vision tower makes image tokens without it. Weights
of removed modules are not read from the files.
"""

from typing import Any, Literal

from torch import nn

from e5v.model.hf_internals import forget_tied_weights, mark_as_initialised

Part = Literal["whole", "language", "vision"]


def partial_class(whole: Any, part: Part, within: tuple[str, ...] = ()) -> Any:
    """Return a subclass of `whole` whose models have only one part.

    `within` names modules inside the language model that belong to the vision part.
    """

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        whole.__init__(self, *args, **kwargs)
        take_out(self, part, within)

    body = {"__init__": __init__, "__module__": whole.__module__}
    return type(whole.__name__, (whole,), body)


def take_out(model: Any, part: Part, within: tuple[str, ...] = ()) -> None:
    """Remove the modules that `part` does not need; the language part keeps its head."""
    language = _language_modules(model, within)
    _prune(model, language, keeps_language=part == "language")
    if part == "vision":
        forget_tied_weights(model)  # head and embedding are removed


def language_path(model: Any) -> str:
    """Return the path of the decoder in a model, such as `model.language_model`."""
    decoder = model.get_decoder()
    names: dict[int, str] = {id(module): name for name, module in model.named_modules()}
    return names[id(decoder)]


def _language_modules(model: Any, within: tuple[str, ...]) -> set[nn.Module]:
    roots = (model.get_decoder(), model.get_input_embeddings(), model.get_output_embeddings())
    found = {module for root in roots if root is not None for module in root.modules()}
    for name in within:
        found -= set(getattr(model.get_decoder(), name).modules())
    return found


def _prune(module: nn.Module, language: set[nn.Module], *, keeps_language: bool) -> None:
    """Remove the children of the other part; recurse into those that contain both."""
    for name, child in list(module.named_children()):
        members = set(child.modules())
        kept = members & language if keeps_language else members - language
        if not kept:
            setattr(module, name, None)
        elif len(kept) < len(members):
            _prune(child, language, keeps_language=keeps_language)
    if keeps_language and module not in language:
        for name, _ in list(module.named_parameters(recurse=False)):
            setattr(module, name, None)  # LLaVA-NeXT's image_newline
            mark_as_initialised(module)
