"""The exceptions and warnings of this package; each message is one line.

    E5VError
      UsageError         an argument is out of range or of the wrong kind
      PromptError        an unknown prompt name, or a prompt without the slot an item needs
      ItemError          one item cannot be read; has its position and the cause
      ModelError         a checkpoint cannot be opened or lacks weights
        EngineError      a server that embeds in our place is away, or gives other vectors
        DeviceError      a process that runs a copy of the model on a device has ended
      DataError          a file of training or evaluation data cannot be used
      TrainingError      a run cannot continue; says what is saved and how to resume
      MissingExtraError  a library is not installed; says which extra of e5v installs it
    EncodeWarning        items were truncated or skipped; has their positions
    RecipeWarning        a model is asked in a way that its authors may not have meant

Catch `E5VError` for all of them, `ItemError` to handle a single bad item. The command line prints
the message on stderr; it exits with 2 for `UsageError` and `PromptError`, otherwise with 1.
"""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Return the first line of any exception's message, or its type's name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, as in "1 row" and "1,000 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class E5VError(Exception):
    """Base class of all errors that this package raises.

    `argument` names the Python argument to change, if changing one would help. The message names no
    command-line option: the command line adds the option for that argument.
    """

    def __init__(self, message: str = "", *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class UsageError(E5VError, ValueError):
    """An argument is out of range or of the wrong kind."""


class PromptError(E5VError):
    """A prompt is unknown, or has no slot for a part of the item."""


class ModelError(E5VError):
    """A model cannot be opened: missing, text only, without all weights, or not supported."""


class EngineError(ModelError):
    """A server that embeds in our place cannot be reached, refuses, or gives other vectors."""


class DeviceError(ModelError):
    """A process that runs a copy of the model on a device has ended."""


class DataError(E5VError):
    """A data file cannot be used: unreadable, wrong columns, wrong shape or no valid row."""


class ItemError(E5VError):
    """One item cannot be embedded.

    `position` is its index in the caller's list (from 0), `cause` the reason in one line.
    """

    def __init__(self, position: int, cause: str) -> None:
        super().__init__(f"item {position}: {cause}")
        self.position = position
        self.cause = cause


class TrainingError(E5VError):
    """A run cannot continue: the loss is not finite, or its files cannot be written."""


class MissingExtraError(E5VError, ImportError):
    """An optional library is missing; the message says what to install."""


class EncodeWarning(UserWarning):
    """Some items were truncated, skipped or look like image paths; `positions` lists them."""

    def __init__(self, message: str, positions: tuple[int, ...]) -> None:
        super().__init__(message)
        self.positions = positions


class RecipeWarning(UserWarning):
    """No published recipe is known for a model: it is asked as E5-V is."""
