"""The benchmarks of training on a tiny model: that they run, compare same work, count it rightly.

No speed is asserted here: on a test machine it means nothing.
"""

import csv
import io
import json
import mmap
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import AutoTokenizer

import e5v.model.encoder
from benchmarks import machine, train, train_gpu, training_step
from benchmarks.fresh import here
from benchmarks.image_training import count_papers, make_trainer, measure, saved
from benchmarks.memory import forget_peak, peak_mib, peak_since_mib
from benchmarks.result import WIDTH
from benchmarks.series import Entry
from benchmarks.sizes import SIZES
from benchmarks.train import OFFICIAL
from benchmarks.training_contenders import CONTENDERS as PROGRAMS
from benchmarks.training_contenders import KEPT, Job, Outcome, run
from benchmarks.training_flops import adapter_flops, count_work
from benchmarks.training_work import BATCH, FEW, BuildJob, build
from e5v.model.encoder import Prompted
from e5v.training.reading import read_triplets
from e5v.training.trainer import Trainer
from tests.nano.small import tokenizer

TRIPLETS = 26  # more than one micro-batch of the official script
LONG = "one of the words that nobody would say again and again in a sentence " * 4
PAIRS = 3
PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "captions.jsonl"
GPU_WORDS = ["--tiny", "--batch", "6", "--steps", "1", "--chunk-tokens", "64", "1024"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give SimCSE's kind of CSV, in which a premise comes twice, one is long, one has no negative.

    It has just as many usable triplets as are asked for.
    """
    rows = [tuple(map(str, t.items)) for t in train_gpu.make_triplets(TRIPLETS - 1)]
    rows[1:1] = [(rows[0][0], "so it is", "it is not"), ("a text with no negative", "well", "")]
    rows[5:5] = [(LONG, "a short one", "another short one")]
    file = tmp_path_factory.mktemp("data") / "nli.csv"
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([("sent0", "sent1", "hard_neg"), *rows])
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Give a tiny random checkpoint with its triplets, as the benchmark writes it."""
    path = tmp_path_factory.mktemp("tiny")
    build(BuildJob(path, "tiny", data, TRIPLETS))
    return path


@pytest.fixture(scope="module")
def result(data: Path) -> train.Result:
    """Give a whole run of the benchmark, in this process."""
    settings = train.Settings(data, batch=TRIPLETS, repeats=1, mini_batches=(32, 16), model="tiny")
    return list(train.measure(settings, here))[-1]


@pytest.fixture(scope="module")
def images() -> train.Result:
    """Give a whole run of the benchmark on pairs of an image and a text, in this process."""
    settings = train.Settings(
        PHOTOS, "images", batch=PAIRS, repeats=1, mini_batches=(2, 1), model="tiny"
    )
    return list(train.measure(settings, here))[-1]


def test_no_text_comes_twice_or_is_too_long(folder: Path) -> None:
    """Catches work that differs: e5v passes over equal texts, and each would cut in its own way."""
    rows = read_triplets([folder / BATCH]).rows
    texts = [str(item) for row in rows for item in row.items]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lengths = [len(tokenizer(text, add_special_tokens=False).input_ids) for text in texts]
    assert len(rows) == TRIPLETS
    assert len(set(texts)) == 3 * TRIPLETS
    assert max(lengths) == 32
    assert any(LONG.startswith(text) for text in texts)
    assert rows[:24] == read_triplets([folder / FEW]).rows


def test_too_little_data_is_said(tmp_path: Path, data: Path) -> None:
    """Catches a batch that is silently smaller than asked for."""
    with pytest.raises(SystemExit, match=rf"has {TRIPLETS} rows .* at least --batch 27"):
        build(BuildJob(tmp_path, "tiny", data, TRIPLETS + 1))


def test_all_find_one_loss_and_gradient(result: train.Result) -> None:
    """Catches a contender with another prompt, cut, adapter, objective, or a shorter way back."""
    assert tuple(result.agreement) == train.CONTENDERS["texts"]
    for name, one in result.agreement.items():
        assert one.stepped.gradient > 0
        assert max(one.loss_difference, one.gradient_difference) < 1e-4, name


def test_all_learn_from_the_whole_batch(result: train.Result) -> None:
    """Catches a step in mixed precision that leaves triplets out, or compares fewer."""
    losses = {one.entry.label: one.outcomes[0].stepped.loss for one in result.series}
    ours = losses.pop("e5v")
    assert losses.pop("official") < ours  # 48 or 4 candidates instead of 52
    assert all(loss == pytest.approx(ours, rel=0.1) for loss in losses.values())


def test_all_find_one_loss_and_gradient_of_images(images: train.Result) -> None:
    """Catches a contender that sees another image, or whose tower learns, too."""
    assert tuple(images.agreement) == train.CONTENDERS["images"]
    for name, one in images.agreement.items():
        assert one.stepped.gradient > 0
        assert max(one.loss_difference, one.gradient_difference) < 1e-4, name


def test_the_tower_sees_every_image_once_or_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches reuse where the benchmark says that there is none, or none where it says so."""
    build(BuildJob(tmp_path, "tiny", PHOTOS, PAIRS, "images"))
    counts: list[int] = []
    real = e5v.model.encoder.image_tokens  # type: ignore[attr-defined]

    def count(model: Any, images: Any, *rest: Any) -> Any:
        counts.append(len(images))
        return real(model, images, *rest)

    monkeypatch.setattr(e5v.model.encoder, "image_tokens", count)
    for contender, seen in (("e5v", PAIRS), (KEPT, 0)):
        learner = PROGRAMS[contender](Job(contender, tmp_path, tmp_path / BATCH, "float32"))
        learner.warm_up()
        counts.clear()
        learner.step()
        assert sum(counts) == seen, contender


def test_check_refuses_another_gradient(folder: Path) -> None:
    """Catches timing programs that do not learn the same."""

    def tampering(function: Callable[[Any], Any], argument: Any) -> Any:
        outcome = function(argument)
        assert isinstance(outcome, Outcome)
        if argument.contender != "official":
            return outcome
        shorter = replace(outcome.stepped, gradient=outcome.stepped.gradient * 0.99)
        return replace(outcome, stepped=shorter)

    with pytest.raises(SystemExit, match="official finds another loss or gradient"):
        train.check(folder, tampering, [Entry(OFFICIAL, "float32"), Entry("e5v", "float32")])


def test_report_has_every_field(result: train.Result) -> None:
    """Catches a field that is lost or cannot be written as JSON."""
    written: dict[str, Any] = json.loads(json.dumps(train.report(result)))
    assert {"what", "when", "notes", "model", "recipe", "agreement_in_float32"} <= written.keys()
    assert {"cpu", "cores", "memory_gib", "platform"} == written["machine"].keys()
    named = {"python", "torch", "transformers", "sentence-transformers", "peft", "e5v"}
    assert named <= written["versions"].keys()
    assert written["settings"]["batch"] == TRIPLETS
    assert written["recipe"]["rank"] == 64
    labels = [(one["contender"], one["mini_batch_size"]) for one in written["series"]]
    peer = "sentence-transformers"
    assert labels == [("e5v", None), ("official", None), (peer, 32), (peer, 16)]
    fields = {"seconds", "seconds_min", "seconds_median", "seconds_max", "rows_per_second"}
    fields |= {"seconds_over_e5v", "peak_mib", "step_peak_mib", "dtype", "loss"}
    assert all(fields <= one.keys() for one in written["series"])
    assert written["series"][0]["seconds_over_e5v"] == 1


def test_table_names_everyone(result: train.Result) -> None:
    """Catches a table that cannot be drawn or leaves a contender out."""
    page = io.StringIO()
    train.show(result, Console(file=page, width=WIDTH))
    for label in ("e5v", "official", "sentence-transformers, batches of 16", "rows/s"):
        assert label in page.getvalue()


def test_a_job_can_be_sent(folder: Path) -> None:
    """Catches jobs that cannot be sent to a process of their own, nor come back from there."""
    function, job = pickle.loads(pickle.dumps((run, Job("e5v", folder, folder / FEW, "float32"))))
    outcome = pickle.loads(pickle.dumps(function(job)))
    assert outcome.peak_mib >= (outcome.step_peak_mib or 1) > 0


def test_the_peak_is_that_of_the_work() -> None:
    """Catches a peak that is of before, or misses what is held and let go in between."""
    if not forget_peak():
        pytest.skip("this system does not tell")
    _hold(128)
    forget_peak()
    before = peak_since_mib()
    _hold(64)
    assert 60 < peak_since_mib() - before < 100
    assert peak_since_mib() <= peak_mib() + 1


def _hold(mib: int) -> None:
    """Take memory and give it back."""
    with mmap.mmap(-1, mib * 2**20) as held:
        for page in range(0, len(held), mmap.PAGESIZE):  # in place: bytes to write would count, too
            held[page] = 1


def test_adapter_of_the_8b_model() -> None:
    """Catches a wrong count, against the 167,772,160 weights that peft reports for Llama-3-8B."""
    assert adapter_flops(SIZES["llava-next-8b"], 1, 1, 64) == 2 * 167_772_160


def test_work_of_the_papers_step() -> None:
    """Catches a wrong formula, against 0.447 TFLOP a text of 32 tokens, as worked out by hand."""
    ids = [*range(5), *range(1000, 1027)]
    texts = [Prompted([*ids[:5], 10 + place, *ids[6:]]) for place in range(768 * 3)]
    work = count_work(SIZES["llava-next-8b"], texts, 64)
    assert (work.triplets, work.tokens, work.shared_tokens) == (768, 768 * 3 * 32, 5)
    forward = 0.447e12 * len(texts) * (27 / 32)
    assert work.cached - work.needed == pytest.approx(forward, rel=0.05)
    assert work.needed == pytest.approx(2 * forward, rel=0.05)


def test_gpu_benchmark_runs_in_small() -> None:
    """Catches a benchmark that fails on the machine it was written for, which tests do not have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "SECONDS", 0.01)
        written = json.loads(json.dumps(train_gpu.measure(train_gpu.parse(GPU_WORDS))))
    assert written["packed_to_plain_gradient_cosine"] >= training_step.SAME
    assert [chunk["chunk_tokens"] for chunk in written["chunks"]] == [64, 1024]
    assert all(chunk["fits"] for chunk in written["chunks"])
    fields = {"seconds", "tokens_per_second", "teraflops_per_second", "share_of_matmul_rate"}
    fields |= {"peak_gpu_gib", "hours_of_the_papers_steps", "seconds_of_words"}
    assert all(fields <= chunk.keys() for chunk in written["chunks"])
    assert written["hours_at_the_matmul_rate"].keys() == {"needed", "cached"}


