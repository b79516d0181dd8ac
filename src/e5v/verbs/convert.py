"""`e5v convert`: the original LLaVA-NeXT shards, as a checkpoint of transformers.

source -> e5v.model.convert -> a folder
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from e5v.verbs.talk import say


@dataclass(frozen=True)
class Convert:
    """Turn the original llama3-llava-next-8b into a checkpoint that transformers opens.

    e5v convert lmms-lab/llama3-llava-next-8b --out llava-llama-3-8b
    """

    source: Annotated[Positional[str], arg(metavar="SOURCE")]
    """A hub id or a folder in the format of lmms-lab/llama3-llava-next-8b."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """A new folder for the checkpoint."""


def convert(verb: Convert) -> None:
    """Convert, shard by shard.

    Raises:
        E5VError: the source has another format or lacks a part, or the folder is there already.
    """
    from e5v.model.convert import convert as convert_into

    convert_into(verb.source, verb.out)
    say(f"wrote {verb.out}; e5v verify {verb.out} checks it")
