"""The tree of errors: everything a user can get wrong, each told in one line.

    E5VError
      UsageError    an argument that cannot be served (what, got, expected)
      PromptError   a prompt without the slot an item needs, an unknown prompt name
      ItemError     one item that cannot be read; knows its position and the cause
      ModelError    a checkpoint that cannot be opened or lacks weights
      DataError     a file of training or evaluation data that cannot be used
      TrainingError a run that cannot go on; says what stands and how to resume
      MissingExtraError a library that is not installed; says which extra of e5v installs it
    EncodeWarning   nothing is lost, but items were cut or left out; knows which

Catch `E5VError` broadly, recover from `ItemError` narrowly. The command line prints the message on
stderr and exits with 1.
"""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Return the first line of what an error of somebody else's says, or its name if nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, as in "1 row" and "1,000 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class E5VError(Exception):
    """Root of everything this package raises on purpose.

    `argument` names the Python argument whose change would help, if there is one. The message does
    not name a command-line option: the command line adds the option of that name.
    """

    def __init__(self, message: str = "", *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class UsageError(E5VError, ValueError):
    """An argument is out of range or of the wrong kind."""


class PromptError(E5VError):
    """A prompt is unknown, or has no slot for what the item holds."""


class ModelError(E5VError):
    """A model cannot be opened: no such folder, text only, weights missing, unknown family."""


class DataError(E5VError):
    """A data file cannot be used: unreadable, other columns, no usable row, another shape."""


class ItemError(E5VError):
    """One item cannot be embedded.

    `position` is its place in the caller's list (from 0), `cause` the reason in one line.
    """

    def __init__(self, position: int, cause: str) -> None:
        super().__init__(f"item {position}: {cause}")
        self.position = position
        self.cause = cause


class TrainingError(E5VError):
    """A run cannot go on: the loss is not finite, or nothing more can be written."""


class MissingExtraError(E5VError, ImportError):
    """A library is needed that the base install leaves out; the message says what to install."""


class EncodeWarning(UserWarning):
    """Some items were cut or left out; `positions` says which, the message says why."""

    def __init__(self, message: str, positions: tuple[int, ...]) -> None:
        super().__init__(message)
        self.positions = positions
