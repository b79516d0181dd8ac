"""Vectors of the stand-in pictures by the official code's own path, on transformers 4.41.2.

small random LLaVA-NeXT + pictures -> processor, whole model, `hidden_states[-1][:, -1]` -> JSON

Run it in an environment of its own, from the root of the repository, where e5v is not needed:

    python -m venv old && old/bin/pip install transformers==4.41.2 "numpy<2" torch pillow
    old/bin/python -m tests.golden.transformers_4_41 tests/golden/transformers_4_41.json
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import LlavaNextForConditionalGeneration, LlavaNextProcessor

from tests.golden.small_llava_next import write_checkpoint
from tests.golden.stand_ins import PICTURES, draw

VERSION = "4.41.2"
TURN = (  # as in the official retrieval.py: BOS is put before it by the tokenizer
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n \n"
)
IMAGE_PROMPT = TURN.format("<image>\nSummary above image in one word: ")
TEXT_PROMPT = TURN.format("<sent>\nSummary above sentence in one word: ")
TEXTS = ("A dog runs.", "Two men in red shirts play football on a wet field near the lake.")


def measure(folder: Path) -> dict[str, Any]:
    """Return the versions, and a vector for each text and each picture."""
    processor: Any = LlavaNextProcessor.from_pretrained(folder)
    model: Any = LlavaNextForConditionalGeneration.from_pretrained(folder)
    texts = [TEXT_PROMPT.replace("<sent>", text) for text in TEXTS]
    asked = {text: processor(prompt) for text, prompt in zip(TEXTS, texts, strict=True)}
    shown = {name: processor([IMAGE_PROMPT], [draw(name)]) for name in PICTURES}
    return {
        "versions": {name: version(name) for name in ("transformers", "torch", "numpy", "pillow")},
        "texts": {text: _embed(model, inputs) for text, inputs in asked.items()},
        "pictures": {name: _embed(model, inputs) for name, inputs in shown.items()},
    }


@torch.no_grad()
def _embed(model: Any, inputs: Any) -> dict[str, Any]:
    """Return the unit vector, and the length of the sequence that the language model saw."""
    output = model(**inputs, output_hidden_states=True, return_dict=True)
    state = output.hidden_states[-1][:, -1, :]
    vector = torch.nn.functional.normalize(state, dim=-1)[0]
    return {
        "length": output.hidden_states[-1].shape[1],
        "vector": [round(value, 8) for value in vector.tolist()],
    }


if __name__ == "__main__":
    if (found := version("transformers")) != VERSION:
        sys.exit(f"transformers is {found}; expected {VERSION}")
    with TemporaryDirectory() as made:
        record = measure(write_checkpoint(Path(made)))
    lines = json.dumps(record, indent=1)
    Path(sys.argv[1]).write_text(lines + "\n")