def test_a_chunk_that_does_not_fit_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches one chunk size too many that costs all that was measured before."""

    def failing(*_args: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(machine, "SECONDS", 0.01)
    monkeypatch.setattr(train_gpu, "backward", failing)
    written = train_gpu.measure(train_gpu.parse(GPU_WORDS))
    assert [chunk["fits"] for chunk in written["chunks"]] == [False, False]


def test_another_gradient_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a kernel whose way back is wrong: its speed would mean nothing."""

    def askew(trainer: Trainer, *_args: Any) -> None:
        for weight in trainer.weights:
            weight.grad = torch.ones_like(weight)

    monkeypatch.setattr(machine, "SECONDS", 0.01)
    monkeypatch.setattr(training_step, "plain_backward", askew)
    with pytest.raises(SystemExit, match="not the plain one"):
        train_gpu.measure(train_gpu.parse(GPU_WORDS))


def test_the_papers_saving_is_what_its_tokens_make() -> None:
    """The arithmetic would explain nothing if it came to another number than the paper's hours."""
    photo = next(one for one in count_papers()["images"] if one["image_tokens"] == 2340)
    assert photo["saved_flops_without_negatives"] == pytest.approx(95.7, abs=1.0)
    assert saved(1.5, 34.9) == 95.7


def test_a_larger_picture_costs_more(tmp_path: Path) -> None:
    """A picture left out of the step, or made small: the document would say that it is cheap."""
    measured = measure(make_trainer(tokenizer(), "tiny", tmp_path), batch=2)
    images = measured["images"]
    for name in ("flops", "tokens"):
        costs = [one[name] for one in images]
        assert costs == sorted(set(costs))
    first = images[0]
    for one in images[1:]:
        more = one["image_tokens"] - first["image_tokens"]
        assert one["tokens"] - first["tokens"] == 2 * more
