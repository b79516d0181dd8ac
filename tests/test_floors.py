"""Sizes and doors, checked on the source itself; import-linter checks who imports whom.

(path, source) -> syntax tree -> sizes and doors -> findings, a line each; none is a pass

A path is written as under src, and a check reads nothing else: so each is also tried on small
made-up sources that it must find fault with.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
SOURCES = {path.relative_to(SRC).as_posix(): path.read_text() for path in SRC.rglob("*.py")}

FACE = "e5v/__init__.py"
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_ARGUMENTS = 6
EMBEDDER = "e5v/model/embedder.py"
MANY_OPTIONS = {(EMBEDDER, "encode"): 7, (EMBEDDER, "__init__"): 9}  # which everybody calls

Function = ast.FunctionDef | ast.AsyncFunctionDef


def find_reexports(path: str, source: str) -> list[str]:
    """Find a second door to a name: only the face of the package passes names on."""
    if path == FACE:
        return []
    tree = ast.parse(source)
    if path.endswith("/__init__.py"):
        only_says = len(tree.body) == 1 and ast.get_docstring(tree)
        return [] if only_says else [f"{path}: more, or less, than one docstring"]
    assigned = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "__all__"
    ]
    return [f"{path}:{name.lineno}: __all__ belongs to {FACE}" for name in assigned]


def find_outsized(path: str, source: str) -> list[str]:
    """Find files and functions too long, and functions that ask for too much."""
    lines = len(source.splitlines())
    findings = [f"{path}: {lines} lines"] if lines > MAX_FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            most = MANY_OPTIONS.get((path, node.name), MAX_ARGUMENTS)
            findings += [f"{path}:{node.lineno}: {fault}" for fault in faults_of(node, most)]
    return findings


def faults_of(function: Function, most: int) -> Iterator[str]:
    """Say what is too large about one function, which may take so many arguments."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > MAX_FUNCTION_LINES:
        yield f"{function.name} has {lines} lines"
    spec = function.args
    named = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    arguments = len(named) - (named[:1] in (["self"], ["cls"]))
    if arguments > most:
        yield f"{function.name} takes {arguments} arguments"


Check = Callable[[str, str], list[str]]


@pytest.mark.parametrize("check", [find_reexports, find_outsized])
def test_the_house_stands_as_planned(check: Check) -> None:
    """Catches an import that runs up or sideways, a second door to a name, and sheer size."""
    assert SOURCES
    assert [finding for path, source in SOURCES.items() for finding in check(path, source)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("e5v/model/__init__.py", '"""The floor."""\nfrom e5v.model.embedder import E5V'),
        ("e5v/model/__init__.py", ""),
        ("e5v/model/prompts.py", '"""Prompts."""\n__all__ = ["Prompt"]'),
    ],
)
def test_a_second_door_is_found(path: str, source: str) -> None:
    """Catches a folder or a file that passes on names beside the face of the package."""
    assert len(find_reexports(path, source)) == 1


@pytest.mark.parametrize(
    ("source", "findings"),
    [
        ("x = 1\n" * 300, 0),
        ("x = 1\n" * 301, 1),
        ("def f():\n" + "    x = 1\n" * 49, 0),
        ("class C:\n    async def f(self):\n" + "        x = 1\n" * 50, 1),
        ("class C:\n    def f(self, a, b, c, d, /, e, *, f): ...", 0),
        ("def f(a, b, c, d, /, e, *, f, g): ...", 1),
        ("@classmethod\ndef f(cls, a, b, c, d, e, f, g): ...", 1),
    ],
)
def test_an_outsized_piece_is_found(source: str, findings: int) -> None:
    """Catches a limit that is off by one, and one that a kind of function slips under."""
    assert len(find_outsized("e5v/inputs.py", source)) == findings
