"""What tests of evaluation share: data in small, the published annotations, a model, a report."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import E5V
from e5v.evaluation.scores import Results
from tests.evaluation.asked import touch, write, write_cirr
from tests.evaluation.reported import a_report

ANNOTATIONS = Path(__file__).parents[3] / "shared" / "data" / "cir_annotations"


@pytest.fixture(scope="session")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a small random model of the paper's family."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


@pytest.fixture(scope="session")
def report() -> Results:
    """Give a report of two benchmarks and a gap."""
    return a_report()


@pytest.fixture(scope="session")
def annotations() -> Path:
    """Give the published annotations of CIRR, FashionIQ and CIRCO, where they are at hand."""
    if not ANNOTATIONS.is_dir():
        pytest.skip(f"the annotations of CIRR, FashionIQ and CIRCO are not at {ANNOTATIONS}")
    return ANNOTATIONS


@pytest.fixture
def cirr(tmp_path: Path) -> Path:
    """Give a CIRR of five images, two queries to measure and two to submit."""
    return write_cirr(tmp_path)


@pytest.fixture
def fashioniq(tmp_path: Path) -> Path:
    """Give a FashionIQ of three images and two queries for each category."""
    for category in ("dress", "shirt", "toptee"):
        names = [f"B00000000{n}" for n in range(3)]
        rows = [
            {
                "candidate": names[0],
                "target": names[2],
                "captions": ["is red.", " has no sleeves?"],
            },
            {"candidate": names[1], "target": names[0], "captions": ["", "is longer, and blue"]},
        ]
        write(tmp_path / f"captions/cap.{category}.val.json", rows)
        write(tmp_path / f"image_splits/split.{category}.val.json", names)
    touch(tmp_path, ["images/B000000000.png", "images/B000000001.jpg", "images/B000000002.jpg"])
    return tmp_path


@pytest.fixture
def circo(tmp_path: Path) -> Path:
    """Give a CIRCO of four images, a query to measure and one to submit."""
    row = {"id": 0, "reference_img_id": 3, "relative_caption": "is asleep", "shared_concept": "cat"}
    write(tmp_path / "annotations/val.json", [row | {"target_img_id": 4, "gt_img_ids": [4, 1]}])
    write(tmp_path / "annotations/test.json", [row])
    images = [{"id": n, "file_name": f"{n:012}.jpg"} for n in (3, 1, 4, 5)]
    coco = tmp_path / "COCO2017_unlabeled"
    write(coco / "annotations/image_info_unlabeled2017.json", {"images": images, "licenses": []})
    touch(coco / "unlabeled2017", [str(image["file_name"]) for image in images])
    return tmp_path
