"""Puts the bundled model into the package: base, adapter and a card that says what it is.

base + adapter of `e5v train` -> base/ adapter/ README.md, beside their place
     -> opened by name, held against `e5v merge` -> renamed

    python -m nano.ship build/nano/base build/nano/study/text-0/adapter
"""

import json
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import tyro
from PIL import Image
from tyro.conf import Positional

from e5v import E5V
from e5v.checkpoints.merge import merge
from e5v.files import replace_folder
from e5v.inputs import RawItem
from e5v.model import bundled
from e5v.model.adapters import find_run
from e5v.model.locating import ADAPTER_CONFIG
from e5v.model.lora import WEIGHTS
from nano.findings import Findings, read_findings
from nano.miniature import write_document
from nano.study import RESULTS

LARGEST = 40_000_000  # bytes in all
SAME = 0.9999  # cosine
NAMES = (bundled.NANO, bundled.BASE)
KEPT = ("*.json", "*.safetensors", "*.jinja")  # of the base


def ship(base: Path, run: Path, target: Path, findings: Findings) -> None:
    """Write the folder of the bundled model in place of the one before, if it passes all checks.

    Raises:
        SystemExit: it is too large, or not the model that `e5v merge` makes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_folder(target) as part:
        _copy_base(base, part / "base")
        _copy_adapter(find_run(run).adapter, part / "adapter")
        (part / "README.md").write_text(write_document("model_card", findings), encoding="utf-8")
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        if size > LARGEST:
            raise SystemExit(f"the bundled model has {size:,} bytes; expected at most {LARGEST:,}")
        _check_vectors(part, base, run)


def _copy_base(base: Path, folder: Path) -> None:
    folder.mkdir()
    for file in (file for pattern in KEPT for file in base.glob(pattern)):
        shutil.copyfile(file, folder / file.name)


def _copy_adapter(adapter: Path, folder: Path) -> None:
    folder.mkdir()
    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = "nano-base"  # and not where it lay as it was trained
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / ADAPTER_CONFIG).write_text(text, encoding="utf-8")
    shutil.copyfile(adapter / WEIGHTS, folder / WEIGHTS)  # small, and so it is what merge adds


def _check_vectors(folder: Path, base: Path, run: Path) -> None:
    """Open both by name, and hold the tuned one against the merged checkpoint."""
    picture = Image.new("RGB", (180, 90), "skyblue")
    picture.paste("tomato", (20, 20, 70, 70))
    edited = {"image": picture, "text": "make the background red"}
    items: list[RawItem] = [
        "a dog to the left of a cat on a blue background",
        "Two people.",
        picture,
        edited,
    ]
    with patch.dict(bundled.FOLDERS, nano=folder):  # it is not in its place yet
        tuned, untuned = (E5V(name).encode(items) for name in NAMES)
    with tempfile.TemporaryDirectory() as made:
        merge(run, Path(made) / "merged", base)
        merged = E5V(Path(made) / "merged").encode(items)
    expected = (tuned, merged), (untuned, E5V(base).encode(items))
    for name, (left, right) in zip(NAMES, expected, strict=True):
        least = float((left * right).sum(1).min())
        if not least >= SAME:
            raise SystemExit(
                f"{name} has a cosine of {least:.5f} to what it is made of, below {SAME}"
            )
    if np.allclose(tuned, untuned):
        raise SystemExit("nano and nano-base give the same vectors; expected a tuned model")


def main(
    base: Positional[Path],
    run: Positional[Path],
    results: Path = RESULTS,
    target: Path = bundled.FOLDERS[bundled.NANO],
) -> None:
    """Ship a base with a folder that `e5v train` wrote, or an adapter."""
    ship(base, run, target, read_findings(results))
    print(f"wrote {target}")  # noqa: T201


if __name__ == "__main__":
    tyro.cli(main)
