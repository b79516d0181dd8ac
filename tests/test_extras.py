"""What a base install can do, and what it says of what it cannot."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from e5v.errors import E5VError, MissingExtraError
from e5v.extras import EXTRA_OF, EXTRAS, imported, need

ROOT = Path(__file__).parents[1]

HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {hidden}
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""
RUN = """
from e5v.cli import main
code = main({arguments})
sys.stderr.write("slow\\n" if "torch" in sys.modules else "")
sys.exit(code)
"""
CALLS = """
for code in {codes}:
    try:
        exec(code, {{}})
    except Exception as error:
        print(f"{{type(error).__name__}}: {{error}}")
"""
Done = subprocess.CompletedProcess[str]


def without(hidden: Iterable[str], code: str, folder: Path) -> Done:
    """Run code in a Python of its own that cannot import some libraries."""
    command = [sys.executable, "-c", HIDE.format(hidden=sorted(hidden)) + code]
    nothing = os.environ | {"E5V_CACHE": str(folder / "cache")}  # assembled
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=nothing
    )


VERBS = [
    (["index", "."], "e5v index needs lancedb", "search"),
    (["index", "--audit"], "e5v index needs lancedb", "search"),
    (["search", "a dog"], "e5v search needs lancedb", "search"),
    (["search", "--duplicates"], "e5v search needs lancedb", "search"),
    (["demo"], "e5v demo needs lancedb", "search"),
    (["serve"], "e5v serve needs fastapi", "serve"),
    (["train", "--data", "a.csv", "--out", "run"], "e5v train needs peft", "train"),
    (["evaluate", "nano", "--data", "."], "e5v evaluate needs scipy", "eval"),
    (["assemble", "photos"], "e5v assemble needs gguf", "assemble"),
    (["export", "--to", "a.parquet"], "e5v export needs lancedb", "search"),
    (["search", "a dog", "--store", "qdrant://h/c"], "Qdrant needs qdrant_client", "qdrant"),
    (["search", "a dog", "--store", "milvus://h/c"], "Milvus needs milvus_lite", "milvus"),
    (["search", "a", "--store", "postgresql://h/d/t"], "PostgreSQL needs pgvector", "pgvector"),
    (["encode", "a cat", "--model", "nano", "--out", "v.parquet"], "Parquet needs", "search"),
    (
        ["encode", "a", "--out", "parts", "--part-rows", "9", "--engine", "ray"],
        "e5v encode --part-rows needs pyarrow",
        "search",
    ),
    (
        ["encode", "a cat", "--model", "nano", "--out", "v.bin", "--format", "parquet"],
        "Parquet needs pyarrow",
        "search",
    ),
]


@pytest.mark.parametrize(("arguments", "message", "extra"), VERBS)
def test_a_verb_says_at_once_which_extra_it_needs(
    tmp_path: Path, arguments: Sequence[str], message: str, extra: str
) -> None:
    """Catches a traceback of an import, and hours of work before a file cannot be written."""
    (tmp_path / "a.csv").write_text("anchor,positive\na,b\nc,d\n")
    done = without(EXTRA_OF, RUN.format(arguments=list(arguments)), tmp_path)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert lines[0].startswith(f"e5v: {message}")
    assert lines[0].endswith(f", which is not installed; pip install 'e5v[{extra}]'")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv"}


@pytest.mark.parametrize(
    ("hidden", "arguments", "message"),
    [
        ("pyarrow", ["search", "a dog"], "e5v search needs pyarrow"),
        ("lancedb", ["serve"], "e5v serve needs lancedb"),
        ("prometheus_client", ["serve"], "e5v serve needs prometheus_client"),
        ("matplotlib", ["train", "--data", "a.csv", "--out", "run"], "e5v train needs matplotlib"),
        (
            "bitsandbytes",
            ["train", "--data", "a.csv", "--out", "run", "--four-bit"],
            "e5v train --four-bit needs bitsandbytes",
        ),
        (
            "tensorboard",
            ["train", "--data", "a.csv", "--out", "run", "--track", "tensorboard"],
            "e5v train --track tensorboard needs tensorboard",
        ),
        (
            "wandb",
            ["train", "--data", "a.csv", "--out", "run", "--track", "wandb"],
            "e5v train --track wandb needs wandb",
        ),
        ("pyarrow", ["train", "--data", "a.parquet", "--out", "run"], "Parquet needs pyarrow"),
        (
            "ray",
            ["encode", "a", "--out", "parts", "--part-rows", "9", "--engine", "ray"],
            "e5v encode --engine ray needs ray",
        ),
    ],
)
def test_one_missing_library_of_an_extra_is_named(
    tmp_path: Path, hidden: str, arguments: Sequence[str], message: str
) -> None:
    """Catches a check of one library of an extra only: a run that ends without its drawing."""
    done = without([hidden], RUN.format(arguments=list(arguments)), tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith(f"e5v: {message}, which is not installed; pip install 'e5v[")


def test_the_base_install_embeds(tmp_path: Path) -> None:
    """Catches a library of an extra on the way of `E5V.encode`, or of a verb that needs none."""
    (tmp_path / "a.csv").write_text("anchor,positive\na dog,a puppy\na car,a truck\n")
    mine = ["mine", "--data", "a.csv", "--out", "m.jsonl", "--margin", "-2"]
    code = f"""
