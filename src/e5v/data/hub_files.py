"""Download files of a data set of the hub, each whole or not at all, and never a part twice.

HubFiles -> one request -> Download: revision, names, sizes, checksums
         -> .NAME.part, continued where it stopped -> size and SHA-256 checked -> NAME

huggingface_hub's own download begins anew after an interruption, which at 27 GB is a lost night.
Its addresses, headers, tokens and settings (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN) are used.
"""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import (
    HfApi,
    constants,
    get_session,
    get_token,
    hf_raise_for_status,
)
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.hf_api import DatasetInfo

from e5v.data.records import HubFiles
from e5v.data.source import Download, FileFacts, sha256
from e5v.errors import DataError, first_line
from e5v.files import sync
from e5v.jsonl import listed
from e5v.model.hub import explain_failure, find_timeout, run_with_timeout

PARTIAL_CONTENT = 206  # HTTP status: the server continues where it was asked to

Progress = Callable[[str, int, int], object]  # what is done, bytes of it, bytes in all


def list_files(source: HubFiles) -> Download:
    """Ask the hub for the revision of a data set and its files.

    Raises:
        DataError: the hub does not answer, has no such data set or revision, or other files.
    """
    try:
        info = run_with_timeout(find_timeout(), lambda: _request_info(source))
    except Exception as error:
        raise DataError(
            f"the data set {source.id} is not {explain_failure(error, source.id, 'data set')}"
        ) from None
    revision = info.sha or ""
    facts = {one.rfilename: _find_facts(one) for one in info.siblings or ()}
    for pattern in source.files:
        if not any(fnmatch(name, pattern) for name in facts):
            raise DataError(
                f"{source.id}@{revision[:7]} has no file {pattern}; it has {listed(facts)}"
            )
    files = {
        name: found
        for name, found in facts.items()
        if any(fnmatch(name, pattern) for pattern in source.files)
    }
    for name, found in files.items():
        expected = source.sha256.get(name)
        if expected and found.sha256 not in {None, expected}:
            raise DataError(_describe_other(f"{name} of {source.id}", found.sha256, expected))
        files[name] = FileFacts(found.size, expected or found.sha256)
    return Download(source.id, revision, source.folder, files)


def _request_info(source: HubFiles) -> DatasetInfo:
    api = HfApi(endpoint=constants.ENDPOINT)
    return api.dataset_info(
        source.id, revision=source.revision, files_metadata=True, timeout=find_timeout()
    )


def _find_facts(sibling: object) -> FileFacts:
    """Return what the hub says of a file; it knows the checksums of large files only."""
    large = getattr(sibling, "lfs", None)
    return FileFacts(getattr(sibling, "size", None) or 0, large.sha256 if large else None)


def part_of(target: Path) -> Path:
    """Return the path of a file that is not whole yet."""
    return target.with_name(f".{target.name}.part")


def download_file(download: Download, name: str, target: Path, progress: Progress) -> None:
    """Download one file, or the rest of it, and check it.

    Raises:
        DataError: the connection is lost and brings nothing more, the disk is full, or the file is
            another. What was received is kept for the next time, unless it is of another file.
    """
    facts, part = download.files[name], part_of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    while (done := part.stat().st_size if part.exists() else 0) < facts.size or not part.exists():
        try:
            _receive(download, name, part, progress)
        except (HfHubHTTPError, OfflineModeIsEnabled) as error:
            raise _stopped(download, name, done, error) from None
        except OSError as error:
            raise DataError(
                f"{part} cannot be written: {error.strerror or first_line(error)}"
            ) from None
        except Exception as error:  # of the network, by whichever library huggingface_hub uses
            if not part.exists() or part.stat().st_size <= done:
                raise _stopped(download, name, done, error) from None
        else:
            if part.stat().st_size < facts.size and part.stat().st_size <= done:
                raise _stopped(download, name, done, EOFError("it sends no more"))
    _check(download, name, part)
    sync(part)
    part.replace(target)
    sync(target.parent)


def _receive(download: Download, name: str, part: Path, progress: Progress) -> None:
    """Receive a file from where its part ends."""
    place = f"datasets/{download.id}/resolve/{download.revision}/{quote(name)}"
    url = f"{constants.ENDPOINT}/{place}"
    with part.open("ab") as out:
        done, total = out.tell(), download.files[name].size
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={done}-"}
        if token := get_token():
            headers["Authorization"] = f"Bearer {token}"
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            hf_raise_for_status(response)
            if response.status_code != PARTIAL_CONTENT:
                out.truncate(0)  # the server begins anew
                done = 0
            for chunk in response.iter_bytes():  # as it comes: what is received is kept
                out.write(chunk)
                done += len(chunk)
                progress(f"downloading {name}", done, total)


def _check(download: Download, name: str, part: Path) -> None:
    """Check size and SHA-256 of a file that is received; remove it if it is another."""
    facts = download.files[name]
    place = f"{name} of {download.id}@{download.revision[:7]}"
    if part.stat().st_size != facts.size:
        size = part.stat().st_size
        part.unlink()
        raise DataError(f"{place} has {size:,} bytes; expected {facts.size:,}; fetch it again")
    if facts.sha256 and (got := sha256(part)) != facts.sha256:
        part.unlink()
        raise DataError(_describe_other(place, got, facts.sha256))


def _stopped(download: Download, name: str, done: int, error: Exception) -> DataError:
    why = explain_failure(error, download.id, "data set")
    return DataError(
        f"{name} of {download.id} stopped at {done:,} of {download.files[name].size:,} bytes: "
        f"it is not {why}; fetch it again to go on from there"
    )


def _describe_other(place: str, got: str | None, expected: str) -> str:
    return (
        f"{place} is another file: sha256 {got}, expected {expected}; nothing of it was kept; "
        "fetch it again, or from the hub itself if that was a mirror"
    )
