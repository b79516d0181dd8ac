"""The README is run: every block, in order, as a reader would type it.

README.md -> fenced blocks -> python and bash in a folder with the sample photos -> output as shown
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
    """Run a block; `make` runs where the README stands, all else beside the sample photos."""
    interpreter = (
        [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    )
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        [*interpreter, block.code],
        cwd=ROOT if block.code.startswith("make") else folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, f"{block.code}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample photos, where a reader tries things."""
    folder = tmp_path_factory.mktemp("reader") / "photos"
    shutil.copytree(ROOT / "examples" / "photos", folder)
    return folder


def test_every_block_runs_and_prints_what_it_shows(folder: Path) -> None:
    """A first page that does not work: the shortest way to lose a user."""
    blocks = find_blocks(README)
    assert {block.language for block in blocks} == {"python", "shell"}
    assert any(block.shown for block in blocks)
    for block in blocks:
        printed = run(block, folder)
        if block.shown is not None:
            assert printed.split() == block.shown.split()


def test_a_wrong_block_is_found(folder: Path) -> None:
    """A runner that passes whatever it is given."""
    (block,) = find_blocks("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    assert block.shown is not None
    assert run(block, folder).split() != block.shown.split()
    with pytest.raises(AssertionError, match="no-such-command"):
        run(Block("shell", "no-such-command\n", None), folder)


def test_every_verb_is_on_the_first_page() -> None:
    """A command that nobody finds."""
    for verb in ("encode", "words", "verify", "demo"):
        assert re.search(rf"(e5v|make) {verb}", README)


def test_the_figures_are_the_measured_ones() -> None:
    """A table that was true of some other version, or of nobody's machine."""
    result = json.loads((ROOT / "benchmarks" / "results" / "encode-cpu.json").read_text())
    times = result["comparisons"][f"all in {result['settings']['dtype']}"]["medians_over_e5v"]
    batches = ("sentence-transformers, batches of 32", "sentence-transformers, batches of 8")
    counts = result["settings"]
    titles = {
        "texts": f"{counts['texts']} sentences",
        "photos": f"{counts['photos']} photos",
        "mixed": "both, shuffled",
    }
    for task, title in titles.items():
        cells = [f"{times[task][peer]:.1f}x" for peer in ("official", *batches)]
        assert f"| {title} | {' | '.join(cells)} |" in README
