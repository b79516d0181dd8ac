"""Ask another process to decode files; one that crashes or hangs is ended, and said of its file.

a request -> the worker, started if there is none -> its answer
                                                  -> it ended, or was ended: UnreadableError
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from threading import Lock, Timer
from types import TracebackType
from typing import IO, Any, Self

from e5v.media.kinds import is_decoded
from e5v.media.locations import split_place
from e5v.model.image_files import UnreadableError

SECONDS = 30.0  # for one page, frame or document
MOST_DEATHS = 3  # of workers on one file, before the rest of it is given up
COMMAND = (sys.executable, "-P", "-c", "from e5v.media.worker import main; main()")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Decoder:
    """A process that decodes files, one request at a time; close it after use. Thread-safe."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._path, self._deaths = "", 0  # the file of the last request, and who died on it

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, if there is one; the next request starts another."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.communicate()

    def count_pages(self, path: str) -> int:
        """Return the number of pages of a PDF.

        Raises:
            UnreadableError: it cannot be read; as all methods.
        """
        return int(json.loads(self._ask("pages", path)))

    def read_captions(self, path: str, first: int, last: int) -> list[str]:
        """Return the beginning of the text of some pages of a PDF, from 1."""
        captions: list[str] = json.loads(self._ask("captions", path, first=first, last=last))
        return captions

    def find_times(self, path: str, most: int) -> list[float]:
        """Return the times of at most `most` key frames of a video, in seconds."""
        times: list[float] = json.loads(self._ask("times", path, most=most))
        return times

    def read_text(self, path: str) -> str:
        """Return the text of a document."""
        return str(json.loads(self._ask("text", path)))

    def read_image(self, path: str, place: str = "") -> bytes:
        """Return the page, frame or preview of a file as JPEG."""
        return self._ask("image", path, place=place)

    def _ask(self, act: str, path: str, **more: Any) -> bytes:
        with self._lock:
            if path != self._path:
                self._path, self._deaths = path, 0
            if self._deaths >= MOST_DEATHS:
                raise UnreadableError(
                    f"was given up, as {MOST_DEATHS} processes that decoded it had to be ended"
                )
            line = json.dumps({"do": act, "path": os.path.abspath(path), **more})  # noqa: PTH100
            return self._talk(line.encode() + b"\n")

    def _talk(self, line: bytes, *, again: bool = True) -> bytes:
        """Send a request and read its answer, in so many seconds.

        If the worker ends, another one is asked: it may be that the system ended the first.
        """
        worker = self._worker = self._worker or _start()
        assert worker.stdin
        assert worker.stdout
        late = Timer(self._seconds, worker.kill)
        late.daemon = True
        late.start()
        answer = None
        try:
            worker.stdin.write(line)
            worker.stdin.flush()
            answer = _read_answer(worker.stdout)
        except BrokenPipeError:
            pass
        except BaseException:  # interrupted: the answer may still come
            self.close()
            raise
        finally:
            in_time = late.is_alive()
            late.cancel()
        if answer is None and in_time and again:
            self._end(in_time=True)
            return self._talk(line, again=False)
        if answer is None:
            self._deaths += 1
            raise UnreadableError(self._end(in_time=in_time))
        if not in_time:  # it has answered, and was killed
            self.close()
        if answer.reason:
            raise UnreadableError(answer.reason)
        return answer.content

    def _end(self, *, in_time: bool) -> str:
        """Forget a worker that ended without an answer; say what became of it."""
        worker, self._worker = self._worker, None
        assert worker
        worker.communicate()
        if not in_time:
            return f"was not decoded within {self._seconds:g} seconds"
        code = worker.returncode
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"cannot be decoded: the process that decoded it ended ({cause})"


@dataclass(frozen=True)
class _Answer:
    """The content that was asked for, or the reason why there is none."""

    content: bytes
    reason: str = ""


def _read_answer(answers: IO[bytes]) -> _Answer | None:
    """Read one answer; None if the worker has ended before it was complete."""
    head = answers.read(HEAD)
    size = int.from_bytes(head[1:], "big")
    content = answers.read(size) if len(head) == HEAD else b""
    if len(head) < HEAD or len(content) < size:
        return None
    if head[:1] == b"!":
        return _Answer(b"", content.decode("utf-8", "replace"))
    return _Answer(content)


HEAD = 9  # bytes: a mark, and the size of the content


def _start() -> subprocess.Popen[bytes]:
    """Start a worker; one thread, as many need much of the memory that it may use."""
    return subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(THREADS, "1"),
    )


def read_stored_image(path: str) -> bytes | None:
    """Return the image of an entry's path that is inside of a file; None if it is the file itself.

    Raises:
        UnreadableError: it cannot be read.
    """
    file, place = split_place(path)
    if not place and not is_decoded(file):
        return None
    with Decoder() as decoder:
        return decoder.read_image(file, place)
