"""`e5v verify`: checks of a model, each shown as soon as it is done.

model -> e5v.model.verify -> a table, or JSON lines
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.verbs.console import announce, show_line, wants_lines
from e5v.verbs.model_options import Opening, check_model, check_recipe, named_model

if TYPE_CHECKING:
    from e5v.model.verify import Check


@dataclass(frozen=True)
class Verify:
    """Compare a model's vectors with those of its reference code.

    Embeds a few texts and images with e5v's optimised code and with the plain code of transformers
    on this machine, and fails (exit code 1) if they differ.

    Examples:
        e5v verify nano
        e5v verify royokong/e5-v
    """

    model: Annotated[Positional[str | None], arg(metavar="[MODEL]")] = None
    """Hub id or folder of the model; by default $E5V_MODEL."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def verify(verb: Verify) -> bool:
    """Show each check as soon as it is done; return whether all passed.

    Raises:
        UsageError: no model is named.
        ModelError: the model cannot be opened.
    """
    model = named_model(verb.model)
    check_model(model, verb.opening.adapter)
    check_recipe(verb.opening.recipe)
    announce(f"opening {model}")
    from e5v.model.verify import verify as verify_model

    return show_checks(verify_model(model, **asdict(verb.opening)), json=verb.json)


def show_checks(checks: "Iterator[Check]", *, json: bool) -> bool:
    """Show each check as soon as it is done; return whether all passed."""
    shown = _show_lines(checks) if wants_lines(json=json) else _show_table(checks)
    verdicts = [check.passed for check in shown]  # every check is made, whatever the first says
    return all(verdicts)


def _show_lines(checks: "Iterator[Check]") -> "Iterator[Check]":
    for check in checks:
        show_line(asdict(check))
        yield check


def _show_table(checks: "Iterator[Check]") -> "Iterator[Check]":
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "figure", "limit")
    with Live(table, vertical_overflow="visible"):
        for check in checks:
            verdict = Text("ok", "green") if check.passed else Text("FAILED", "bold red")
            table.add_row(Text(check.name), verdict, Text(check.figure), Text(check.limit))
            yield check
