"""The writer: one at a time, all on the disk, and whole again whenever it is killed."""

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from e5v.errors import DataError
from e5v.files import LOCKS
from e5v.search import entry_table as table_module
from e5v.search import manifest as manifest_module
from e5v.search import signs as signs_module
from e5v.search import writer as module
from e5v.search.index import Index
from e5v.search.writer import Writer, writing
from tests.search.made import change, fill, ids, make_manifest, record, records, vectors

ROOT = Path(__file__).parents[2]

PLACES = [
    ("signs._extend", 3),  # some signs are written
    ("signs._extend+", 8),  # numbers, too
    ("writer.rebuild", 2),
    ("signs._mapped+", 6),
    ("entry_table.Table.add", 3),
    ("entry_table.Table.add+", 3),  # new records stand beside those they replace
    ("entry_table.Table.remove+", 4),
    ("entry_table.Table.sync", 5),
    ("manifest.write_file", 1),  # there is a table, and no index yet
    ("manifest.write_file+", 1),
]


@pytest.mark.parametrize(("place", "nth"), PLACES)
@pytest.mark.usefixtures("warm")
def test_killed_at_any_moment(tmp_path: Path, place: str, nth: int) -> None:
    """Catches an index that a killed writer leaves broken, short of something, or with it twice."""
    command = [sys.executable, "-m", "tests.search.killed", str(tmp_path), place, str(nth)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    rows = vectors(120)
    versions: dict[int, int] = {}
    for line in done.stdout.splitlines():
        version, first, end = map(int, line.split())
        versions |= dict.fromkeys(range(first, end), version)

    check_whole(tmp_path, rows, versions)
    change(tmp_path, lambda writer: writer.commit(records(rows[:1], version=999), []))
    check_whole(tmp_path, rows, {**versions, 0: 999})
    change(tmp_path, lambda writer: None)
    listed: list[str] = []
    change(tmp_path, lambda writer: listed.extend(known.id for known in writer.known()))
    assert len(listed) == len(set(listed))


def check_whole(
    folder: Path, rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]], versions: dict[int, int]
) -> None:
    """Compare an index with what was acknowledged: each once, that or a later version of it."""
    if not (folder / "index.json").exists():
        assert not versions
        return
    index = Index.open(folder)
    assert index.kinds()["image"] + index.kinds()["text"] == len(index)
    for number, version in versions.items():
        entry = index.get(f"id{number:05d}")
        assert entry is not None
        assert entry.mtime >= version
        vector = index.vector(entry.id)
        assert vector is not None
        np.testing.assert_allclose(vector, rows[number], atol=1e-3)
    every = index.vectors()[0]
    assert len(every) == len(set(every))
    if every:
        number = int(every[0][2:])
        assert index.search(rows[number], k=1)[0].entry.id == every[0]


def test_a_second_writer_is_told_of_the_first(tmp_path: Path) -> None:
    """Catches two writers at once, and a refusal that does not say whom to look for."""
    with writing(tmp_path, make_manifest):
        with (
            pytest.raises(DataError, match=rf"being written by process {os.getpid()} on .* since"),
            writing(tmp_path, make_manifest),
        ):
            pytest.fail("two writers at once")
        assert len(Index.open(tmp_path)) == 0  # readers do not care
    change(tmp_path, lambda writer: None)


def test_a_dead_writers_lock_is_taken_over(tmp_path: Path) -> None:
    """Catches an index that nobody can write to again after a crash."""
    fill(tmp_path, vectors(5))
    holder = '{"pid": 1, "host": "elsewhere", "since": "2001-01-01"}'
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock.json").write_text(holder)
    change(tmp_path, lambda writer: None)


def test_a_disk_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a wait for another process, where there is none and never will be."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DataError, match=r"cannot be locked: No locks available; choose a folder"):
        change(tmp_path, lambda writer: None)


def test_what_a_killed_writer_had_begun_is_removed(tmp_path: Path) -> None:
    """Catches files that nobody will ever look for, one more with every crash."""
    fill(tmp_path, vectors(5))
    before = {path.name for path in tmp_path.iterdir()}
    for name in (".index.json.1.part", ".faults.json.22.part", ".another's.part"):
        (tmp_path / name).touch()
    (tmp_path / ".signs-000007.part").mkdir()
    change(tmp_path, lambda writer: None)
    assert {path.name for path in tmp_path.iterdir()} == {*before, ".another's.part"}


