"""From the arguments of a verb to its record; every mistake is one line.

arguments -> checks that need no parser -> tyro -> record -> checks of every value

Tyro is asked for the mistakes it finds by `tyro._errors.on_parse_error`, which is private: seen
with 1.0.17. In a version without it the mistakes are found as well, and shown as tyro shows them.
"""

import io
import itertools
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any, NoReturn, TypeVar, get_args

import tyro

from e5v.errors import E5VError, UsageError
from e5v.verbs.help import plain_help
from e5v.verbs.options import Option, check_values, name_option, options_of, suggest

Record = TypeVar("Record")
EXPECTED = {int: "a whole number", float: "a number"}


def parse(record: type[Record], name: str, arguments: Sequence[str]) -> Record:
    """Read the record of a verb from its arguments, or show its help.

    Raises:
        UsageError: the arguments cannot be understood.
        SystemExit: the help was asked for, and is shown.
    """
    options = options_of(record)
    before = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    if {"-h", "--help"} & set(before):
        arguments = before = ["--help"]  # tyro leaves out of the help what stands before it
    _check_spelling(options, before)
    arguments = [*_join_lists(options, before), *arguments[len(before) :]]
    read: Any = tyro.cli  # mypy takes no plain type variable here
    shown = io.StringIO()
    try:
        with redirect_stdout(shown), _raise_usage_errors(options, arguments):
            parsed: Record = read(
                record,
                prog=f"e5v {name}",
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if not end.code:
            sys.stdout.write(plain_help(record, name, shown.getvalue()))
        raise
    return check_values(parsed, arguments)


def _check_spelling(options: Sequence[Option], arguments: Sequence[str]) -> None:
    """Refuse a flag with a value, and a list without one."""
    known = {flag: option for option in options for flag in option.flags}
    for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue="--"):
        option = known.get(_find_flag(argument))
        if option and option.kind is bool and "=" in argument:
            raise UsageError(f"{option.flags[0]} takes no value")
        if option and option.is_list and "=" not in argument and following.startswith("--"):
            raise UsageError(f"{option.flags[0]} lacks its values")


def _join_lists(options: Sequence[Option], arguments: Sequence[str]) -> list[str]:
    """Join the values of a list that is given in parts: tyro would keep the last part only.

    Of an option with one value, the last counts, as usual.
    """
    lists = {flag: option.name for option in options if option.is_list for flag in option.flags}
    known = {flag for option in options for flag in option.flags}
    current: list[str] = []
    parts = [current]
    first: dict[str, list[str]] = {}
    for argument in arguments:
        name = lists.get(_find_flag(argument), "")
        if name in first:
            current = first[name]
            current += [argument.partition("=")[2]] if "=" in argument else []
        elif _find_flag(argument) in known:
            current = [argument]
            parts.append(current)
            first |= {name: current} if name else {}
        else:
            current.append(argument)
    return [argument for part in parts for argument in part]


def _find_flag(argument: str) -> str:
    """Return the option that an argument begins with, with hyphens."""
    return argument.partition("=")[0].replace("_", "-")


def _raise_usage_errors(
    options: Sequence[Option], arguments: Sequence[str]
) -> AbstractContextManager[object]:
    """Raise what tyro finds wrong as a UsageError."""
    try:
        from tyro._errors import on_parse_error
    except ImportError:
        return nullcontext()

    def report(event: Any) -> NoReturn:
        explain = EXPLAINED.get(type(event).__name__, _explain_other)
        raise UsageError(explain(event, options, arguments))

    return on_parse_error(report)


def _explain_other(event: Any, options: Sequence[Option], arguments: Sequence[str]) -> str:
    del event, options
    return f"cannot understand {' '.join(arguments)}"


