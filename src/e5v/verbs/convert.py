"""`e5v convert`: the original LLaVA-NeXT shards, as a checkpoint of transformers.

source -> e5v.checkpoints.convert_llava -> a folder
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from e5v.places import refuse_url
from e5v.verbs.console import announce, say
from e5v.verbs.paths import need_folder, need_new_folder


@dataclass(frozen=True)
class Convert:
    """Convert the original llama3-llava-next-8b for transformers.

    The published weights of LLaVA-NeXT on Llama 3, the model that E5-V was trained from, are in a
    format of their own; the result is a checkpoint that transformers and e5v open, with a card.

    Examples:
        e5v convert lmms-lab/llama3-llava-next-8b --out llava-llama-3-8b
    """

    source: Annotated[Positional[str], arg(metavar="SOURCE")]
    """Hub id or folder, in the format of lmms-lab/llama3-llava-next-8b."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """New folder for the checkpoint."""


def convert(verb: Convert) -> None:
    """Convert, shard by shard.

    Raises:
        E5VError: the source has another format or lacks a part, or the folder exists already.
    """
    need_new_folder(verb.out, "--out")
    _check_source(verb.source)
    announce(f"converting {verb.source}")
    from e5v.checkpoints.convert_llava import convert as convert_into

    convert_into(verb.source, verb.out)
    say(f"wrote {verb.out}; check it with: e5v verify {verb.out}")


def _check_source(source: str) -> None:
    """Refuse a path or URL that cannot be the source."""
    refuse_url(source, "SOURCE")
    path = Path(source).expanduser()
    if path.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
        need_folder(path, "SOURCE")
