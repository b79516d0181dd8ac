"""What the hub has of a model, asked once and quickly, before transformers asks for its files.

hub id -> one request, a few seconds at most -> names and sizes of its files | why there are none

transformers and huggingface_hub retry for 40 seconds and report each attempt; here the first answer
counts. A model whose files are in the hub's cache opens without the hub.
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
PATIENCE = 3.0  # seconds for an answer, unless HF_HUB_ETAG_TIMEOUT says otherwise
SMALL = (".json", ".jinja", ".txt", ".model", ".py")  # what is fetched beside the weights
WHOLE = ("model.safetensors", "pytorch_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


class NotFoundError(ModelError):
    """The hub does not give a model; the message completes "the model is not ..."."""


@dataclass(frozen=True)
class Download:
    """What opening a model fetches first, and what it then needs.

    `files` are still to be fetched, `size` bytes in all; the weights take `memory` bytes once open.
    """

    files: int
    size: int
    memory: int


def file_names(name: str) -> list[str]:
    """Return the names of a model's files.

    Raises:
        NotFoundError: there is no such model, the hub does not answer, or not to this user.
    """
    return [file.rfilename for file in _ask(name).siblings or ()]


def cached_folder(name: str) -> Path | None:
    """Return the folder of a model whose files are all in the hub's cache, else None."""
    config = try_to_load_from_cache(name, CONFIG)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if _is_whole(folder) else None


def cached_names() -> Iterator[str]:
    """Name the models in the hub's cache."""
    for path in Path(constants.HF_HUB_CACHE).glob("models--*"):
        yield path.name.removeprefix("models--").replace("--", "/")


def download_size(
    name: str, *, dtype: str = "auto", device: str | None = None, four_bit: bool = False
) -> Download | None:
    """Return what opening a model would fetch from the hub; None if nothing.

    `memory` is that of the weights in `dtype` on `device`, without what a batch takes. A folder, a
    bundled model and one that is in the hub's cache fetch nothing.

    Raises:
        ModelError: there is no such model, or it is something else.
        UsageError: the dtype or device is unknown.
    """
    from e5v.model.locating import find_model

    if Path(find_model(name)).is_dir():
        return None
    info = _ask(name)
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
    """Tell whether transformers reads a file: small ones, and weights in one format only."""
    if "/" in file:
        return False
    if file.endswith(SMALL):
        return True
    tensors = any(one.rfilename.startswith("model") and _safe(one) for one in info.siblings)
    return file.startswith("model" if tensors else "pytorch_model") and file.endswith(
        ".safetensors" if tensors else ".bin"
    )


def _safe(file: Any) -> bool:
    name: str = file.rfilename
    return "/" not in name and name.endswith(".safetensors")


def _is_cached(name: str, file: str, revision: str | None) -> bool:
    return isinstance(try_to_load_from_cache(name, file, revision=revision), str)


def _is_whole(folder: Path) -> bool:
    """Tell whether all weights of a checkpoint are in its folder."""
    from json import loads

    if any((folder / file).is_file() for file in WHOLE):
        return True
    for index in INDEXES:
        if (folder / index).is_file():
            listed = loads((folder / index).read_text(encoding="utf-8")).get("weight_map", {})
            return all((folder / file).is_file() for file in set(listed.values()))
    return False


@lru_cache(maxsize=16)
def _ask(name: str) -> Any:
    """Return what the hub says of a model that it would let this user download."""
    host = constants.ENDPOINT.removeprefix("https://").removeprefix("http://")
    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or PATIENCE)
    try:
        return _within(seconds, lambda: _answer(name, seconds))
    except GatedRepoError:
        raise NotFoundError(
            f"one that {host} lets you download: ask for access at {constants.ENDPOINT}/{name}, "
            "then log in with hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise NotFoundError(f"a model on {host} that you may see") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise NotFoundError(f"to be had: {host} answers with HTTP status {status}") from None
    except OfflineModeIsEnabled:
        raise NotFoundError("whole in the hub's cache, and HF_HUB_OFFLINE is set") from None
    except TimeoutError:
        raise NotFoundError(f"reachable: {host} did not answer in {seconds:g} seconds") from None
    except Exception as error:
        raise NotFoundError(
            f"reachable: {host} cannot be connected to ({first_line(error)})"
        ) from None


def _answer(name: str, seconds: float) -> Any:
    api = HfApi()
    info = api.model_info(name, files_metadata=True, timeout=seconds)
    if info.gated:
        api.auth_check(name)
    return info


def _within(seconds: float, act: Callable[[], Any]) -> Any:
    """Return what `act` returns; give up on it after some seconds, whatever it waits for.

    The time limits of a connection do not cover the search for a host's address.
    """
    box: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            box.put((act(), None))
        except Exception as error:  # handed on to who waits
            box.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = box.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result
