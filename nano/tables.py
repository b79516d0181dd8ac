"""A table in Markdown.

heads, rows of cells -> lines; what is not there is left empty
"""

from collections.abc import Iterable, Sequence

Cell = object


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Write a table; columns after the first two are set to the right where they hold numbers."""
    lines = [[_written(cell) for cell in row] for row in rows]
    rules = [
        "---:" if _is_numeric(line[place] for line in lines) else "---" for place in _of(heads)
    ]
    return "\n".join(_line(line) for line in ([*heads], rules, *lines)) + "\n"


def _of(heads: Sequence[str]) -> range:
    return range(len(heads))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _written(cell: Cell) -> str:
    return "" if cell is None else str(cell).replace("|", "\\|").replace("\n", " ")


def _is_numeric(cells: Iterable[str]) -> bool:
    known = [cell for cell in cells if cell]
    return bool(known) and all(cell[0].isdigit() or cell[0] == "-" for cell in known)
