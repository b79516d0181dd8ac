"""`e5v serve` in a process of its own.

arguments -> process -> the line that says where it serves -> Served, killed at the end
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

KEY = "sk-a-key"
BEARER = {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Served:
    """A server of its own process."""

    url: str
    process: "subprocess.Popen[str]"
    said: list[str]

    def end(self, signum: int) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(60)


@contextmanager
def serving(folder: str, *arguments: str, key: str = KEY, port: int = 0) -> Iterator[Served]:
    """Run `e5v serve` with a model until the block ends."""
    command = [sys.executable, "-m", "e5v.cli", "serve", "--model", folder, "--port", str(port)]
    environment = os.environ | {"E5V_API_KEY": key, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--dtype", "float32", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if " at http://" in line:
            break
    rest = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    rest.start()
    try:
        yield Served(said[-1].split()[-1], process, said)
    finally:
        process.kill()
        process.wait()
        rest.join()
        process.stderr.close()
