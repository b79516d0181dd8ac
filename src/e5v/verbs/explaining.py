"""What a user is told of an error: one line, with the option that would help.

exception, a verb's record -> its message | what a full memory, disk or GPU asks for | a bug
"""

from typing import Any

from e5v.errors import E5VError, ItemError, first_line
from e5v.verbs.options import name_option, options_of

DEBUG = "E5V_DEBUG"


def explain(error: Exception, record: type[Any]) -> str:
    """Return the error message of a verb, with the option that would help."""
    options = options_of(record)
    if isinstance(error, E5VError):
        argument = "skip_errors" if isinstance(error, ItemError) else error.argument
        return f"{error}{name_option(argument, options)}"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else first_line(error)
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is slow to import
        lower = "try a lower --batch-tokens, " if name_option("batch_tokens", options) else "try "
        return f"the GPU's memory is full; {lower}another --dtype or --device cpu"
    if isinstance(error, MemoryError):
        return "the memory of this machine is full; try a smaller model"
    return (
        f"unexpected {type(error).__name__}: {first_line(error)}; this is a bug in e5v, please "
        f"report it (set {DEBUG}=1 for the traceback)"
    )
