"""`e5v verify`: checks of a model, as they are made.

model -> e5v.model.verify -> a table, or JSON lines
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.verbs.opening import Opening
from e5v.verbs.talk import show_line, wants_lines

if TYPE_CHECKING:
    from e5v.model.verify import Check


@dataclass(frozen=True)
class Verify:
    """Check on this machine that a model's vectors are those that its own plain code gives.

    e5v verify royokong/e5-v
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    """A hub id or a folder."""
    json: bool = False
    """Write JSON lines, as when piped."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def verify(verb: Verify) -> bool:
    """Show each check when it is made; tell whether all passed.

    Raises:
        ModelError: the model cannot be opened.
    """
    from e5v.model.locating import find_model

    find_model(verb.model)  # what is no model is found out before torch is imported
    from e5v.model.verify import verify as check_model

    return show_checks(check_model(verb.model, **asdict(verb.opening)), json=verb.json)


def show_checks(checks: "Iterator[Check]", *, json: bool) -> bool:
    """Show each check when it is made; tell whether all passed."""
    shown = _lines(checks) if wants_lines(json=json) else _table(checks)
    verdicts = [check.passed for check in shown]  # every check is made, whatever the first says
    return all(verdicts)


def _lines(checks: "Iterator[Check]") -> "Iterator[Check]":
    for check in checks:
        show_line(asdict(check))
        yield check


def _table(checks: "Iterator[Check]") -> "Iterator[Check]":
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "figure", "limit")
    with Live(table, vertical_overflow="visible"):
        for check in checks:
            verdict = Text("ok", "green") if check.passed else Text("FAILED", "bold red")
            table.add_row(Text(check.name), verdict, Text(check.figure), Text(check.limit))
            yield check
