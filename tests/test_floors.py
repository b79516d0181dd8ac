"""The plan of the house, checked on the source itself.

(path, source) -> syntax tree -> imports and sizes -> findings, a line each; none is a pass

A path is written as under src, and a check reads nothing else: so each is also tried on small
made-up sources that it must find fault with.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import TypeGuard

import pytest

SRC = Path(__file__).parents[1] / "src"
SOURCES = {path.relative_to(SRC).as_posix(): path.read_text() for path in SRC.rglob("*.py")}

# A room may import from the rooms that stand lower than itself, and from no other.
FLOORS = {
    "cli": 7,
    "verbs": 6,
    "web": 5,
    "training": 4,
    "evaluation": 4,
    "search": 4,
    "checkpoints": 4,
    "model": 3,
    "captions": 2,
    "jsonl": 0,
    "inputs": 1,
    "left_out": 1,
    "retrieval": 1,
    "vectors": 1,
    "files": 1,
    "extras": 1,
    "data_uris": 0,
    "errors": 0,
    "image_names": 0,
    "image_formats": -1,
}
FACE = "e5v/__init__.py"
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_ARGUMENTS = 6
MANY_OPTIONS = {"encode"}  # the one call that everybody makes: six options beside the items

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module, or a name in one: `from e5v.inputs import Item` is e5v.inputs.Item."""

    name: str
    line: int

    @property
    def room(self) -> str:
        """The room of the house that it leads to; empty for the package itself."""
        return self.name.partition(".")[2].partition(".")[0]


