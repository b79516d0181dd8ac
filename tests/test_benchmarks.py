"""The benchmarks on a tiny model: that they run, compare same work, and count it rightly.

No speed is asserted here: on a test machine it means nothing.
"""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from benchmarks import encode, encode_gpu, machine
from benchmarks.agreement import SAME, check, lowest_cosine
from benchmarks.checkpoint import write
from benchmarks.contenders import CONTENDERS, Job, Outcome, run
from benchmarks.flops import CountJob, count, own_flops, plain_flops, shared_flops
from benchmarks.fresh import fresh, here
from benchmarks.result import WIDTH
from benchmarks.sizes import SIZES
from benchmarks.work import Task, make_tasks, read_photos, read_sentences

LINES = [
    "A man is playing a guitar on a stage.",
    "Two dogs are running along the beach.",
    "A child in a red coat looks at the snow.",
    '"It is raining," she said, and closed the window.',
    "People wait.",
    "The old woman who sells flowers at the market is sitting on a small wooden chair.",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, photos: list[Image.Image]) -> Path:
    """Give a folder with nli.csv and three photos, two of them of one content."""
    folder = tmp_path_factory.mktemp("data")
    rows = [line.replace('"', '""') for line in [*LINES, LINES[0]]]
    body = "".join(f'"{row}","so it is","it is not"\n' for row in rows)
    (folder / "nli.csv").write_text("sent0,sent1,hard_neg\n" + body)
    for number, photo in enumerate(photos[:2]):
        photo.save(folder / f"{number}.jpg")
    shutil.copy(folder / "0.jpg", folder / "0-again.jpg")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a tiny random checkpoint as the benchmark writes it."""
    folder = tmp_path_factory.mktemp("tiny")
    write(folder, SIZES["tiny"], LINES)
    return folder


@pytest.fixture(scope="module")
def tasks(data: Path) -> tuple[Task, ...]:
    """Give the three kinds of work."""
    return make_tasks(read_sentences(data / "nli.csv"), read_photos(data, 9))


@pytest.fixture(scope="module")
def result(data: Path) -> encode.Result:
    """Give a whole run of the benchmark, in this process."""
    settings = encode.Settings(
        sentences=data / "nli.csv",
        photos_dir=data,
        texts=5,
        photos=2,
        repeats=1,
        st_batches=(8,),
        model="tiny",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "SECONDS", 0.01)
        return list(encode.measure(settings, here))[-1]


def test_items_are_distinct(tasks: tuple[Task, ...]) -> None:
    """Catches counting work that e5v skips, because it embeds equal items once."""
    texts, photos, mixed = tasks
    assert list(texts.items) == LINES
    assert [Path(photo).name for photo in photos.items] == ["0-again.jpg", "1.jpg"]
    assert set(mixed.items) == {*texts.items, *photos.items}
    assert mixed.items != (*texts.items, *photos.items)


def test_no_photos_is_said(tmp_path: Path) -> None:
    """Catches a benchmark that runs on nothing because a folder was mistyped."""
    with pytest.raises(SystemExit, match=r"no \.jpg"):
        read_photos(tmp_path, 1)


def test_contenders_agree_in_every_run(result: encode.Result) -> None:
    """Catches a contender that does other work: another prompt, pooling or padding side."""
    assert min(result.agreement.lowest.values()) >= SAME
    assert {one.entry.contender for one in result.series} == set(CONTENDERS)
    for one in result.series:
        assert one.cosine >= (SAME if one.entry.dtype == "float32" else 0.999), one.entry


def test_report_has_every_field(result: encode.Result) -> None:
    """Catches a field that is lost or cannot be written as JSON."""
    written: dict[str, Any] = json.loads(json.dumps(encode.report(result)))
    assert {"what", "when", "notes", "model", "agreement_in_float32"} <= written.keys()
    assert {"cpu", "cores", "memory_gib", "platform"} == written["machine"].keys()
    named = {"python", "torch", "transformers", "sentence-transformers", "e5v"}
    assert named <= written["versions"].keys()
    assert written["settings"]["repeats"] == 1
    assert written["matmul"]["float32"]["best"] > 0
    assert {"texts", "photos", "mixed"} == written["tasks"].keys()
    assert written["tasks"]["mixed"]["items"] == 7
    assert written["tasks"]["photos"]["tiles"] > 2
    fields = {"seconds", "seconds_min", "seconds_median", "seconds_max"}
    fields |= {"peak_mib", "encode_peak_mib"}
    fields |= {"share_of_matmul_rate", "items_per_second", "lowest_cosine_to_e5v"}
    assert all(fields <= series.keys() for series in written["series"])
    assert written["comparisons"].keys() == {"all in float32", "each as it comes"}
    for comparison in written["comparisons"].values():
        assert all(times["e5v"] == 1 for times in comparison["medians_over_e5v"].values())
        assert comparison["mixed_in_two_calls_over_e5v"].keys() >= {"e5v", "official"}


def test_tables_name_everyone(result: encode.Result) -> None:
    """Catches a table that cannot be drawn or leaves a contender out."""
    page = io.StringIO()
    encode.show(result, Console(file=page, width=WIDTH))
    for label in ("e5v", "official", "sentence-transformers, batches of 8", "texts", "mixed"):
        assert label in page.getvalue()


def test_check_refuses_other_vectors(checkpoint: Path, tasks: tuple[Task, ...]) -> None:
    """Catches timing programs that do not make the same vectors."""

    def tampering(function: Callable[[Any], Any], argument: Any) -> Any:
        outcome = function(argument)
        assert isinstance(outcome, Outcome)
        if argument.contender != "official":
            return outcome
        return replace(outcome, vectors=outcome.vectors[::-1])

    with pytest.raises(SystemExit, match="official makes other vectors"):
        check(checkpoint, tasks, tampering)


def test_a_fresh_process_gives_the_same(checkpoint: Path, tasks: tuple[Task, ...]) -> None:
    """Catches jobs that cannot be sent to a process of their own."""
    job = Job("e5v", checkpoint, tasks[0].items, "float32")
    outcome = fresh(run, job)
    assert lowest_cosine(outcome.vectors, run(job).vectors) >= SAME
    assert outcome.peak_mib >= (outcome.encode_peak_mib or 1) > 0


def test_counting_reads_tokens_and_tiles(checkpoint: Path, tasks: tuple[Task, ...]) -> None:
    """Catches counts that differ from what the model is given."""
    counts = count(CountJob(checkpoint, tasks[2].items))
    pictured = [isinstance(item, Path) for item in tasks[2].items]
    assert [tiles > 0 for tiles in counts.tiles] == pictured
    assert counts.shared == 5  # begin, header, user, header, line ends
    assert min(counts.tokens) > 20


@pytest.mark.parametrize(
    ("tokens", "tiles", "teraflop"), [(32, 0, 0.447), (597, 1, 8.8), (2360, 5, 36.4)]
)
def test_plain_work_of_the_8b_model(tokens: int, tiles: int, teraflop: float) -> None:
    """Catches a wrong formula, against figures worked out by hand for LLaVA-NeXT-8B."""
    counted = plain_flops(SIZES["llava-next-8b"], tokens, tiles) / 1e12
    assert counted == pytest.approx(teraflop, rel=0.005)


def test_shared_tokens_are_counted_once() -> None:
    """Catches work that is counted twice or lost where prompts begin alike."""
    sizes = SIZES["small"]
    assert own_flops(sizes, 40, 5) + shared_flops(sizes, 5) == own_flops(sizes, 40)
    assert own_flops(sizes, 40) < plain_flops(sizes, 40)


def test_gpu_benchmark_runs_in_small() -> None:
    """Catches a benchmark that fails on the machine it was written for, which tests do not have."""
    words = ["--tiny", "--texts", "6", "--photos", "2", "--repeats", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "SECONDS", 0.01)
        written = json.loads(json.dumps(encode_gpu.measure(encode_gpu.parse(words))))
    assert written["packed_to_plain_lowest_cosine"] >= encode_gpu.SAME
    assert written["speeds"]["texts"]["tokens_each"] == 32
    for speed in written["speeds"].values():
        assert np.isfinite([speed["whole_share_of_limit"], speed["alone_share_of_limit"]]).all()
