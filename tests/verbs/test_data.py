"""`e5v data` as a user meets it, with the package's own readers on small data."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
from huggingface_hub import constants
from PIL import Image

from e5v.cli import main
from e5v.data.records import RECORDS
from e5v.evaluation.benchmark_data import find_folder, read_benchmark
from e5v.evaluation.benchmarks import find_benchmarks
from e5v.evaluation.sentences import READERS
from e5v.training.reading import read_triplets
from tests.data.file_hub import COMMIT, FileHub, make_small, serve_files
from tests.model.fake_hub import refusing

datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")
Rows = list[dict[str, object]]
Capture = pytest.CaptureFixture[str]
SIMCSE, LLAVA = "princeton-nlp/datasets-for-simcse", "liuhaotian/LLaVA-Pretrain"
NLI = b"sent0,sent1,hard_neg\na dog,an animal,a cat\na man,a person,a tree\n"
CATEGORIES = ("dress", "shirt", "toptee")
ROWS = {
    "nli": {"triplets": 2},
    "flickr30k": {"captions": 10, "images": 2},
    "coco": {"captions": 10, "images": 2},
    "cirr": {"queries": 2, "images": 3, "test queries": 2, "test images": 3},
    "fashioniq": {
        f"{category} {what}": count
        for category in CATEGORIES
        for what, count in (("queries", 1), ("images", 2))
    },
    "sts": dict.fromkeys(READERS, 2),
    "llava-pretrain": {"pairs": 2},
}


def draw(colour: str) -> bytes:
    """Return an image of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(out, "PNG")
    return out.getvalue()


def cell(colour: str) -> dict[str, object]:
    """Return an image as the hub's Parquet files have it."""
    return {"bytes": draw(colour), "path": f"{colour}.png"}


def make_parquet(rows: Rows) -> bytes:
    """Return a Parquet file as the hub has it."""
    table = datasets.Dataset.from_list(rows)
    for column in {"image", "img", "candidate"}.intersection(table.column_names):
        table = table.cast_column(column, datasets.Image())
    out = io.BytesIO()
    table.to_parquet(out)
    return out.getvalue()


def make_captions() -> bytes:
    """Return two images with captions."""
    return make_parquet(
        [{"image": cell(one), "text": [f"{one} {n}" for n in range(5)]} for one in ("red", "blue")]
    )


def make_queries(**more: object) -> Rows:
    """Return two edits."""
    edits = (("red", "blue"), ("blue", "green"))
    return [
        {"candidate": cell(one), "candidate_id": one, "caption": "in another colour"}
        | {key: other if value == "target" else value for key, value in more.items()}
        for one, other in edits
    ]


def make_gallery(**more: object) -> Rows:
    """Return three candidates."""
    return [{"img": cell(one), "id": one, **more} for one in ("red", "blue", "green")]


def make_fashion() -> Mapping[str, bytes]:
    """Return the queries of FashionIQ, and its images."""
    queries: Rows = [
        {"candidate": cell("red"), "caption": ["a", "b"], "target_id": "blue", "category": one}
        for one in CATEGORIES
    ]
    images = [row for one in CATEGORIES for row in make_gallery(category=one)[:2]]
    return {"fashioniq_val": make_parquet(queries), "fashioniq_val_imgs": make_parquet(images)}


