"""`e5v push`: a model or an adapter to the Hugging Face hub, checked before.

folder -> files, with sizes -> checks of e5v verify -> e5v.checkpoints.push -> its address
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import ModelError, UsageError, plural
from e5v.places import refuse_url
from e5v.verbs.console import announce, say, show_line, wants_lines
from e5v.verbs.model_options import WholeOpening
from e5v.verbs.paths import need_folder
from e5v.verbs.verify import show_checks

if TYPE_CHECKING:
    from e5v.checkpoints.push import Upload

MEGABYTE = 1e6


@dataclass(frozen=True)
class Push:
    """Upload a model or an adapter to the Hugging Face hub.

    FOLDER is a model with its card (README.md), as e5v merge writes it, or a run or adapter of e5v
    train; an adapter without a card gets one. The checks of e5v verify are made first: if one
    fails, nothing is uploaded. Log in with hf auth login, or set HF_TOKEN.

    Examples:
        e5v push tuned you/tuned --private
        e5v push run you/adapter --dry-run
    """

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """Folder of a model, of a training run or of an adapter."""
    id: Annotated[Positional[str], arg(metavar="ID")]
    """Id on the hub, OWNER/NAME; made if it does not exist."""
    private: bool = False
    """Make a model that only you can see."""
    dry_run: bool = False
    """Do everything but upload."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[WholeOpening] = field(default_factory=WholeOpening)


def push(verb: Push) -> None:
    """Check, list and upload.

    Raises:
        E5VError: the folder or the id cannot be used, a check failed, or the hub refuses.
    """
    refuse_url(verb.folder, "FOLDER")
    need_folder(verb.folder, "FOLDER")
    from e5v.checkpoints.push import check_id, check_upload, plan_upload
    from e5v.checkpoints.push import push as upload_to_hub

    check_id(verb.id)
    token = _find_token(needed=not verb.dry_run)
    upload = plan_upload(verb.folder, verb.id)
    _show_files(upload, json=verb.json)
    if upload.local_base:
        say(
            f"warning: adapter_config.json names its model by a path on this machine, "
            f"{upload.local_base}; write its hub id there, so that others can use the adapter"
        )
    announce(f"checking {upload.folder}")
    if not show_checks(check_upload(upload, asdict(verb.opening)), json=verb.json):
        raise ModelError(f"a check failed: {upload.folder} was not uploaded")
    total = f"{plural(len(upload.files), 'file')}, {upload.size / MEGABYTE:,.1f} MB"
    if verb.dry_run:
        say(f"dry run: {total} would be uploaded to {verb.id}; leave out --dry-run to do so")
        return
    say(f"uploading {total} to {verb.id}")
    address = upload_to_hub(upload, token, private=verb.private)
    say(f"uploaded {upload.folder} to {address}")


def _find_token(*, needed: bool) -> str:
    """Return the token of this user; without one, empty with a warning, if it is not needed."""
    from e5v.checkpoints.push import find_token

    try:
        return find_token()
    except UsageError as error:
        if needed:
            raise
        say(f"warning: {error}")
        return ""


def _show_files(upload: "Upload", *, json: bool) -> None:
    """Print what will be uploaded."""
    if wants_lines(json=json):
        for file in upload.files:
            show_line({"file": file.name, "bytes": file.size})
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for file in upload.files:
        console.print(f"{file.size / MEGABYTE:>12,.3f} MB  {file.name}")