@contextmanager
def watch_syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Note which files are put on the disk."""
    synced: set[str] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        synced.add(re.sub(r"/\.(signs-\d+)\.\d+-\w+\.part", r"/\1", path))  # renamed when whole
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield synced


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_a_commit_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches what LanceDB does not do: without fsync, a power cut loses what was acknowledged."""
    rows = vectors(30)
    fill(tmp_path, rows[:10])
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    def write(writer: Writer) -> None:
        with watch_syncs(monkeypatch) as synced:
            number = next(iter(writer.known())).number
            writer.commit(records(rows[10:], first=10), [number])
            fresh = {p for p in tmp_path.rglob("*") if p.is_file() and p not in before}
            fresh = {p for p in fresh if p.name not in LOCKS}
            assert fresh
            folders = {path.parent for path in fresh}
            assert {str(path.resolve()) for path in fresh | folders} <= synced

    change(tmp_path, write)


def test_signs_are_made_again_as_an_index_grows_and_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches signs of removed records kept for ever, and a mean of the first few for millions."""
    monkeypatch.setattr(module, "LEAST_REMOVED", 50)
    rows = vectors(400)

    def grow(writer: Writer) -> None:
        for start in range(0, 400, 40):
            writer.commit(records(rows[start : start + 40], first=start), [])

    change(tmp_path, grow)
    read = signs_module.Signs.read(tmp_path)
    assert read is not None
    assert read.fitted >= 200
    gone = list(range(1, 301))
    change(tmp_path, lambda writer: writer.commit([], gone))
    read = signs_module.Signs.read(tmp_path)
    assert read is not None
    assert len(read.numbers) == 100
    index = Index.open(tmp_path)
    assert index.search(rows[350], k=1)[0].entry.id == "id00350"
    assert index.vectors()[0] == ids(range(300, 400))


def test_lost_signs_are_made_again_from_the_table(tmp_path: Path) -> None:
    """Catches an index that needs its cache: without it, readers find the same."""
    rows = vectors(50)
    fill(tmp_path, rows, each=20)
    before = Index.open(tmp_path).search(rows[7], k=5)
    [folder] = tmp_path.glob("signs-*")
    shutil.rmtree(folder)
    assert Index.open(tmp_path).search(rows[7], k=5) == before
    assert not list(tmp_path.glob("signs-*"))
    change(tmp_path, lambda writer: None)
    signs = signs_module.Signs.read(tmp_path)
    assert signs is not None
    assert len(signs.numbers) == 50
    assert Index.open(tmp_path).search(rows[7], k=5) == before
    np.testing.assert_allclose(Index.open(tmp_path).vectors()[1], rows, atol=1e-3)


def size_of(folder: Path) -> int:
    """Return the bytes of a folder on disk."""
    sizes = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return sum(sizes)


def test_vectors_are_on_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a second copy of the vectors, and old versions that are kept while all grows."""
    monkeypatch.setattr(module, "SOME_COMMITS", 4)
    dim, count, each = 512, 6_000, 250
    rows = vectors(count, dim=dim)
    ratios = []
    optimize = table_module.Table.optimize

    def watched(table: table_module.Table) -> None:
        before = size_of(tmp_path)
        optimize(table)
        ratios.append((before, size_of(tmp_path)))

    monkeypatch.setattr(table_module.Table, "optimize", watched)

    def write(writer: Writer) -> None:
        for start in range(0, count, each):
            writer.commit(records(rows[start : start + each], first=start), [])
            numbers = 2 * dim * len(writer)
            assert size_of(tmp_path) < 2.5 * numbers + OTHER
        writer.optimize()

    change(tmp_path, write, dim=dim)
    assert len(ratios) >= 3
    assert size_of(tmp_path) < 1.3 * 2 * dim * count + OTHER


OTHER = 1_500_000  # bytes: all but the vectors, and old versions that are not worth removing


def test_fragments_are_joined_on_a_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a table of a thousand fragments, and work for nothing."""
    monkeypatch.setattr(module, "SOME_COMMITS", 4)
    calls: list[int] = []
    optimize = table_module.Table.optimize

    def counted(table: table_module.Table) -> None:
        calls.append(1)
        optimize(table)

    monkeypatch.setattr(table_module.Table, "optimize", counted)
    rows = vectors(60)

    def write(writer: Writer) -> None:
        for start in range(0, 60, 10):
            writer.commit([record(start, rows[start])], [])
        assert len(calls) == 1
        writer.tidy()
        assert len(calls) == 1  # a few small fragments are no reason to write all anew

    change(tmp_path, write)
    assert len(Index.open(tmp_path)) == 6


def test_facts_and_roots_are_kept(tmp_path: Path) -> None:
    """Catches a followed folder that is forgotten."""
    change(tmp_path, lambda writer: writer.follow(["/a", "/b"]))
    change(tmp_path, lambda writer: writer.follow(["/b", "/c"]))
    read = manifest_module.read_manifest(tmp_path)
    assert read is not None
    assert read.roots == ("/a", "/b", "/c")
    assert manifest_module.read_manifest(tmp_path / "nowhere") is None