def make_senteval() -> bytes:
    """Return an archive of two pairs a set."""
    files = {
        "STS/STSBenchmark/sts-test.csv": "x\tx\tx\tx\t1.0\ta\tb\nx\tx\tx\tx\t2.0\tc\td\n",
        "SICK/SICK_test_annotated.txt": "pair_ID\tA\tB\tscore\n1\ta\tb\t1.0\n2\tc\td\t2.0\n",
        "MR/other.txt": "other",
    }
    for year in ("STS12", "STS13", "STS14", "STS15", "STS16"):
        first, *others = READERS[year].args[1]  # type: ignore[attr-defined]
        for subset in (first, *others):
            pairs, grades = ("a\tb\nc\td\n", "1\n2\n") if subset == first else ("a\tb\n", "\n")
            files[f"STS/{year}-en-test/STS.input.{subset}.txt"] = pairs
            files[f"STS/{year}-en-test/STS.gs.{subset}.txt"] = grades
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def make_llava() -> dict[str, bytes]:
    """Return two pairs, and an archive of their images."""
    out = io.BytesIO()
    with ZipFile(out, "w") as packed:
        for colour in ("red", "blue"):
            packed.writestr(f"0/{colour}.png", draw(colour))
    pairs = [
        {
            "image": f"0/{colour}.png",
            "conversations": [
                {"from": "human", "value": "<image>"},
                {"from": "gpt", "value": f"a {colour} square"},
            ],
        }
        for colour in ("red", "blue")
    ]
    name = "blip_laion_cc_sbu_558k.json"
    return {name: json.dumps(pairs).encode(), "images.zip": out.getvalue()}


@pytest.fixture(scope="module")
def files() -> Mapping[str, Mapping[str, bytes]]:
    """Give all data sets of the paper in small."""
    one, val, test = "data/{}-00000-of-00001.parquet", make_gallery(), make_gallery()
    fashion = {
        f"royokong/{name}": {one.format("val"): content} for name, content in make_fashion().items()
    }
    return {
        SIMCSE: {"nli_for_simcse.csv": NLI, "senteval.tar": make_senteval(), "other.txt": b"-"},
        LLAVA: make_llava(),
        "royokong/flickr30k_test": {one.format("test"): make_captions()},
        "royokong/coco_test": {one.format("test"): make_captions()},
        "royokong/cirr_val": {one.format("val"): make_parquet(make_queries(target_id="target"))},
        "royokong/cirr_test": {one.format("test"): make_parquet(make_queries(pairid=1))},
        "royokong/cirr_imgs": {
            one.format("val"): make_parquet(val),
            one.format("test"): make_parquet(test),
        },
        **fashion,
    }


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every record expect small data, of any revision."""
    for name, rows in ROWS.items():
        monkeypatch.setitem(RECORDS, name, make_small(name, rows))  # type: ignore[arg-type]
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(
    files: Mapping[str, Mapping[str, bytes]], small: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileHub]:
    """Run a hub that has them."""
    with serve_files(files) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


def lines_of(capsys: Capture) -> list[dict[str, object]]:
    """Return the JSON lines that were written."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_fetched_data_are_evaluated_and_trained_on(
    hub: FileHub, tmp_path: Path, capsys: Capture
) -> None:
    """Data in a layout that no other verb takes, or that are downloaded a second time."""
    root = tmp_path / "data"
    assert main(["data", "fetch", *ROWS, "--data", str(root)]) == 0
    fetched = {line["name"]: line for line in lines_of(capsys)}
    assert {name: line["rows"] for name, line in fetched.items()} == ROWS
    assert fetched["coco"]["revisions"] == {"royokong/coco_test": COMMIT}
    assert not list(root.rglob("*.part"))
    assert not [*root.rglob("*.zip"), *root.rglob("*.tar"), *root.rglob("other.txt")]

    hub.asked.clear()
    for benchmark in find_benchmarks(
        ["flickr30k", "coco", "cirr", "cirr-test", "fashioniq", "sts"]
    ):
        folder = find_folder(benchmark, root)
        assert folder is not None
        assert read_benchmark(benchmark, folder).tasks
    triplets = read_triplets([root / "nli" / "nli_for_simcse.csv"])
    pairs = read_triplets([root / "llava-pretrain" / "captions.jsonl"])
    assert (len(triplets.rows), len(pairs.rows), pairs.broken) == (2, 2, ())
    assert pairs.rows[1].positive == "a blue square"
    assert main(["data", "fetch", *ROWS, "--data", str(root)]) == 0
    assert {line["fresh"] for line in lines_of(capsys)} == {False}
    assert hub.asked == []

    assert main(["data", "check", "--data", str(root), "--all-images"]) == 0
    checks = {(line["data"], line["check"]) for line in lines_of(capsys)}
    assert {name for name, _ in checks} == set(ROWS)
    opened = {name for name, check in checks if check == "opened images"}
    assert opened == {"flickr30k", "coco", "cirr", "fashioniq", "llava-pretrain"}


