"""A Python that starts in no time: a server has imported torch and transformers, and forks.

`python -m e5v.cli ...` in place of the interpreter -> tests/warm_client.py -> its arguments,
environment and open files -> this server -> fork -> the program -> its exit status, or its signal

What is forked is a process as any other: it is killed with its client, its memory is its own, and
`__main__`, sys.argv, the environment, the standard streams and the signals are as at a start. It
differs in what is imported already, and in variables that torch and transformers read at import.
"""

import atexit
import json
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import ModuleType
from typing import Any

# None of them may start a thread, which a fork does not have: pyarrow and LanceDB do.
IMPORTED = (
    "torch.multiprocessing",
    "e5v.model.embedder",
    "e5v.training.trainer",
    "peft",
    "lance_namespace",  # half of what importing LanceDB takes
)
CLIENT = Path(__file__).with_name("warm_client.py")
FILES = 200  # most files that a client has open
PATIENCE = 60.0  # seconds until the first user is there
Kill = Callable[[int, int], None]
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """What a client asks for: arguments of the interpreter, and where and how they are run."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    ignored: list[int]  # signals
    leads: bool  # a group of processes
    files: dict[int, int]  # the client's numbers of its open files: ours


@dataclass(frozen=True)
class Running:
    """A program that runs: its client, a file that is ready when it has ended, and how to kill."""

    client: socket.socket
    ended: int
    pid: int
    kill: Kill


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Give the path of the quick interpreter; the server is shared by all who name the folder.

    Beside it lies a quick `e5v`.
    """
    from filelock import FileLock

    place = folder / "socket"
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
            [sys.executable, "-m", "tests.warm_python", str(place)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def serve(place: str) -> Program:
    """Fork a process for each program, where this returns; end with the last user."""
    with socket.socket(socket.AF_UNIX) as listener, DefaultSelector() as waiting:
        listener.bind(place)
        listener.listen(64)
        waiting.register(listener, EVENT_READ)
        users: set[socket.socket] = set()
        while ready := waiting.select(None if users else PATIENCE):
            for key, _ in ready:
                found: Any = key.fileobj
                if found is listener:
                    client, _ = listener.accept()
                    program = _read(client)
                    if program is None:
                        users.add(client)
                        waiting.register(client, EVENT_READ)
                    elif pid := os.fork():
                        for file in program.files.values():
                            os.close(file)
                        _watch(waiting, client, pid, os.killpg if program.leads else os.kill)
                    else:
                        return program
                elif key.data is None:  # a user has ended
                    users.discard(found)
                    waiting.unregister(found)
                    found.close()
                    if not users:
                        sys.exit()
                else:
                    _end(waiting, key.data)
    sys.exit("no user came")


def _read(client: socket.socket) -> Program | None:
    """Read what a client asks for; None if it is a user, who asks for nothing."""
    head, files, _, _ = socket.recv_fds(client, 16, FILES)
    length = int(head)
    if not length:
        return None
    client.sendall(b".")
    told = b""
    while len(told) < length:
        told += client.recv(length - len(told))
    asked = json.loads(told)
    numbers = asked.pop("files")
    return Program(**asked, files=dict(zip(numbers, files, strict=True)))


def _watch(waiting: DefaultSelector, client: socket.socket, pid: int, kill: Kill) -> None:
    ended = os.pidfd_open(pid)
    with suppress(BrokenPipeError):
        client.sendall(f"{pid}\n".encode())
    one = Running(client, ended, pid, kill)
    waiting.register(ended, EVENT_READ, one)
    waiting.register(client, EVENT_READ, one)


def _end(waiting: DefaultSelector, one: Running) -> None:
    """Tell a client how its program has ended; kill it if the client is gone."""
    if one.client not in waiting.get_map():
        return  # both were ready at once
    done, status = os.waitpid(one.pid, os.WNOHANG)
    if not done:
        with suppress(ProcessLookupError, PermissionError):  # it has no group yet, or has ended
            one.kill(one.pid, signal.SIGKILL)
        os.kill(one.pid, signal.SIGKILL)
        _, status = os.waitpid(one.pid, 0)
    with suppress(OSError):
        one.client.sendall(f"{status}\n".encode())
    waiting.unregister(one.client)
    waiting.unregister(one.ended)
    one.client.close()
    os.close(one.ended)


def become(program: Program) -> None:
    """Take a program's place: its files, folder, environment, signals and streams."""
    os.setsid()
    _take_files(program.files)
    os.chdir(program.folder)
    os.environ.clear()
    os.environ.update(program.environment)
    for one in HEARD:
        usual = signal.default_int_handler if one is signal.SIGINT else signal.SIG_DFL
        signal.signal(one, signal.SIG_IGN if one in program.ignored else usual)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  as long as the process
    unbuffered = bool(program.environment.get("PYTHONUNBUFFERED"))
    for number, name in ((1, "stdout"), (2, "stderr")):
        by_line = 1 if unbuffered or number == 2 or os.isatty(number) else -1
        errors = getattr(sys, name).errors
        stream = open(number, "w", buffering=by_line, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    named = program.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [one for one in named if one and one not in sys.path]


def _take_files(files: dict[int, int]) -> None:
    """Give open files the numbers that they have in the client, and close all others."""
    import fcntl

    above = max(files) + 1
    moved = {number: fcntl.fcntl(file, fcntl.F_DUPFD, above) for number, file in files.items()}
    for number, file in moved.items():
        os.dup2(file, number)
    for name in [one.name for one in Path("/proc/self/fd").iterdir()]:
        if int(name) not in files:
            with suppress(OSError):
                os.close(int(name))


def run(arguments: Sequence[str]) -> None:
    """Run `-m MODULE ...` or `-c CODE ...` as the interpreter does."""
    kind, what, *rest = arguments
    sys.path.insert(0, str(Path.cwd()) if kind == "-m" else "")
    if kind == "-m":
        sys.argv = [what, *rest]
        sys.modules.pop(what, None)  # so that no warning says that it is there already
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    sys.argv = ["-c", *rest]
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(what, "<string>", "exec"), main.__dict__)


def main(place: str) -> None:
    """Import, and serve; in a fork, run its program."""
    import gc

    for name in IMPORTED:
        import_module(name)
    import torch

    torch.set_num_threads(1)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, (
        "a thread was started, which no fork has"
    )
    gc.collect()
    gc.freeze()
    sys.path.pop(0)  # the folder that this was started in
    program = serve(place)
    become(program)
    sys.executable = str(Path(place).with_name("python"))
    end(program.arguments)


def end(arguments: Sequence[str]) -> None:
    """Run a program, and end as the interpreter does, but take no module apart: that is slow."""
    code: Any = 0
    try:
        run(arguments)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        raise
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main(sys.argv[1])
