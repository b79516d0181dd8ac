"""Processes of the warm Python are as those of any other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.warm_python import IS_SUPPORTED

pytestmark = [
    pytest.mark.usefixtures("warm"),
    pytest.mark.skipif(not IS_SUPPORTED, reason="there is no warm Python here"),
]


def run(code: str, *arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run code."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_it_is_warm_and_what_was_asked_for(tmp_path: Path) -> None:
    """Catches a process with another's arguments, folder, environment, streams or state."""
    told = "sys.argv, os.getcwd(), os.environ['A'], 'HOME' in os.environ, 'torch' in sys.modules"
    code = f"import os, sys; print({told}, __name__); sys.stderr.write(sys.stdin.read())"
    done = run(code, "x", input="in", cwd=tmp_path, env={"A": "b"})
    assert done.stdout == f"['-c', 'x'] {tmp_path} b False True __main__\n"
    assert (done.returncode, done.stderr) == (0, "in")
    assert run("import sys; sys.left = 1").returncode == 0
    assert run("import sys; print(hasattr(sys, 'left'))").stdout == "False\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('told')", 1),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("raise KeyboardInterrupt", -2),
    ],
)
def test_it_ends_as_its_program(code: str, expected: int) -> None:
    """Catches a killed process that seems to have ended well."""
    assert run(code).returncode == expected


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_program(sent: int) -> None:
    """Catches a program that lives on when its process was killed."""
    command = [sys.executable, "-c", SLEEP]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.send_signal(sent)
        assert process.wait(60) == -sent
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("group", [True, False])
def test_a_group_is_killed_as_a_whole(*, group: bool) -> None:
    """Catches a command that goes on when what started it was killed with its group, or dies."""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=pipe, text=True, start_new_session=group) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        if group:
            assert process.stdout.read() == ""  # nobody has it open
        else:
            time.sleep(0.2)
            os.kill(pid, signal.SIGKILL)


def test_files_are_passed_and_others_are_not() -> None:
    """Catches a pipe that never closes, because a later process holds it."""
    ours, theirs = os.pipe()
    code = f"import os; os.write({theirs}, b'x')"
    assert run(code, pass_fds=[theirs]).returncode == 0
    with subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        os.close(theirs)
        assert os.read(ours, 9) == b"x"
        assert os.read(ours, 9) == b""
        other.kill()
    os.close(ours)
    assert "Bad file descriptor" in run(code).stderr


def test_other_options_are_those_of_the_interpreter() -> None:
    """Catches an option that is ignored."""
    command = [sys.executable, "-W", "error", "-c", "import warnings; warnings.warn('one')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "UserWarning: one" in done.stderr
    assert done.returncode == 1
