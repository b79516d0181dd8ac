"""The README and the guides are run: every block, in order, as a reader would type it.

pages -> fenced blocks -> python and bash in a folder with the sample photos -> output as shown
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = {
    path.stem: path.read_text()
    for path in (ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guides").glob("*.md")))
}
LONGEST_FIRST = sorted(GUIDES, key=lambda name: -GUIDES[name].count("\ne5v "))
SPEED = (ROOT / "docs" / "speed.md").read_text()
BIN = Path(sys.executable).parent
RESULTS = ROOT / "benchmarks" / "results"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block that can be run, and the output the README shows under it, if it does."""

    language: str
    code: str
    shown: str | None


def find_blocks(text: str) -> list[Block]:
    """Find the python and shell blocks; a text block right under one is its output."""
    found = list(FENCE.finditer(text))
    blocks = []
    for place, fence in enumerate(found):
        if fence[1] not in {"python", "shell"}:
            continue
        after = found[place + 1] if place + 1 < len(found) else None
        follows = after is not None and after[1] == "text"
        adjacent = follows and not text[fence.end() : after.start()].strip() if after else False
        blocks.append(Block(fence[1], fence[2], after[2] if after and adjacent else None))
    return blocks


def run(block: Block, folder: Path) -> str:
    """Run a block; `make` runs where the README stands, all else in the copy.

    `python` and `e5v` are those beside the interpreter, sys.executable.
    """
    interpreter = (
        [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    )
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{BIN}:{os.environ['PATH']}",
        "E5V_INDEX": str(folder / "index"),
    }
    result = subprocess.run(
        [*interpreter, block.code],
        cwd=ROOT if block.code.startswith("make") else folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, f"{block.code}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the clone's root, where a reader runs the commands."""
    folder = tmp_path_factory.mktemp("reader") / "e5v"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "__pycache__")
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


def run_blocks(page: str, folder: Path) -> None:
    """Run the blocks of a page, and compare what they print with what the page shows."""
    for block in find_blocks(page):
        printed = run(block, folder)
        if block.shown is not None:
            assert printed.split() == block.shown.split()


@pytest.mark.guides
@pytest.mark.slow
def test_every_block_runs_and_prints_what_it_shows(folder: Path) -> None:
    """A first page that does not work: the shortest way to lose a user."""
    blocks = find_blocks(README)
    assert {block.language for block in blocks} == {"python", "shell"}
    assert any(block.shown for block in blocks)
    run_blocks(README, folder)
    searches = [line for line in README.splitlines() if line.startswith("e5v search")]
    answers = [first_hit(line, folder) for line in searches[:3]]
    assert answers == ["targets/0089.png", "images/0042.png", "targets/0002.png"]


@pytest.mark.guides
@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_every_block_of_the_guides_runs(name: str, folder: Path) -> None:
    """A guide that leads nowhere, or shows what is not printed."""
    run_blocks(GUIDES[name], folder)


def first_hit(line: str, folder: Path) -> str:
    """Run a search of the README and name the first image that it finds."""
    hit = json.loads(run(Block("shell", line, None), folder).splitlines()[0])
    return "/".join(Path(hit["path"]).parts[-2:])


def test_a_wrong_block_is_found(folder: Path) -> None:
    """A runner that passes whatever it is given."""
    (block,) = find_blocks("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    assert block.shown is not None
    assert run(block, folder).split() != block.shown.split()
    with pytest.raises(AssertionError, match="no-such-command"):
        run(Block("shell", "no-such-command\n", None), folder)


def test_every_verb_is_on_the_first_page() -> None:
    """A command that nobody finds."""
    verbs = "index search serve encode evaluate words train merge convert verify demo models"
    for verb in verbs.split():
        assert re.search(rf"(e5v|make) {verb}|`{verb}`", README)
