"""Say what opening a model downloads from the hub, before it begins.

name -> found on the hub | here -> its files but those in the cache -> number, bytes, memory
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from e5v.model.adapters import find_source
from e5v.model.hub import ADAPTER, model_info

SMALL = (".json", ".jinja", ".txt", ".model", ".py")  # downloaded beside the weights


@dataclass(frozen=True)
class Download:
    """What opening a model downloads, and the memory it needs.

    `files` are still to be downloaded, `size` bytes in total; the open weights take `memory` bytes.
    """

    files: int
    size: int
    memory: int


def download_size(
    name: str,
    adapter: str | None = None,
    *,
    dtype: str = "auto",
    device: str | None = None,
    weights: str = "full",
) -> Download | None:
    """Return what opening a model, with an adapter, would download from the hub; None if nothing.

    `memory` is that of the `weights`, "full" in `dtype` on `device`, without a batch. Folders,
    bundled models and models in the hub's cache download nothing.

    Raises:
        ModelError: there is no such model, or it is something else.
        UsageError: the dtype or device is unknown.
    """
    found = find_source(name, adapter)
    added = _missing_adapter(found.adapter)
    if Path(found.checkpoint).is_dir():
        return Download(len(added), sum(file.size or 0 for file in added), 0) if added else None
    info = model_info(found.checkpoint)
    wanted = [file for file in info.siblings or () if _is_fetched(file.rfilename, info)]
    missing = [
        file for file in wanted if not _is_cached(found.checkpoint, file.rfilename, info.sha)
    ]
    missing += added
    if not missing:
        return None
    from e5v.model.devices import list_devices, pick_device, pick_dtype  # imports torch
    from e5v.model.quantised import BITS

    first = pick_device((list_devices(device) or (None,))[0])
    size = sum(file.size or 0 for file in missing)
    bits = BITS.get(weights) or 8 * pick_dtype(dtype, first).itemsize
    stored = sum(file.size or 0 for file in wanted if not file.rfilename.endswith(SMALL))
    values = info.safetensors.total if info.safetensors else stored // 2  # most are in 16 bits
    return Download(len(missing), size, values * bits // 8)


def _missing_adapter(name: str | None) -> list[Any]:
    """List the files of an adapter on the hub that are not here yet."""
    if name is None or Path(name).is_dir():
        return []
    info = model_info(name)
    files = [file for file in info.siblings or () if file.rfilename in ADAPTER]
    return [file for file in files if not _is_cached(name, file.rfilename, info.sha)]


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