from e5v import E5V
from e5v.cli import main
assert E5V("nano").encode(["a cat"]).shape == (1, 288)
for arguments in (["encode", "a cat", "--out", "v.npy"], ["words", "a cat", "--json"], {mine}):
    assert main([*arguments, "--model", "nano"]) == 0
"""
    done = without(EXTRA_OF, code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "m.jsonl", "v.npy"}


PYTHON = [
    ("from e5v.search.index import Index", "an index needs pyarrow", "search"),
    ("from e5v.search.writer import writing", "an index needs pyarrow", "search"),
    ("from e5v.web.app import create_app", "the server needs fastapi", "serve"),
    (
        "from e5v.training.trainer import fit; from e5v.training.run import Run\n"
        "from e5v.training.recipe import Recipe; from pathlib import Path\n"
        "next(fit(Run('nano-base', (Path('a.csv'),), Path('run'), Recipe())))",
        "training needs peft",
        "train",
    ),
    ("from e5v.parts.ray_engine import run_on_ray", "the engine ray needs pyarrow", "search"),
    (
        "from e5v.evaluation.metrics import spearman; spearman([0.1, 0.2], [1, 2])",
        "Spearman's correlation needs scipy",
        "eval",
    ),
]


def test_a_python_call_says_which_extra_it_needs(tmp_path: Path) -> None:
    """Catches "No module named ..." without what to install."""
    done = without(EXTRA_OF, CALLS.format(codes=[code for code, _, _ in PYTHON]), tmp_path)
    assert done.returncode == 0, done.stderr
    for line, (_, message, extra) in zip(done.stdout.splitlines(), PYTHON, strict=True):
        assert line == (
            f"MissingExtraError: {message}, which is not installed; pip install 'e5v[{extra}]'"
        )


def test_the_table_is_that_of_the_package() -> None:
    """Catches advice to install an extra that does not bring the library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    written = {
        extra: {line.partition(">")[0] for line in lines if not line.startswith("e5v[")}
        for extra, lines in project["optional-dependencies"].items()
    }
    names = {"sklearn": "scikit-learn", "psycopg": "psycopg[binary]", "ray": "ray[data]"}
    for library, extra in EXTRA_OF.items():
        named = names.get(library, library)
        assert {named, named.replace("_", "-")} & written[extra]
    base = {line.partition(">")[0] for line in project["dependencies"]}
    assert base.isdisjoint(EXTRA_OF)
    assert EXTRAS.keys() == written.keys() - {"all", "dev", "docs"}


def test_what_is_installed_is_not_missing() -> None:
    """Catches a check that refuses what is there, or that hides a fault inside a library."""
    need("this", "pytest", "json", "os")
    with pytest.raises(MissingExtraError, match=r"this needs mteb2, .*; pip install 'e5v\[eval\]'"):
        need("this", "mteb2", extra="eval")
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as raised, imported("this"):
        import_module("no_such_module")
    assert not isinstance(raised.value, E5VError)
