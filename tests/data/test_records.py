"""The records: what they promise, and that evaluation finds what they name."""

import re
from pathlib import Path

import pytest

from e5v.data.records import DATA_SETS, RECORDS, find_data_sets, find_revision
from e5v.errors import UsageError
from e5v.evaluation.benchmark_data import find_folder
from e5v.evaluation.benchmarks import BENCHMARKS, find_benchmarks

SETS = [one for one in BENCHMARKS if one.hub]


def test_what_is_pinned_is_a_commit_and_a_checksum() -> None:
    """A branch or half a commit that is taken for a pinned revision."""
    assert len(RECORDS) == len(DATA_SETS)
    for source in (source for one in DATA_SETS for source in one.sources):
        assert source.revision is None or re.fullmatch("[0-9a-f]{40}", source.revision)
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.sha256.values())


def test_evaluation_finds_what_is_fetched(tmp_path: Path) -> None:
    """Data that are fetched and then downloaded again, into another folder."""
    for one in DATA_SETS:
        (tmp_path / one.home).mkdir()
    for name in (
        "flickr30k",
        "i2i-flickr30k",
        "coco",
        "i2i-coco",
        "cirr",
        "cirr-test",
        "fashioniq",
    ):
        (benchmark,) = find_benchmarks([name])
        known = name.removeprefix("i2i-").removesuffix("-test")
        assert find_folder(benchmark, tmp_path) == tmp_path / RECORDS[known].home
    for benchmark in find_benchmarks(["sts"]):
        assert find_folder(benchmark, tmp_path) == tmp_path / RECORDS["sts"].home


def test_the_hub_is_asked_for_what_is_fetched() -> None:
    """An evaluation on a revision that nobody has seen, beside one that is pinned."""
    ids = {source.id for one in DATA_SETS for source in one.sources}
    for benchmark in SETS:
        assert benchmark.hub
        for one in benchmark.hub.sets:
            assert one.name in ids
            assert one.revision == find_revision(one.name)
    assert any(one.revision for benchmark in SETS if benchmark.hub for one in benchmark.hub.sets)


def test_only_other_data_beside_it(tmp_path: Path) -> None:
    """A folder with nothing but triplets, read as if it were COCO."""
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / "source.json").write_text("{}")
    (coco,) = find_benchmarks(["coco"])
    assert find_folder(coco, tmp_path) is None


def test_an_unknown_name() -> None:
    """A KeyError, or silence."""
    assert [one.name for one in find_data_sets(["sts", "nli", "sts"])] == ["sts", "nli"]
    with pytest.raises(UsageError, match="data set flickr is not known; did you mean flickr30k"):
        find_data_sets(["flickr"])
    with pytest.raises(UsageError, match=r"data set xyz is not known\. The data sets are nli, "):
        find_data_sets(["xyz"])