def test_an_unfinished_fetch_is_not_evaluated(
    hub: FileHub, tmp_path: Path, capsys: Capture
) -> None:
    """Half of COCO's images, among which everything is found."""
    command = ["data", "fetch", "coco", "--data", str(tmp_path)]
    hub.manners.cuts, hub.manners.cut = 1, 0
    assert main(command) == 1
    assert "stopped at 0 of" in capsys.readouterr().err
    evaluate = ["evaluate", "nano", "--benchmark", "coco", "--data", str(tmp_path)]
    assert main(evaluate) == 1
    expected = f"coco is not complete; finish it with: e5v data fetch coco --data {tmp_path}\n"
    assert capsys.readouterr().err.endswith(expected)
    assert main(["data", "list", "coco", "--data", str(tmp_path)]) == 0
    assert lines_of(capsys)[0]["state"] == "unfinished"
    assert main(["data", "check", "--data", str(tmp_path)]) == 1
    expected = "e5v: coco, source: an unfinished fetch; expected a finished one (fetch it again)\n"
    assert capsys.readouterr().err == expected
    assert main(command) == 0


@pytest.mark.usefixtures("small")
def test_a_missing_column(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs in the place of triplets, which train to another model; rows left out untold."""

    def fetch(content: bytes) -> int:
        with serve_files({SIMCSE: {"nli_for_simcse.csv": content}}) as hub:
            monkeypatch.setattr(constants, "ENDPOINT", hub.url)
            root = tmp_path / hub.url.rpartition(":")[2]
            code = main(["data", "fetch", "nli", "--data", str(root)])
        return code or main(["data", "check", "nli", "--data", str(root)])

    assert fetch(b"sent0,sent1\na,b\nc,d\n") == 1
    assert "none of 2 rows has a hard negative; expected the columns" in capsys.readouterr().err
    assert fetch(b"first,second\na,b\nc,d\n") == 1
    assert "its columns are first, second; expected anchor and" in capsys.readouterr().err
    assert fetch(b"sent0,sent1,hard_neg\na,b,c\n,d,e\n") == 0
    note = "1 row that training leaves out (row 2: sent0 is empty)"
    assert note in [line.get("found") for line in lines_of(capsys)]


def test_broken_data_are_named(hub: FileHub, tmp_path: Path, capsys: Capture) -> None:
    """An exit code without a reason, or a reason without an exit code."""
    assert main(["data", "fetch", "llava-pretrain", "--data", str(tmp_path)]) == 0
    image = tmp_path / "llava-pretrain" / "images" / "0" / "red.png"
    image.write_bytes(b"broken")
    capsys.readouterr()
    command = ["data", "check", "llava-pretrain", "--data", str(tmp_path)]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("e5v: llava-pretrain, opened images: 1 of 2 cannot be opened: image 1: ")
    image.unlink()
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("e5v: llava-pretrain, rows: 1 of 2 images are missing; the first is ")
    assert told.endswith("0/red.png\n")


@pytest.mark.usefixtures("small")
def test_no_network_is_one_line(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback of five screens."""
    monkeypatch.setattr(constants, "ENDPOINT", refusing())
    assert main(["data", "fetch", "nli", "--data", str(tmp_path)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "e5v: nli: no revision is pinned; what comes is written down in source.json"
    assert second.startswith(f"e5v: the data set {SIMCSE} is not reachable: 127.0.0.1:")


def test_the_table_has_every_data_set(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A licence or a size that nobody is told before a download of a night."""
    monkeypatch.setattr("e5v.verbs.data.wants_lines", lambda json: json)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / "nli_for_simcse.csv").write_bytes(NLI)
    assert main(["data", "list", "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in RECORDS)
    for said in (
        "275,601 triplets",
        "not pinned",
        "27,581 MB",
        "a copy, not checked",
        "over 609 MB",
    ):
        assert said in shown
    assert "8,329 queries, 4,612 images" in shown