def _explain_unknown(tokens: Sequence[str], options: Sequence[Option]) -> str:
    """Report the first unknown option, or an argument too many."""
    flags = [flag for option in options for flag in option.flags]
    wrong = next((token for token in tokens if token.startswith("-") and token != "-"), None)
    if wrong is None:
        several = any(option.is_positional and option.is_list for option in options)
        return f"unexpected argument {tokens[0]}" + ("; keep all arguments together" * several)
    known = [*flags, "--help"]
    flag = _find_flag(wrong)
    if flag in known:  # one that ends a list of values, or is in the place of a value
        return f"{flag} is in the wrong place, or lacks its value"
    if flag[1:2].isdigit() or not flag[1:].strip("-"):
        return f"unexpected argument {wrong}"
    hint = suggest(flag, known) or "; an argument that begins with - goes after --"
    return f"unknown option {flag}{hint}"


def _explain_unrecognized(event: Any, options: Sequence[Option], _: Sequence[str]) -> str:
    return _explain_unknown(event.tokens, options)


def _explain_missing(event: Any, options: Sequence[Option], _: Sequence[str]) -> str:
    if event.unrecognized_tokens:
        return _explain_unknown(event.unrecognized_tokens, options)
    names = [_format_argument(missing.arg) for missing in event.missing_arguments]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"


def _format_argument(argument: Any) -> str:
    """Return an argument as its help names it: "--out FOLDER", or MODEL."""
    metavar = str(argument.lowered.metavar or "")
    if argument.is_positional():
        return metavar
    return f"{argument.lowered.name_or_flags[-1]} {metavar}".strip()


def _explain_value(event: Any, options: Sequence[Option], _: Sequence[str]) -> str:
    del options
    if event.reason == "too_few_values":
        return f"{_format_argument(event.argument)} lacks its value"
    return f"{event.argument.lowered.name_or_flags[-1]} takes no value"


def _explain_choice(event: Any, options: Sequence[Option], _: Sequence[str]) -> str:
    del options
    flag = event.argument.lowered.name_or_flags[-1]
    choices = [choice for choice in event.choices if choice != "None"]
    listed = " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))
    return f"{flag} is {event.value}; expected {listed}{suggest(event.value, choices)}"


def _explain_failure(event: Any, options: Sequence[Option], arguments: Sequence[str]) -> str:
    """Report a value of the wrong type, or what the record itself refuses."""
    if event.argument is None:
        return f"{event.message}{_find_option_at_fault(options)}"
    flags = set(event.argument.lowered.name_or_flags)
    option = next((one for one in options if flags & set(one.flags)), None)
    if option is None:
        return str(event.message).splitlines()[0]
    got = _find_value(option, arguments)
    kinds = [kind for kind in EXPECTED if kind is option.kind or kind in get_args(option.kind)]
    if not kinds and (choices := _list_choices(option.kind)):
        return f"{option.flags[0]} is {got}; expected {', '.join(choices)}{suggest(got, choices)}"
    expected = EXPECTED[kinds[0]] if kinds else "another value"
    return f"{option.flags[0]} is {got}; expected {expected}"


def _find_option_at_fault(options: Sequence[Option]) -> str:
    """Name the option of the error that a record has just raised, if the error says which."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, E5VError):
            return name_option(error.argument, options)
        error = error.__cause__ or error.__context__
    return ""


def _list_choices(kind: Any) -> list[str]:
    """Return the words that a type of choices allows, inside `| None` too."""
    found = [word for part in get_args(kind) for word in (_list_choices(part) or [part])]
    return [word for word in found if isinstance(word, str)]


def _find_value(option: Option, arguments: Sequence[str]) -> str:
    """Return what was given as the value of an option, as it was typed."""
    for place, argument in enumerate(arguments):
        if argument.startswith("-") and _find_flag(argument) in option.flags:
            if "=" in argument:
                return argument.partition("=")[2]
            rest = arguments[place + 1 :]
            end = next((n for n, one in enumerate(rest) if n and one.startswith("--")), len(rest))
            return " ".join(rest[: end if option.is_list else 1])
    return ""


EXPLAINED: dict[str, Callable[[Any, Sequence[Option], Sequence[str]], str]] = {
    "UnrecognizedArgs": _explain_unrecognized,
    "MissingArgs": _explain_missing,
    "BadValue": _explain_value,
    "InvalidChoice": _explain_choice,
    "InstantiationFailure": _explain_failure,
}
