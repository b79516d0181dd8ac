"""Upload a checkpoint, or an adapter, to the Hugging Face hub in one commit.

folder -> files and card -> Upload -> checks of `e5v verify` -> create_repo -> commit -> its address

Nothing heavy is imported before the checks.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import ModelError, UsageError, first_line
from e5v.model.locating import ADAPTER_CONFIG, RECIPE, find_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from e5v.model.verify import Check

CARD = "README.md"
LOCAL_BASE = re.compile(
    r"^base_model:\s*[\"']?(?P<path>[/~.][^\"'\n]*|[A-Za-z]:\\.*)", re.MULTILINE
)
DENIED = {
    401: "the token is not valid; log in again with: hf auth login",
    403: "this token may not write there; expected a token that may, and an id of your own",
}


@dataclass(frozen=True)
class UploadFile:
    """A file to upload: its name in the repository, bytes, and content or where that is."""

    name: str
    size: int
    content: Path | bytes


@dataclass(frozen=True)
class Upload:
    """The files of a folder, to be uploaded to the model `id`.

    `run` is the folder of an adapter's training run, or the adapter's own; None for a model.
    """

    folder: Path
    id: str
    files: tuple[UploadFile, ...]
    run: Path | None = None

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def local_base(self) -> str | None:
        """The path of the model that an adapter names in its settings; None if it names none."""
        if self.run is None:
            return None
        settings = json.loads((self.folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        base = settings.get("base_model_name_or_path")
        return str(base) if base and (Path(base).is_absolute() or Path(base).exists()) else None


def check_id(id: str) -> None:
    """Check that an id is one that the hub takes: NAME, or OWNER/NAME.

    Raises:
        UsageError: it is not.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(id)
    except HFValidationError:
        raise UsageError(
            f"{id!a} is not an id of the hub; expected OWNER/NAME, of letters, digits, '-', '_' "
            "and '.'"
        ) from None


def find_token() -> str:
    """Return the token of this user.

    Raises:
        UsageError: there is none.
    """
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise UsageError(
            "there is no token of the hub; log in with: hf auth login, or set HF_TOKEN"
        )
    return token


def plan_upload(folder: Path, id: str) -> Upload:
    """List what a folder would upload: all files but hidden ones.

    A training run's folder means its adapter. An adapter without a card gets one.

    Raises:
        ModelError: the folder is neither a model nor an adapter.
        UsageError: it has no card, or one that names a path on this machine.
    """
    run = _find_run(folder)
    if run is None:
        find_model(folder)
    elif (folder / "adapter" / ADAPTER_CONFIG).is_file():
        folder = folder / "adapter"
    files = {file.name: file for file in _list_files(folder)}
    if CARD not in files and run:
        card = _make_adapter_card(run, id).encode()
        files[CARD] = UploadFile(CARD, len(card), card)
    if CARD not in files:
        raise UsageError(f"{folder} has no {CARD}, the model card that the hub shows; write one")
    _check_card(folder, files[CARD])
    return Upload(folder, id, tuple(files[name] for name in sorted(files)), run)


def _find_run(folder: Path) -> Path | None:
    """Return the folder of a run, given that or its adapter; None if there is no adapter."""
    if (folder / "adapter" / ADAPTER_CONFIG).is_file():
        return folder
    if not (folder / ADAPTER_CONFIG).is_file():
        return None
    above = folder.resolve().parent
    return above if folder.resolve().name == "adapter" and (above / RECIPE).is_file() else folder


def _list_files(folder: Path) -> Iterator[UploadFile]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            yield UploadFile(name, path.stat().st_size, path)


def _check_card(folder: Path, card: UploadFile) -> None:
    content = card.content.read_bytes() if isinstance(card.content, Path) else card.content
    if found := LOCAL_BASE.search(content.decode("utf-8", "replace")):
        raise UsageError(
            f"{folder / CARD} has base_model {found['path'].strip()}, a path on this machine; "
            "write the hub id of that model"
        )


def _make_adapter_card(run: Path, id: str) -> str:
    from e5v.checkpoints.model_card import format_adapter_card
    from e5v.model.adapters import find_run

    found = find_run(run)
    local = not found.source or Path(found.source).exists() or Path(found.source).is_absolute()
    return format_adapter_card(id, None if local else found.source, found.recipe)


def check_upload(upload: Upload, opening: Mapping[str, Any]) -> "Iterator[Check]":
    """Yield the checks of `e5v verify`; an adapter is merged into its model in memory for them.

    Raises:
        ModelError: the model, or that of the adapter, cannot be opened, or they do not fit.
        UsageError: the adapter does not name its model.
    """
    from e5v.model.adapters import find_run
    from e5v.model.embedder import E5V
    from e5v.model.loading import load
    from e5v.model.merging import merge_into_model
    from e5v.model.verify import check, verify

    if upload.run is None:
        yield from verify(str(upload.folder), **opening)
        return
    source = find_run(upload.run).source
    if not source:
        raise UsageError(f"{upload.folder} does not name the model that it was trained on")
    loaded = load(source, **opening)
    merge_into_model(upload.folder, loaded.model)
    yield from check(E5V(loaded))


def push(upload: Upload, token: str, *, private: bool) -> str:
    """Upload in one commit; return the address of the model.

    The model is made if it does not exist. Files there that the folder does not have stay.

    Raises:
        UsageError: `private` is asked for, and the model is there and public.
        ModelError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [CommitOperationAdd(file.name, _source(file)) for file in upload.files]
    api = HfApi(token=token)
    try:
        if private:
            _check_private(api, upload.id)
        repo = api.create_repo(upload.id, private=private or None, exist_ok=True)
        api.create_commit(repo.repo_id, operations, commit_message="Upload with e5v push")
    except UsageError:
        raise
    except Exception as error:
        raise ModelError(f"{upload.id} was not uploaded: {_explain(error)}") from error
    return str(repo)


def _check_private(api: "HfApi", id: str) -> None:
    """Check that a model is private, or not there yet."""
    if api.repo_exists(id) and not api.model_info(id).private:
        raise UsageError(
            f"{id} exists and is public; choose another id, or make it private on the hub first",
            argument="private",
        )


def _source(file: UploadFile) -> str | bytes:
    return str(file.content) if isinstance(file.content, Path) else file.content


def _explain(error: Exception) -> str:
    """Say in one line why the hub did not take it."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    while isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # of a large file's upload
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return DENIED.get(status, f"the hub answered with HTTP status {status}")
    if isinstance(error, ValueError):  # of the card: a line for each fault
        return " ".join(str(error).split())
    return f"the hub cannot be reached ({first_line(error)})"
