"""A Python that starts in no time: a server has imported torch and transformers, and forks.

`python -m e5v.cli ...` in place of the interpreter -> tests/warm_client.py -> tests/warm_server.py
-> a process of its own, which runs the program -> its exit status, or its signal

What is forked is a process as any other: it is killed with its client, its memory is its own, and
`__main__`, sys.argv, the environment, the standard streams and the signals are as at a start. It
differs in what is imported already, in its number, and in variables that torch and transformers
read at import.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENT = Path(__file__).with_name("warm_client.py")
IS_SUPPORTED = sys.platform == "linux"  # /proc, pidfd_open
LONGEST = 100  # characters of a socket's path


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Give the path of the quick interpreter; the server is shared by all who name the folder.

    Beside it lies a quick `e5v`. Where there is none, it is this interpreter.
    """
    from filelock import FileLock

    place = folder / "socket"
    if not IS_SUPPORTED or len(str(place)) > LONGEST:
        yield Path(sys.executable)
        return
    with socket.socket(socket.AF_UNIX) as user:
        with FileLock(folder / "lock"):
            if user.connect_ex(str(place)):
                place.unlink(missing_ok=True)
                _write_clients(place)
                process = _start(place)
                while user.connect_ex(str(place)):
                    assert process.poll() is None, place.with_name("log").read_text()
                    time.sleep(0.05)
                process.returncode = 0  # it is never waited for: it ends with its last user
        user.sendall(b"0\n")  # a user's line, in place of a program's
        yield folder / "python"


def _write_clients(place: Path) -> None:
    code = CLIENT.read_text(encoding="utf-8")
    for name, value in (("PLACE", str(place)), ("PYTHON", sys.executable)):
        code = code.replace(f'\n{name} = ""', f"\n{name} = {value!r}")
    for client in (place.with_name("python"), place.with_name("e5v")):
        client.write_text(f"#!{sys.executable} -IS\n{code}", encoding="utf-8")
        client.chmod(0o755)


@contextmanager
def replacing(interpreter: Path) -> Iterator[None]:
    """Start processes of this one, and theirs, with an interpreter until the block ends."""
    before = sys.executable
    sys.executable = str(interpreter)
    multiprocessing.set_executable(sys.executable)
    try:
        yield
    finally:
        sys.executable = before
        multiprocessing.set_executable(before)


def _start(place: Path) -> "subprocess.Popen[bytes]":
    with place.with_name("log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.warm_server", str(place)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