def house_imports(node: ast.AST) -> list[Import]:
    """Read what one statement imports from e5v, in any of Python's forms."""
    if isinstance(node, ast.Import):
        imports = [Import(alias.name, node.lineno) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        imports = [Import(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    else:
        imports = []
    return [found for found in imports if found.name.partition(".")[0] in {"e5v", ""}]


def is_for_types_only(node: ast.AST) -> TypeGuard[ast.If]:
    """Tell `if TYPE_CHECKING:`, whose body never runs."""
    named = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
    return isinstance(node, ast.If) and ast.unparse(node.test) in named


def nodes_run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when a module is imported: nothing in a function, nothing for types only."""
    if isinstance(node, Function | ast.Lambda):
        return
    yield node
    for child in node.orelse if is_for_types_only(node) else ast.iter_child_nodes(node):
        yield from nodes_run_on_import(child)


def module_name(path: str) -> str:
    """Name the module that a path under src holds."""
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def find_upward_imports(path: str, source: str) -> list[str]:
    """Find imports that lead up or sideways, wherever in the file they stand."""
    if path == FACE:
        return []
    room = Import(module_name(path), 0).room
    if room not in FLOORS:
        return [f"{path}: room {room!r} has no floor in test_floors.py"]
    imports = [found for node in ast.walk(ast.parse(source)) for found in house_imports(node)]
    return [
        f"{path}:{found.line}: {room} may not import {found.name}"
        for found in imports
        if found.room != room and FLOORS.get(found.room, len(FLOORS)) >= FLOORS[room]
    ]


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


def find_circle(sources: Mapping[str, str]) -> list[str]:
    """Find files that need each other to be imported; the circle is told as its modules."""
    trees = {module_name(path): ast.parse(source) for path, source in sources.items()}
    needs = {
        module: {home_of(found.name, trees) for found in imports_run(tree)} - {module}
        for module, tree in trees.items()
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def imports_run(tree: ast.Module) -> Iterator[Import]:
    """List what a file imports from e5v while it is itself imported."""
    for node in nodes_run_on_import(tree):
        yield from house_imports(node)


def home_of(name: str, modules: Mapping[str, ast.Module]) -> str:
    """Name the module that an imported name is read from: itself, or the one it stands in."""
    return name if name in modules else name.rpartition(".")[0]


def find_outsized(path: str, source: str) -> list[str]:
    """Find files and functions too long, and functions that ask for too much."""
    lines = len(source.splitlines())
    findings = [f"{path}: {lines} lines"] if lines > MAX_FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            findings += [f"{path}:{node.lineno}: {fault}" for fault in faults_of(node)]
    return findings


def faults_of(function: Function) -> Iterator[str]:
    """Say what is too large about one function, by the line that opens it to its last."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > MAX_FUNCTION_LINES:
        yield f"{function.name} has {lines} lines"
    spec = function.args
    named = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    arguments = len(named) - (named[:1] in (["self"], ["cls"]))
    if arguments > MAX_ARGUMENTS + (function.name in MANY_OPTIONS):
        yield f"{function.name} takes {arguments} arguments"


Check = Callable[[str, str], list[str]]


@pytest.mark.parametrize("check", [find_upward_imports, find_reexports, find_outsized])
def test_the_house_stands_as_planned(check: Check) -> None:
    """Catches an import that runs up or sideways, a second door to a name, and sheer size."""
    assert SOURCES
    assert [finding for path, source in SOURCES.items() for finding in check(path, source)] == []


def test_no_two_files_need_each_other() -> None:
    """Catches a circle of imports, which works or fails by which file is imported first."""
    assert find_circle(SOURCES) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("e5v/model/encoder.py", "from e5v.training.loss import contrastive"),
        ("e5v/model/encoder.py", "import e5v.cli"),
        ("e5v/model/encoder.py", "import torch, e5v.web.app as app"),
        ("e5v/model/encoder.py", "from e5v import search"),
        ("e5v/model/encoder.py", "from e5v import E5V"),
        ("e5v/model/encoder.py", "import e5v"),
        ("e5v/model/encoder.py", "def f():\n    from e5v.training import fit"),
        ("e5v/model/encoder.py", "if TYPE_CHECKING:\n    from e5v.web import app"),
        ("e5v/model/encoder.py", "from ..training import fit"),
        ("e5v/model/encoder.py", "from . import prompts"),
        ("e5v/search/index.py", "from e5v.training import fit"),
        ("e5v/training/trainer.py", "from e5v.evaluation import tasks"),
        ("e5v/inputs.py", "from e5v.vectors import normalise"),
        ("e5v/vectors.py", "from e5v.model import prompts"),
        ("e5v/errors.py", "from e5v.inputs import Item"),
        ("e5v/web/app.py", "from e5v.cli import main"),
        ("e5v/attic.py", "import os"),
    ],
)
def test_an_import_that_runs_up_or_sideways_is_found(path: str, source: str) -> None:
    """Catches a check that sees only some of the forms an import can take."""
    assert len(find_upward_imports(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("e5v/cli.py", "from e5v.model.embedder import E5V\nfrom e5v.errors import E5VError"),
        ("e5v/web/app.py", "from e5v.search import index"),
        ("e5v/training/trainer.py", "from e5v.training.loss import contrastive"),
        ("e5v/inputs.py", "from e5v.errors import ItemError\nimport e5vish.cli, os"),
        (FACE, "from e5v.model.embedder import E5V"),
    ],
)
def test_an_import_that_runs_down_is_left_alone(path: str, source: str) -> None:
    """Catches a check so strict that it would have to be switched off."""
    assert find_upward_imports(path, source) == []


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
    ("back", "circles"),
    [
        ("from e5v.model.prompts import Prompt", 1),
        ("from e5v.model import prompts", 1),
        ("import e5v.model.prompts", 1),
        ("try:\n    import e5v.model.prompts\nexcept ImportError:\n    pass", 1),
        ("def f():\n    import e5v.model.prompts", 0),
        ("if TYPE_CHECKING:\n    import e5v.model.prompts", 0),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import e5v.model.prompts", 1),
        ("if not TYPE_CHECKING:\n    import e5v.model.prompts", 1),
        ("import torch", 0),
    ],
)
def test_a_circle_is_found(back: str, circles: int) -> None:
    """Catches a circle through any form of import, and an import that never runs taken for one."""
    sources = {"e5v/model/prompts.py": "from e5v.model.images import Pixels"}
    assert len(find_circle({**sources, "e5v/model/images.py": back})) == circles


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
