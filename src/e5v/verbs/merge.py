"""`e5v merge`: an adapter, merged into the whole model and checked.

run + source -> merge -> merge_checks, a table or JSON lines -> a folder
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import ModelError
from e5v.verbs.console import announce, say
from e5v.verbs.model_options import WholeOpening, check_whole_model
from e5v.verbs.paths import need_folder, need_new_folder
from e5v.verbs.verify import show_checks

if TYPE_CHECKING:
    from e5v.checkpoints.merge import Merged


@dataclass(frozen=True)
class Merge:
    """Merge a trained adapter into its model: a whole checkpoint.

    The result opens with e5v, transformers and sentence-transformers. Before it is kept, it is
    checked: only the weights that the adapter names have changed, and the vectors with them.

    Examples:
        e5v merge run --out tuned
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder that e5v train wrote, or of an adapter as peft writes it."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """New folder for the merged model."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model to merge into; by default the one that was trained."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[WholeOpening] = field(default_factory=WholeOpening)


def merge(verb: Merge) -> None:
    """Merge, show each check as soon as it is done, and keep the result if all passed.

    Raises:
        E5VError: run or model cannot be used, do not fit each other, or a check failed.
    """
    need_folder(verb.run, "RUN")
    need_new_folder(verb.out, "--out")
    if verb.model:
        check_whole_model(verb.model)
    announce(f"merging {verb.run}")
    from e5v.checkpoints.merge import merge as merge_adapter
    from e5v.checkpoints.merge_checks import prove

    def check(merged: "Merged") -> None:
        if not show_checks(prove(merged, **asdict(verb.opening)), json=verb.json):
            raise ModelError(f"a check failed: {verb.out} was not written")

    trusted = verb.opening.trust_remote_code
    merged = merge_adapter(verb.run, verb.out, verb.model, check=check, trust_remote_code=trusted)
    say(f"merged {verb.run} and {merged.model} into {verb.out}")
