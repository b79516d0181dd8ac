"""A model whose weights are with an engine: everything but the forward pass happens here.

name -> configuration, tokenizer, image processor, no weights -> Engine
     -> its vectors of a text and an image, compared with the model's own -> EngineEncoder
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from e5v.errors import EngineError, UsageError
from e5v.inputs import RawItem
from e5v.model.devices import pick_device, pick_dtype
from e5v.model.encoder import Prompted
from e5v.model.engine import Engine
from e5v.model.engine_address import EngineAddress
from e5v.model.engine_reference import ITEMS, find_reference, find_weights
from e5v.model.fingerprint import engine_fingerprint
from e5v.model.head import take_head
from e5v.model.literal import literal_template
from e5v.model.loading import Loaded, outline
from e5v.model.locating import shown_name
from e5v.model.opening import DTypeName, Opening
from e5v.model.preparing import Preparer
from e5v.model.prompts import RETRIEVAL

LEAST_COSINE = 0.999  # with the model's own vectors: formats of numbers and kernels differ


@dataclass(frozen=True)
class EngineEncoder:
    """Runs a model on an engine; what `e5v.model.encoder.Encoder` is with the weights here.

    States are unit vectors: an engine tells no length.
    """

    loaded: Loaded
    engine: Engine
    readout: str = "last"
    layout: str = "packed"  # an engine pads nothing
    alone_above: int | None = None

    @property
    def width(self) -> int:
        """d, the number of values in a vector."""
        return int(self.loaded.text_config.hidden_size)

    @property
    def context(self) -> int:
        """The most tokens of one prompt: of the model, or of the engine if that takes fewer."""
        return min(self.loaded.context, self.engine.served.max_tokens or self.loaded.context)

    def states(self, batch: Sequence[Prompted]) -> Float[Tensor, "n d"]:
        """Return the vector of each prompt, (n, d) float32 on the CPU.

        Raises:
            EngineError: the engine is away, refuses, or answers something else.
        """
        return torch.from_numpy(self.engine.embed(batch))


def open_on_engine(name: str | Path, address: EngineAddress, how: Opening) -> EngineEncoder:
    """Open a model without its weights, and check that the engine has them.

    The engine's vectors of a text and an image are compared with those of the model, if its weights
    are on this machine; otherwise only their width can be checked, and a warning says so.

    Raises:
        EngineError: it cannot be reached, or gives other vectors.
        ModelError: the model has no configuration, tokenizer or processor.
        UsageError: an option is for weights that are here.
    """
    if option := how.find_changed(("tiling", "image_tokens", "weights")):
        noun = option.replace("_", " ")
        raise UsageError(f"an engine has its own {noun}; leave it out", argument=option)
    loaded = outline(name, trust_remote_code=how.trust_remote_code, recipe=how.recipe)
    dtype = _choose_dtype(how.dtype, str(name), loaded)
    loaded.model.to(dtype)  # it has no content
    take_head(str(name), loaded.model, "it is with the engine")
    template = literal_template(loaded.processor.image_token)
    engine = Engine(address, template, int(loaded.text_config.hidden_size))
    encoder = EngineEncoder(loaded, engine)
    digest = _compare(encoder, str(name), str(dtype).removeprefix("torch."), how)
    return replace(encoder, loaded=replace(loaded, engine_digest=digest))


def _choose_dtype(asked: DTypeName, name: str, loaded: Loaded) -> torch.dtype:
    """Return the dtype of the model that stands for the engine's: "auto" is that of the same here.

    So what an engine embeds and what this machine embeds have one fingerprint. Without weights here
    there is nothing to compare with, and it is the dtype of the checkpoint on every machine.
    """
    if asked != "auto":
        return pick_dtype(asked, torch.device("cpu"))
    if find_weights(name) is not None:
        return pick_dtype("auto", pick_device(None))
    dtype: torch.dtype = loaded.model.config.dtype or torch.float32
    return dtype


def _compare(encoder: EngineEncoder, name: str, dtype: str, how: Opening) -> str:
    """Compare the engine's vectors with the model's own; return the fingerprint of the model."""
    preparer = Preparer(encoder.loaded, encoder.context, for_engine=True)
    remote = how.trust_remote_code
    reference = find_reference(name, dtype, trust_remote_code=remote, recipe=how.recipe)
    for place, (kind, item) in enumerate(ITEMS.items()):
        try:
            row = _embed(encoder, preparer, item)
        except EngineError as error:
            if kind == "text":
                raise
            warnings.warn(f"images cannot be embedded: {error}", stacklevel=4)
            continue
        if reference is None:
            continue
        cosine = float(row @ reference.rows[place])
        if cosine < LEAST_COSINE:
            raise EngineError(
                f"the engine does not serve {name}: its vector of the same {kind} has a cosine of "
                f"{cosine:.4f} with that of {name}, expected {LEAST_COSINE} or more"
            )
    if reference is not None:
        return reference.fingerprint
    warnings.warn(
        f"the weights of {name} are not on this machine: only the width of the engine's vectors "
        "was compared, not the vectors",
        stacklevel=4,
    )
    return engine_fingerprint(encoder.loaded, shown_name(name))


def _embed(encoder: EngineEncoder, preparer: Preparer, item: RawItem) -> NDArray[np.float32]:
    prepared = preparer.prepare(item, 0, RETRIEVAL)
    row: NDArray[np.float32] = encoder.engine.embed([prepared.prompted])[0]
    return row
