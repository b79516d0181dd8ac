"""Ask the hub, once and with a short timeout, and say why it does not give what is asked.

hub id -> one request, a few seconds at most -> its record: names, sizes | an error

transformers and huggingface_hub retry for 40 seconds and report each attempt; here there are no
retries. A model whose files are all in the hub's cache opens without the hub.
"""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal, TypeVar

from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from e5v.errors import ModelError, first_line

CONFIG = "config.json"
TIMEOUT = 3.0  # seconds, unless HF_HUB_ETAG_TIMEOUT is set
WHOLE = ("model.safetensors", "pytorch_model.bin")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")

Kind = Literal["model", "data set"]
PAGES: dict[Kind, str] = {"model": "", "data set": "datasets/"}  # on the hub's site
Made = TypeVar("Made")


class NotFoundError(ModelError):
    """A model is not available from the hub; the message completes "the model is not ..."."""


def file_names(name: str) -> list[str]:
    """Return the names of a model's files.

    Raises:
        NotFoundError: the model does not exist, is not accessible, or the hub does not answer.
    """
    return [file.rfilename for file in model_info(name).siblings or ()]


def cached_folder(name: str) -> Path | None:
    """Return the folder of a model whose files are all in the hub's cache, else None."""
    config = try_to_load_from_cache(name, CONFIG)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if _is_whole(folder) else None


def cached_adapter(name: str) -> Path | None:
    """Return the folder of an adapter whose files are all in the hub's cache, else None."""
    config = try_to_load_from_cache(name, ADAPTER[0])
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if any((folder / file).is_file() for file in ADAPTER[1:]) else None


def download_adapter(name: str, *files: str) -> Path:
    """Return the folder of an adapter's files, downloaded to the hub's cache; by default all.

    Raises:
        ModelError: they cannot be downloaded.
    """
    hidden = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return Path(snapshot_download(name, allow_patterns=list(files or ADAPTER)))
    except Exception as error:
        raise ModelError(f"{name} cannot be downloaded: {first_line(error)}") from error
    finally:
        if not hidden:
            enable_progress_bars()


def cached_names() -> Iterator[str]:
    """List the models in the hub's cache."""
    for path in Path(constants.HF_HUB_CACHE).glob("models--*"):
        yield path.name.removeprefix("models--").replace("--", "/")


def _is_whole(folder: Path) -> bool:
    """Check whether a folder has all weights of its checkpoint."""
    from json import loads

    if any((folder / file).is_file() for file in WHOLE):
        return True
    for index in INDEXES:
        if (folder / index).is_file():
            listed = loads((folder / index).read_text(encoding="utf-8")).get("weight_map", {})
            return all((folder / file).is_file() for file in set(listed.values()))
    return False


@lru_cache(maxsize=16)
def model_info(name: str) -> ModelInfo:
    """Return the hub's record of a model, if this user may download it."""
    try:
        return run_with_timeout(find_timeout(), lambda: _request_info(name, find_timeout()))
    except Exception as error:
        raise NotFoundError(explain_failure(error, name)) from None


def find_timeout() -> float:
    """Return how many seconds the hub is given to answer."""
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or TIMEOUT)


def explain_failure(error: Exception, name: str, kind: Kind = "model") -> str:
    """Return why the hub did not give what was asked; completes "the model is not ..."."""
    host = constants.ENDPOINT.removeprefix("https://").removeprefix("http://")
    match error:
        case GatedRepoError():
            page = f"{constants.ENDPOINT}/{PAGES[kind]}{name}"
            return (
                f"open to you on {host}: request access at {page}, then log in with hf auth login"
            )
        case RepositoryNotFoundError():
            why = f"a {kind} on {host} that you may see"
        case RevisionNotFoundError():
            why = f"on {host} at the revision that is asked for"
        case HfHubHTTPError():
            why = f"available: {host} answered with HTTP status {error.response.status_code}"
        case OfflineModeIsEnabled():
            where = "in the hub's cache" if kind == "model" else "in the folder"
            why = f"complete {where}, and HF_HUB_OFFLINE is set"
        case TimeoutError():
            why = f"reachable: {host} did not answer in {find_timeout():g} seconds"
        case _:
            why = f"reachable: {host} cannot be connected to ({first_line(error)})"
    return why


def _request_info(name: str, seconds: float) -> ModelInfo:
    api = HfApi()
    info = api.model_info(name, files_metadata=True, timeout=seconds)
    if info.gated:
        api.auth_check(name)
    return info


def run_with_timeout(seconds: float, act: Callable[[], Made]) -> Made:
    """Return what `act` returns, or raise `TimeoutError` after some seconds.

    The timeouts of a connection do not cover the DNS lookup.
    """
    box: SimpleQueue[Made | Exception] = SimpleQueue()

    def run() -> None:
        try:
            box.put(act())
        except Exception as error:  # raised again in the waiting thread
            box.put(error)

    Thread(target=run, daemon=True).start()
    try:
        result = box.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result
