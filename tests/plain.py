"""The model card's own lines, one item at a time: what every vector is held against.

prompt string, images -> processor -> model(..., output_hidden_states=True) -> [-1][:, -1]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image


def plain_vector(
    model: Any, processor: Any, string: str, images: Sequence[Image.Image] = ()
) -> NDArray[np.float32]:
    """Return the unit last hidden state of the last token, as float32 (d,)."""
    bos = processor.tokenizer.bos_token
    own_bos = bool(bos) and string.startswith(bos)
    inputs = processor(
        text=[string],
        images=list(images) or None,
        add_special_tokens=not own_bos,
        return_tensors="pt",
    )
    for key, value in inputs.items():
        if value.is_floating_point():
            inputs[key] = value.to(model.dtype)
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states[-1][:, -1]
    row: NDArray[np.float32] = torch.nn.functional.normalize(states.float(), dim=-1)[0].numpy()
    return row


def chat_string(processor: Any, *parts: str | Image.Image) -> str:
    """Render one user turn as transformers does: texts as they stand, a mark for each image."""
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in parts
    ]
    message = {"role": "user", "content": content}
    template = processor.chat_template or processor.tokenizer.chat_template
    string: str = processor.tokenizer.apply_chat_template(
        [message], chat_template=template, add_generation_prompt=True, tokenize=False
    )
    return string
