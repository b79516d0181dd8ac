"""Make a model without its weights: modules and tensors have names and shapes, but no content.

config, its family -> the class that opens it, on the device "meta" -> model
"""

from typing import Any

import torch
import transformers

from e5v.model.backbones import Backbone


def make_skeleton(config: Any, backbone: Backbone, remote: bool) -> Any:  # noqa: FBT001
    """Return a model of a config; `remote` allows Python code that comes with the checkpoint."""
    auto_class = getattr(transformers, backbone.auto_class)
    with torch.device("meta"):
        return auto_class.from_config(config, trust_remote_code=remote)
