"""The server of the warm Python: it has imported torch and transformers, and forks.

a client's arguments, environment and open files -> fork -> the program -> its exit status
"""

import atexit
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
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
FILES = 200  # most files that a client has open
PATIENCE = 60.0  # seconds until the first user is there
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Kill = Callable[[int, int], None]


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


def serve(place: str) -> Program:
    """Fork a process for each program, where this returns; end with the last user and program."""
    with socket.socket(socket.AF_UNIX) as listener, DefaultSelector() as waiting:
        listener.bind(place)
        listener.listen(64)
        waiting.register(listener, EVENT_READ)
        used = False
        while ready := waiting.select(None if used else PATIENCE):
            for key, _ in ready:
                found: Any = key.fileobj
                if found is listener:
                    client, _ = listener.accept()
                    program = _read(client)
                    if program is None:
                        used = True
                        waiting.register(client, EVENT_READ)
                    elif pid := os.fork():
                        for file in program.files.values():
                            os.close(file)
                        _watch(waiting, client, pid, os.killpg if program.leads else os.kill)
                    else:
                        return program
                elif key.data is None:  # a user has ended
                    waiting.unregister(found)
                    found.close()
                else:
                    _end(waiting, key.data)
            if used and len(waiting.get_map()) == 1:  # no user is left, and no program
                sys.exit()
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
