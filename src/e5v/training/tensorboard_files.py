"""Write the event files that TensorBoard reads.

step, values by name -> Event -> record with checksums -> events.out.tfevents...

The writers of tensorboard and torch write on a thread of their own, which prints a traceback when
the disk is full. A step takes far longer than its record, so here it is written at once.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from e5v.extras import imported

VERSION = "brain.Event:2"  # of the format; from it on, later steps can be hidden


class EventFile:
    """A new event file in a folder; values that earlier files have after `step` are hidden by it.

    Raises:
        OSError: it cannot be written.
        MissingExtraError: tensorboard is missing.
    """

    def __init__(self, folder: Path, step: int) -> None:
        with imported("TensorBoard"):
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter

        self._events, self._summaries = event_pb2, summary_pb2
        folder.mkdir(exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._add(event_pb2.Event(wall_time=now, file_version=VERSION))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._add(event_pb2.Event(wall_time=now, step=step + 1, session_log=start))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values after a step.

        Raises:
            OSError: the disk is full, or gone.
        """
        made = [self._summaries.Summary.Value(tag=k, simple_value=v) for k, v in values.items()]
        summary = self._summaries.Summary(value=made)
        self._add(self._events.Event(wall_time=time.time(), step=step, summary=summary))

    def _add(self, event: object) -> None:
        self._records.write(event.SerializeToString())  # type: ignore[attr-defined]
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
