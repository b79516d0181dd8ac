"""`e5v merge`: a tuned language model, put back into the whole model and proved.

run + source -> e5v.model.surgery -> e5v.model.proof, a table or JSON lines -> a folder
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import ModelError, UsageError
from e5v.verbs.opening import Opening
from e5v.verbs.talk import say
from e5v.verbs.verify import show_checks

if TYPE_CHECKING:
    from e5v.model.surgery import Merged


@dataclass(frozen=True)
class Merge:
    """Put a trained adapter back into its model: a whole checkpoint, proved before it is there.

    The result opens with e5v, transformers and sentence-transformers. Only the language model's
    matrices that the adapter names change; that, and that the vectors moved, is checked.

    e5v merge run --out tuned
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """A folder that e5v train wrote, or one of an adapter as peft writes it."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """A new folder for the merged model."""
    model: Annotated[str | None, arg(metavar="M")] = None
    """The hub id or folder of the model to merge into; by default the one that was trained."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def merge(verb: Merge) -> None:
    """Merge, show each check when it is made, and keep the result if all passed.

    Raises:
        E5VError: run or model cannot be used, do not fit each other, or a check failed.
    """
    from e5v.model.lora import find_run
    from e5v.model.proof import prove
    from e5v.model.surgery import merge as merge_into

    source = verb.model or find_run(verb.run).source
    if not source:
        raise UsageError(f"{verb.run} does not say which model it was made on; give --model")

    def proof(merged: "Merged") -> None:
        if not show_checks(prove(merged, **asdict(verb.opening)), json=verb.json):
            raise ModelError(f"a check failed: {verb.out} was not written")

    merge_into(
        verb.run,
        source,
        verb.out,
        proof=proof,
        trust_remote_code=verb.opening.trust_remote_code,
    )
    say(f"merged {verb.run} and {source} into {verb.out}")
