"""From what the stages have left to a checkpoint that plain transformers opens.

vision.pt | align.pt + language.pt -> weights in bfloat16 + tokenizer + processor -> folder

    python -m nano.assemble build/nano build/nano/base
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from nano.architecture import SIZES, new_model, new_processor
from nano.pretrain import load_weights
from nano.tokenizer import load_tokenizer


def assemble(stages: Path, target: Path, size: str) -> None:
    """Write the model of a folder of stages; `align` has the last word on the vision tower."""
    tokenizer = load_tokenizer(stages / "tokenizer")
    model = new_model(SIZES[size], tokenizer, seed=0).to(torch.bfloat16)
    for stage in ("language", "vision", "align"):
        if (stages / f"{stage}.pt").exists():
            load_weights(model, stages / f"{stage}.pt")
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(target)
    new_processor(tokenizer).save_pretrained(target)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--size", choices=SIZES, default="nano")
    given = parser.parse_args()
    assemble(given.stages, given.target, given.size)


if __name__ == "__main__":
    main()
