"""Fetching data: whole or not at all, continued where it stopped, and written down."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from e5v.data.contents import Contents
from e5v.data.fetch import Fetched, fetch
from e5v.data.records import DataSet
from e5v.data.source import SOURCE, read_source
from e5v.errors import DataError
from tests.data.file_hub import COMMIT, Manners, make_small, serve_files
from tests.model.fake_hub import refusing, silent

At = Callable[[str], None]
NAME = "nli_for_simcse.csv"
SIMCSE = "princeton-nlp/datasets-for-simcse"
ROWS = "sent0,sent1,hard_neg\n" + "".join(f"a {n},b {n},c {n}\n" for n in range(2_000))
CONTENT = ROWS.encode()
SETS = {SIMCSE: {NAME: CONTENT, "senteval.tar": b"", "README.md": b"-"}}
NLI = make_small("nli", {"triplets": 2_000})


def read(data: DataSet, folder: Path) -> Contents:
    """Count lines, as a reader of triplets would."""
    return Contents({"triplets": len((folder / NAME).read_text().splitlines()) - 1})


def get(root: Path, data: DataSet = NLI) -> Fetched:
    """Fetch the triplets."""
    return fetch(data, root, read)


def refusal(root: Path, data: DataSet = NLI) -> str:
    """Fetch in vain, and return the one line that says why."""
    with pytest.raises(DataError) as caught:
        get(root, data)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message.replace("--data", "")
    return message


def parts(root: Path) -> list[Path]:
    """List what is left of a download."""
    return list(root.rglob("*.part"))


def test_data_come_whole_and_are_written_down(at: At, tmp_path: Path) -> None:
    """Data of which nobody knows later what they were, and a second download of the same."""
    with serve_files(SETS) as hub:
        at(hub.url)
        fetched = get(tmp_path)
        assert hub.begun == [0]
    assert fetched.fresh
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT
    assert not parts(tmp_path)
    facts = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    download = {"id": SIMCSE, "revision": COMMIT, "folder": "", "files": {NAME: facts}}
    assert json.loads((tmp_path / "nli" / SOURCE).read_text()) == {
        "name": "nli",
        "downloads": [download],
        "files": {NAME: facts},
        "rows": {"triplets": 2_000},
    }
    again = get(tmp_path)  # the hub is gone
    assert (again.fresh, again.source) == (False, fetched.source)


def test_a_lost_connection_is_continued_at_once(at: At, tmp_path: Path) -> None:
    """A download of a night that begins anew because of one lost packet."""
    with serve_files(SETS, Manners(cut=5_000, cuts=3)) as hub:
        at(hub.url)
        get(tmp_path)
        assert hub.begun == [0, 5_000, 10_000, 15_000]
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT


def test_what_was_received_is_kept_for_the_next_time(at: At, tmp_path: Path) -> None:
    """A part that is thrown away, and a continuation with the file of another revision."""
    manners = Manners(cut=5_000, cuts=1)
    with serve_files(SETS, manners) as hub:
        at(hub.url)
        manners.cuts = 1
        hub.manners.sent[NAME] = CONTENT[:5_000]
        message = refusal(tmp_path)
        assert message.startswith(f"{NAME} of {SIMCSE} stopped at 5,000 of {len(CONTENT):,} bytes")
        assert message.endswith("fetch it again to go on from there")
        assert [part.stat().st_size for part in parts(tmp_path)] == [5_000]
        source = read_source(tmp_path / "nli")
        assert source
        assert not source.is_complete
        hub.manners.sent.clear()
        hub.manners.commit = "d" * 40  # somebody has written to the data set since
        hub.begun.clear()
        hub.asked.clear()
        assert get(tmp_path).source.downloads[0].revision == COMMIT
        assert hub.begun == [5_000]
        assert hub.asked == [f"/datasets/{SIMCSE}/resolve/{COMMIT}/{NAME}"]
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT


KILLED = """
import sys
from pathlib import Path
from tests.data.test_fetch import get
get(Path(sys.argv[1]))
"""


def test_a_killed_fetch_is_continued(at: At, tmp_path: Path) -> None:
    """A file that looks whole and is not, or a folder that stays locked."""
    with serve_files(SETS, Manners(pause=0.05)) as hub:
        at(hub.url)
        environment = {"HF_ENDPOINT": hub.url, "PYTHONPATH": ":".join(sys.path)}
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(command, env=environment) as process:
            until = time.monotonic() + 60
            part = tmp_path / "nli" / f".{NAME}.part"
            while not (part.exists() and part.stat().st_size):
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
        assert not (tmp_path / "nli" / NAME).exists()
        (tmp_path / "nli" / f".{SOURCE}.123.part").touch()  # killed a moment before
        hub.manners.pause = 0
        get(tmp_path)
        assert hub.begun[0] == 0
        assert hub.begun[-1] > 0
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT
    assert not parts(tmp_path)


def test_a_mirror_that_knows_no_ranges(at: At, tmp_path: Path) -> None:
    """A file that is put together of its first half, and of all of it."""
    with serve_files(SETS, Manners(cut=5_000, cuts=1, ranges=False)) as hub:
        at(hub.url)
        get(tmp_path)
        assert hub.begun == [0, 0]
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT


def pin(sha256: str, revision: str | None = None) -> DataSet:
    """Return the record with a checksum and a revision."""
    source = replace(NLI.sources[0], sha256={NAME: sha256}, revision=revision)
    return replace(NLI, sources=(source,))


def test_another_file_is_refused(at: At, tmp_path: Path) -> None:
    """Data that somebody replaced, found out after the training; or a mirror with another file."""
    with serve_files(SETS) as hub:
        at(hub.url)
        message = refusal(tmp_path, pin("0" * 64))
        assert message.startswith(f"{NAME} of {SIMCSE} is another file: sha256 ")
        assert f"expected {'0' * 64}" in message
        assert not (tmp_path / "nli").exists()
        hub.manners.sent[NAME] = CONTENT.replace(b"a 7,", b"a 8,")
        assert "is another file: sha256" in refusal(tmp_path)
        assert not parts(tmp_path)
        assert not (tmp_path / "nli" / NAME).exists()
        hub.manners.sent.clear()
        assert get(tmp_path).fresh


@pytest.mark.parametrize("free", [10, 10**12])
def test_a_full_disk(at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """A disk that is found to be full after hours, or a traceback when it is."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, free))
    with serve_files(SETS) as hub:
        at(hub.url)
        if free == 10:
            expected = f"nli needs 0.0 GB more in {tmp_path / 'nli'}, and its disk has 0.0 GB free"
            assert refusal(tmp_path).startswith(expected)
            assert not list(tmp_path.iterdir())
            return
        (tmp_path / "nli").mkdir()
        (tmp_path / "nli" / f".{NAME}.part").symlink_to("/dev/full")
        assert refusal(tmp_path).endswith("cannot be written: No space left on device")


