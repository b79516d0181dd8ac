"""What is started in place of the interpreter: it has its program run by tests/warm_server.py."""

import json
import os
import signal
import socket
import sys

PLACE = ""  # of the server
PYTHON = ""  # for all that the server does not run
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEADS = os.getpgrp() == os.getpid()  # a group of processes, which is signalled as a whole


def read_arguments() -> list[str]:
    """Return the interpreter's arguments; a client named e5v stands for `python -m e5v.cli`."""
    called, *arguments = sys.argv
    if arguments[:1] == ["-B"]:  # of a process whose parent writes no bytecode
        del arguments[0]
    return ["-m", "e5v.cli", *arguments] if called.endswith("/e5v") else arguments


def open_files() -> list[int]:
    """Return the numbers of the files that this process has open."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  an import less
        try:
            os.fstat(number)
        except OSError:  # the listing's own
            continue
        found.append(number)
    return found


def ask() -> socket.socket:
    """Send the program: the files with its length, and when they have come, the rest."""
    ignored = [int(one) for one in HEARD if signal.getsignal(one) is signal.SIG_IGN]
    told = {"arguments": read_arguments(), "ignored": ignored}
    told["environment"] = dict(os.environ)
    told["leads"] = LEADS
    told["folder"] = os.getcwd()  # noqa: PTH109
    told["files"] = files = open_files()
    server = socket.socket(socket.AF_UNIX)
    server.connect(PLACE)
    content = json.dumps(told).encode()
    socket.send_fds(server, [str(len(content)).encode()], files)
    server.recv(1)
    server.sendall(content)
    return server


def main() -> None:
    """Run the program, forward signals to it, and end as it does."""
    if read_arguments()[:1] not in (["-m"], ["-c"]):
        os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
    send = os.killpg if LEADS else os.kill
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    with ask() as server:
        answers = server.makefile("r")
        pid = int(answers.readline())
        for one in HEARD:
            if signal.getsignal(one) is not signal.SIG_IGN:
                signal.signal(one, lambda number, _: send(pid, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        status = int(answers.readline())
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code in HEARD:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
