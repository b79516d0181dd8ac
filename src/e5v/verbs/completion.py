"""`e5v --completion SHELL`: a script that completes verbs and options in bash or zsh.

verbs -> tyro's own completion script -> stdout
"""

from collections.abc import Sequence
from typing import Any, Union

from e5v.errors import UsageError

OPTION = "--completion"
SHELLS = ("bash", "zsh")


def print_completion(arguments: Sequence[str], verbs: Sequence[type[object]]) -> None:
    """Print the script for the shell that `arguments`, those after the option, name.

    Raises:
        UsageError: no shell is named, or one without a script.
    """
    import tyro

    if len(arguments) != 1 or arguments[0] not in SHELLS:
        given = " ".join(arguments) or "empty"
        raise UsageError(f"{OPTION} is {given}; expected {' or '.join(SHELLS)}")
    parse: Any = tyro.cli  # mypy takes no union for a type
    try:
        parse(
            Union[tuple(verbs)],  # noqa: UP007  made while the program runs
            prog="e5v",
            args=["--tyro-print-completion", arguments[0]],
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except SystemExit as end:  # tyro ends the program once it has printed
        if end.code:
            raise