def test_a_hub_that_does_not_give_it(
    at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of tracebacks, or minutes of silence, or an empty folder that looks like data."""
    with serve_files({}) as hub:
        at(hub.url)
        host = hub.url.removeprefix("http://")
        assert (
            refusal(tmp_path)
            == f"the data set {SIMCSE} is not a data set on {host} that you may see"
        )
    with serve_files({SIMCSE: {"other.csv": b"-"}}) as hub:
        at(hub.url)
        assert refusal(tmp_path) == f"{SIMCSE}@ccccccc has no file {NAME}; it has other.csv"
        assert refusal(tmp_path, pin("0", "e" * 40)).endswith("at the revision that is asked for")
    at(refusing())
    assert "is not reachable: 127.0.0.1:" in refusal(tmp_path)
    with silent() as url:
        at(url)
        assert refusal(tmp_path).endswith("did not answer in 3 seconds")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refusal(tmp_path).endswith("is not complete in the folder, and HF_HUB_OFFLINE is set")
    assert not list(tmp_path.iterdir())


def test_a_local_copy_is_taken(at: At, tmp_path: Path) -> None:
    """A download of what the user has, or a copy of which nothing is written down."""
    at(refusing())
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / NAME).write_bytes(CONTENT)
    fetched = get(tmp_path)
    assert fetched.fresh
    assert fetched.source.downloads == ()
    assert fetched.source.revision == "local copy"
    assert fetched.source.files[NAME].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert not get(tmp_path).fresh


def test_a_local_copy_of_other_data_is_refused(at: At, tmp_path: Path) -> None:
    """A training on half of the triplets, which nobody notices; or on others."""
    at(refusing())
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / NAME).write_bytes(CONTENT)
    fewer = replace(NLI, rows={"triplets": 2_001})
    assert refusal(tmp_path, fewer).startswith(
        f"{tmp_path / 'nli'} has 2,000 triplets; expected 2,001: this copy is not the published one"
    )
    assert "is another file: sha256" in refusal(tmp_path, pin("0" * 64))
    assert (tmp_path / "nli" / NAME).read_bytes() == CONTENT
    assert not (tmp_path / "nli" / SOURCE).exists()


def test_a_file_that_is_gone_is_fetched_again(at: At, tmp_path: Path) -> None:
    """Data that are said to be there because a file says so."""
    with serve_files(SETS) as hub:
        at(hub.url)
        get(tmp_path)
        (tmp_path / "nli" / NAME).unlink()
        hub.manners.commit = "d" * 40
        assert get(tmp_path).fresh
        assert hub.begun == [0, 0]
    (tmp_path / "nli" / SOURCE).write_text("{")
    assert refusal(tmp_path).endswith("remove it, and fetch the data again")


def test_a_revision_that_was_pinned_since(at: At, tmp_path: Path) -> None:
    """Data that a check refuses, and that no fetch replaces."""
    with serve_files(SETS) as hub:
        at(hub.url)
        get(tmp_path)
        hub.manners.commit = "d" * 40
        fetched = get(tmp_path, pin(hashlib.sha256(CONTENT).hexdigest(), "d" * 40))
        assert fetched.source.downloads[0].revision == "d" * 40
        assert hub.begun == [0], "the file is the same, and stays"
