"""What the public names say of themselves: every docstring gives shapes, units and errors.

public name -> its own public methods -> docstring -> findings, a line each; none is a pass
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType

import numpy as np
import pytest
from numpy.typing import NDArray

import e5v

SHAPE = re.compile(r"\((n|d|m|\d+)(, (n|d|m|\d+))*,?\)")  # such as (n, d) or (d,)
ERRORS = re.compile(r"Raises:|Raise `\w+`")
UNIT = re.compile(
    r"0 to 1|percent|cosine|seconds|days|bytes|tokens|pixels|unit (row|vector)|learning rate|ratio"
)


def list_public() -> Iterator[tuple[str, object]]:
    """List the public classes and functions, and the public methods that e5v defines for them."""
    for name in e5v.__all__:
        found = getattr(e5v, name)
        if isinstance(found, str):  # the version
            continue
        yield name, found
        if isinstance(found, type):
            for method, value in vars(found).items():
                if is_ours(method, value):
                    yield f"{name}.{method}", value


def is_ours(name: str, value: object) -> bool:
    """Tell a public method that stands in our source from one that Python generates."""
    function = function_of(value)
    return not name.startswith("_") and function is not None


def function_of(value: object) -> FunctionType | None:
    """Return the function behind a method, a property or a function."""
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return value if isinstance(value, FunctionType) else None


def find_gaps(name: str, value: object) -> list[str]:
    """Find what the docstring of a public name leaves out."""
    text = inspect.getdoc(value) or ""
    if not text:
        return [f"{name} has no docstring"]
    function = function_of(value)
    if function is None:
        return []
    findings = []
    types = str(function.__annotations__)
    if ("NDArray" in types or "ndarray" in types or "Tensor" in types) and not SHAPE.search(text):
        findings.append(f"{name} takes or returns an array; its docstring gives no shape")
    if function.__annotations__.get("return") is float and not UNIT.search(text):
        findings.append(f"{name} returns a number; its docstring gives no unit")
    if raises(function) and not ERRORS.search(text):
        findings.append(f"{name} raises an error; its docstring does not say which")
    return findings


def raises(function: FunctionType) -> bool:
    """Tell whether a function raises an error itself, rather than passing one on."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def test_public_names_give_shapes_units_and_errors() -> None:
    """Catches a public name that one can only use after reading its source."""
    gaps = [gap for name, value in list_public() for gap in find_gaps(name, value)]
    assert gaps == []


def test_methods_are_looked_at() -> None:
    """Catches a check that looks at classes and forgets their methods."""
    assert {"E5V.encode", "E5V.width", "Index.open", "Index.search"} <= dict(list_public()).keys()


def shapeless(rows: NDArray[np.float32]) -> None:
    """Take rows."""


def unitless() -> float:
    """Return a speed."""
    return 1.0


def silent() -> None:
    """Fail."""
    raise ValueError


def bare() -> None:  # noqa: D103  the gap to be found
    pass


@pytest.mark.parametrize("function", [shapeless, unitless, silent, bare])
def test_a_gap_is_found(function: object) -> None:
    """Catches a check that passes whatever a docstring says."""
    assert len(find_gaps("name", function)) == 1
