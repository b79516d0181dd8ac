"""Ask the hub for a model's files, once and with a short timeout, before transformers does.

hub id -> one request, a few seconds at most -> names and sizes of its files | an error

transformers and huggingface_hub retry for 40 seconds and report each attempt; here there are no
retries. A model whose files are all in the hub's cache opens without the hub.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from huggingface_hub import HfApi, constants, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from e5v.errors import ModelError, first_line

CONFIG = "config.json"
TIMEOUT = 3.0  # seconds, unless HF_HUB_ETAG_TIMEOUT is set
SMALL = (".json", ".jinja", ".txt", ".model", ".py")  # downloaded beside the weights
WHOLE = ("model.safetensors", "pytorch_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


class NotFoundError(ModelError):
    """A model is not available from the hub; the message completes "the model is not ..."."""


@dataclass(frozen=True)
class Download:
    """What opening a model downloads, and the memory it needs.

    `files` are still to be downloaded, `size` bytes in total; the open weights take `memory` bytes.
    """

    files: int
    size: int
    memory: int


def file_names(name: str) -> list[str]:
    """Return the names of a model's files.

    Raises:
        NotFoundError: the model does not exist, is not accessible, or the hub does not answer.
    """
    return [file.rfilename for file in _model_info(name).siblings or ()]


def cached_folder(name: str) -> Path | None:
    """Return the folder of a model whose files are all in the hub's cache, else None."""
    config = try_to_load_from_cache(name, CONFIG)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if _is_whole(folder) else None


def cached_names() -> Iterator[str]:
    """List the models in the hub's cache."""
    for path in Path(constants.HF_HUB_CACHE).glob("models--*"):
        yield path.name.removeprefix("models--").replace("--", "/")


def download_size(
    name: str, *, dtype: str = "auto", device: str | None = None, four_bit: bool = False
) -> Download | None:
    """Return what opening a model would download from the hub; None if nothing.

    `memory` is that of the weights in `dtype` on `device`, without a batch. Folders, bundled models
    and models in the hub's cache download nothing.

    Raises:
        ModelError: there is no such model, or it is something else.
        UsageError: the dtype or device is unknown.
    """
    from e5v.model.locating import find_model

    if Path(find_model(name)).is_dir():
        return None
    info = _model_info(name)
    wanted = [file for file in info.siblings or () if _is_fetched(file.rfilename, info)]
    missing = [file for file in wanted if not _is_cached(name, file.rfilename, info.sha)]
    if not missing:
        return None
    from e5v.model.devices import pick_device, pick_dtype

    size = sum(file.size or 0 for file in missing)
    bits = 4 if four_bit else 8 * pick_dtype(dtype, pick_device(device)).itemsize
    stored = sum(file.size or 0 for file in wanted if not file.rfilename.endswith(SMALL))
    values = info.safetensors.total if info.safetensors else stored // 2  # most are in 16 bits
    return Download(len(missing), size, values * bits // 8)


def _is_fetched(file: str, info: Any) -> bool:
    """Check whether transformers downloads a file: small ones, and weights in one format."""
    if "/" in file:
        return False
    if file.endswith(SMALL):
        return True
    tensors = any(
        one.rfilename.startswith("model") and _is_safetensors(one) for one in info.siblings
    )
    return file.startswith("model" if tensors else "pytorch_model") and file.endswith(
        ".safetensors" if tensors else ".bin"
    )


def _is_safetensors(file: Any) -> bool:
    name: str = file.rfilename
    return "/" not in name and name.endswith(".safetensors")


def _is_cached(name: str, file: str, revision: str | None) -> bool:
    return isinstance(try_to_load_from_cache(name, file, revision=revision), str)


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
def _model_info(name: str) -> Any:
    """Return the hub's record of a model, if this user may download it."""
    host = constants.ENDPOINT.removeprefix("https://").removeprefix("http://")
    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or TIMEOUT)
    try:
        return _run_with_timeout(seconds, lambda: _request_info(name, seconds))
    except GatedRepoError:
        raise NotFoundError(
            f"open to you on {host}: request access at {constants.ENDPOINT}/{name}, "
            "then log in with hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise NotFoundError(f"a model on {host} that you may see") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise NotFoundError(f"available: {host} answered with HTTP status {status}") from None
    except OfflineModeIsEnabled:
        raise NotFoundError("complete in the hub's cache, and HF_HUB_OFFLINE is set") from None
    except TimeoutError:
        raise NotFoundError(f"reachable: {host} did not answer in {seconds:g} seconds") from None
    except Exception as error:
        raise NotFoundError(
            f"reachable: {host} cannot be connected to ({first_line(error)})"
        ) from None


def _request_info(name: str, seconds: float) -> Any:
    api = HfApi()
    info = api.model_info(name, files_metadata=True, timeout=seconds)
    if info.gated:
        api.auth_check(name)
    return info


def _run_with_timeout(seconds: float, act: Callable[[], Any]) -> Any:
    """Return what `act` returns, or raise `TimeoutError` after some seconds.

    The timeouts of a connection do not cover the DNS lookup.
    """
    box: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            box.put((act(), None))
        except Exception as error:  # raised again in the waiting thread
            box.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = box.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result
