"""`e5v serve --background`: a server that stays, is found and told of, and ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e5v.search.server_record import FILE, ServerRecord, find_server
from e5v.verbs.background import arguments_of
from e5v.verbs.model_options import Opening
from e5v.verbs.serve import Serve
from e5v.verbs.usage import parse

# What a search does not need if a server answers, and what it does not need in any case.
HEAVY = ("torch", "transformers", "lancedb", "pyarrow", "numpy", "fastapi", "pandas", "scipy")
UNUSED = (
    "datasets",
    "e5v.evaluation",
    "e5v.training",
    "e5v.web",
    "fastapi",
    "matplotlib",
    "mteb",
    "peft",
    "sklearn",
    "torchvision",
    "transformers.trainer",
    "uvicorn",
)
SEARCH = """
import sys
from e5v.cli import main
code = main(sys.argv[2:])
sys.exit(code or " ".join(one for one in sys.argv[1].split() if one in sys.modules) or None)
"""


def search(index: Path, forbidden: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """Search in a process of its own, which fails if it has imported what is forbidden."""
    command = [sys.executable, "-c", SEARCH, " ".join(forbidden), "search", "a cat"]
    return run_command([*command, "--index", str(index)])


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a verb in a process of its own."""
    return run_command([sys.executable, "-m", "e5v.cli", *map(str, arguments)])


def run_command(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(
    "verb",
    [
        Serve(),
        Serve(index=Path("a b.index"), port=0, allow_host=("a", "b"), idle_minutes=0.5),
        Serve(model="-m", opening=Opening(dtype="float32", trust_remote_code=True, adapter="x y")),
    ],
)
def test_the_arguments_of_a_verb_give_the_verb(verb: Serve) -> None:
    """Catches a server in the background that has other options than were asked for."""
    assert parse(Serve, "serve", arguments_of(verb)) == verb


@pytest.fixture
def started(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerRecord]:
    """Start a server of the index in the background."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = run("serve", "--index", index, "--background", "--idle-minutes", 5)
    assert done.returncode == 0, done.stderr
    record = find_server(index)
    assert record
    lines = done.stderr.splitlines()
    log = Path(lines[0].rpartition(" ")[2])
    assert "serving" in log.read_text()
    assert log.stat().st_mode & 0o77 == 0
    assert record.address in lines[1]
    assert lines[1].endswith(f"serve --stop --index {index}")
    assert "after 5 minutes without a request" in lines[2]
    yield record
    try:
        os.kill(record.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.slow
def test_from_its_start_to_its_end(started: ServerRecord, index: Path) -> None:
    """Catches a quick search that is not, two servers of one index, and one that stays for ever."""
    quick = search(index, HEAVY)
    assert (quick.returncode, quick.stderr) == (0, "")
    assert len(quick.stdout.splitlines()) == 5
    again = run("serve", "--index", index, "--background")
    assert again.returncode == 0
    assert f"is there already: {started.address} (process {started.pid})" in again.stderr
    stopped = run("serve", "--index", index, "--stop")
    assert stopped.stderr == f"e5v: stopped the server at {started.address}\n"
    assert not (index / FILE).exists()
    assert not Path(started.socket).parent.exists()
    none = run("serve", "--index", index, "--stop")
    assert (none.returncode, none.stderr) == (0, f"e5v: no server of {index} is running\n")


@pytest.mark.slow
def test_one_that_is_killed(started: ServerRecord, index: Path) -> None:
    """Catches a search that fails because of what a killed server left, or imports too much."""
    os.kill(started.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while find_server(index) and time.monotonic() < deadline:
        time.sleep(0.01)
    done = search(index, UNUSED)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 5
    assert not (index / FILE).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_one_that_cannot_start(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that fails where nobody sees it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--index", index, "--background", "--port", port)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr.splitlines()[-1]
    none = run("serve", "--index", tmp_path / "none", "--background")
    assert none.returncode == 2
    assert "holds no index" in none.stderr
