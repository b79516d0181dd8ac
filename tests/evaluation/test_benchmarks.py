"""The table of benchmarks: what each is of, where it lies, and what the paper has."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from e5v import UsageError
from e5v.evaluation.benchmark_data import find_folder, read_benchmark
from e5v.evaluation.benchmarks import BENCHMARKS, find_benchmarks
from e5v.evaluation.published import COLUMNS
from e5v.evaluation.tasks import pools

(FOLDER,) = find_benchmarks(["folder"])


def test_other_data_than_the_papers_say_so(tmp_path: Path) -> None:
    """Recall among 2 images, beside the paper's among 5,000 as if it were the same."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").touch()
    rows = [{"image": f"{name}.png", "captions": ["x", "y", "z"]} for name in ("a", "b")]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    coco, drawn = find_benchmarks(["coco", "i2i-coco"])
    other = "image retrieval: 6 in 2; in the paper 25,000 in 5,000"
    assert read_benchmark(coco, tmp_path).notes == (other,)
    material = read_benchmark(drawn, tmp_path)
    assert material.notes[0] == other
    assert {pool.kind for pool in pools(material.tasks)} == {"image"}
    same = replace(coco, sizes={"image retrieval": (6, 2)})
    assert read_benchmark(same, tmp_path).notes == ()
    assert read_benchmark(FOLDER, tmp_path).notes == ()


def test_sizes_are_those_of_the_published_annotations(annotations: Path) -> None:
    """A note on the very data that the paper used."""
    cirr, fashioniq = find_benchmarks(["cirr", "fashioniq"])

    def count(path: str) -> int:
        return len(json.loads((annotations / path).read_text()))

    assert cirr.sizes == {
        "CIRR": (
            count("cirr/captions/cap.rc2.val.json"),
            count("cirr/image_splits/split.rc2.val.json"),
        )
    }
    assert fashioniq.sizes == {
        one: (
            count(f"fashioniq/captions/cap.{one}.val.json"),
            count(f"fashioniq/image_splits/split.{one}.val.json"),
        )
        for one in ("shirt", "dress", "toptee")
    }


def test_folders_of_several_benchmarks(tmp_path: Path) -> None:
    """Table 6 as a dozen commands; the folder of one benchmark read for another."""
    coco, drawn, sts = find_benchmarks(["coco", "i2i-coco", "sts12"])
    assert [find_folder(one, tmp_path) for one in (coco, drawn, sts)] == [tmp_path] * 3
    (tmp_path / "STS").mkdir()
    assert find_folder(sts, tmp_path) == tmp_path, "SentEval's own folder of STS, whatever its case"
    for name in ("coco", "senteval"):
        (tmp_path / name).mkdir()
    assert find_folder(coco, tmp_path) == find_folder(drawn, tmp_path) == tmp_path / "coco"
    assert find_folder(sts, tmp_path) == tmp_path / "senteval"
    (cirr,) = find_benchmarks(["cirr"])
    assert find_folder(cirr, tmp_path) is None
    assert find_folder(coco, None) is None
    (own,) = find_benchmarks(("folder",))
    assert find_folder(own, tmp_path) == tmp_path, "a folder of one's own that has one named coco"
    asked = {(one.title, task) for one in find_benchmarks(["table6"]) for task, _ in one.paper}
    single = {key[:2] for key in COLUMNS if key[1] != "mean"}
    assert single <= asked
    assert len(find_benchmarks(["table6", "sts"])) == 13


def test_papers_figures_are_of_metrics_that_exist() -> None:
    """A published figure that is never shown, because a name is spelt another way."""
    metrics = {"R@1", "R@5", "R@10", "R@50", "Spearman"}
    assert all(metric in metrics for one in BENCHMARKS for _, metric in one.paper)
    assert len({one.name for one in BENCHMARKS}) == len(BENCHMARKS)
    with pytest.raises(UsageError, match="benchmark coc is not known; did you mean coco"):
        find_benchmarks(["coc"])
