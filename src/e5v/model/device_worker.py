"""A process that runs a model on one device for another process.

stdin: how to open it -> stdout: ready | its error
stdin: a batch of prompts -> stdout: states (n, d) | its error; and so on, until stdin ends

Messages are pickled, between a program and its own child alone. stdin ends with that program,
however it ends, so no process is left over.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from typing import IO, Any

import torch

from e5v.errors import E5VError, ModelError, first_line
from e5v.model.encoder import Encoder, Prompted
from e5v.model.loading import load
from e5v.model.opening import Order


def main() -> int:
    """Answer the messages of stdin on stdout, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process decides when this one ends
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    encoder: Encoder | None = None
    while (message := _receive(sys.stdin.buffer)) is not None:
        try:
            if isinstance(message, Order):
                encoder = Encoder(load(message.name, **message.options), message.readout)
                answer: Any = None
            else:
                answer = _run(encoder, message)
        except Exception as error:  # reported by the other process
            answer = _sendable(error)
        pickle.dump(answer, answers)
        answers.flush()
    return 0


def _receive(stream: IO[bytes]) -> Any:
    try:
        return pickle.load(stream)
    except EOFError:
        return None


def _run(encoder: Encoder | None, batch: Sequence[Prompted]) -> Any:
    """Return float32 states (n, d), which hold those of every dtype exactly."""
    if encoder is None:
        raise ModelError("no model is open")
    with torch.inference_mode():
        return encoder.states(batch).float().cpu().numpy()


def _sendable(error: Exception) -> Exception:
    """Return an error that can be pickled; memory and other errors of torch become `ModelError`."""
    if isinstance(error, E5VError):
        return error
    return ModelError(f"{type(error).__name__}: {first_line(error)}")


if __name__ == "__main__":
    sys.exit(main())
