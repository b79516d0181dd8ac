"""The data sets of the paper in small, as they are published."""

import io
import json
import tarfile
from collections.abc import Mapping
from zipfile import ZipFile

import pytest
from PIL import Image

from e5v.evaluation.sentences import READERS

datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")
Rows = list[dict[str, object]]
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


def make_files() -> dict[str, Mapping[str, bytes]]:
    """Return the files of all data sets by their ids on the hub."""
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


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return the JSON lines that were written."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
