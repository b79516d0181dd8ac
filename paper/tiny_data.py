"""A few rows of every data set of the paper, laid out as they are published.

examples/nli    -> nli/nli_for_simcse.csv, senteval/STS, senteval/SICK
examples/photos -> flickr30k, coco, cirr, fashioniq, llava-pretrain

Each has a `source.json`, so that `e5v data fetch` takes it for what it is: a copy of few rows.
"""

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from e5v.captions import CAPTIONS
from e5v.data.conversations import write_captions
from e5v.data.records import LLAVA_PAIRS, RECORDS
from e5v.data.source import Source, find_facts, write_source
from e5v.evaluation.composed import CATEGORIES
from e5v.evaluation.sentences import STS_YEARS
from e5v.files import replace_folder

EXAMPLES = Path(__file__).parents[1] / "examples"
IMAGES = 10  # of Flickr30K and of COCO: the fewest that a gap is measured on
TRIPLETS, PAIRED, EDITED = 40, 12, 3
GRADED = 6  # pairs of a file of sentences


@dataclass(frozen=True)
class Captioned:
    """A photo and its captions."""

    name: str
    captions: tuple[str, ...]


def write_data(folder: Path) -> None:
    """Write all data sets into a folder, unless they are there."""
    if folder.exists():
        return
    photos = _read_photos()
    with replace_folder(folder) as part:
        rows = _write_nli(part / "nli")
        _write_sts(part / "senteval", rows)
        _write_captioned(part / "flickr30k", photos[:IMAGES])
        _write_captioned(part / "coco", photos[IMAGES : 2 * IMAGES])
        _write_cirr(part / "cirr", photos[20:28], photos[28:34])
        _write_fashioniq(part / "fashioniq", photos[30:42])
        _write_pairs(part / "llava-pretrain", photos[40 : 40 + PAIRED])
        for name, record in RECORDS.items():
            _write_source(name, part / record.home)


def _read_photos() -> list[Captioned]:
    lines = (EXAMPLES / "photos" / CAPTIONS).read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [Captioned(one["image"], tuple(one["captions"])) for one in rows]


def _copy(photo: Captioned, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(EXAMPLES / "photos" / "images" / photo.name, target)


def _write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    file.write_text(text, encoding="utf-8")


def _write_source(name: str, folder: Path) -> None:
    files = [one for one in folder.rglob("*") if one.is_file() and "images" not in one.parts]
    names = sorted(one.relative_to(folder).as_posix() for one in files)
    write_source(folder, Source(name, files=find_facts(folder, names), rows={}))


def _write_nli(folder: Path) -> list[list[str]]:
    """Write some of SimCSE's triplets, and return them."""
    with (EXAMPLES / "nli" / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[: TRIPLETS + 1]
    folder.mkdir()
    with (folder / "nli_for_simcse.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return rows[1:]


def _write_sts(folder: Path, triplets: Sequence[Sequence[str]]) -> None:
    """Write graded pairs in the layout of SentEval, others for each set."""
    taken = cycle(triplets)
    for year, subsets in STS_YEARS.items():
        for subset in subsets:
            home, pairs = folder / "STS" / f"{year}-en-test", _grade(taken)
            texts = "".join(f"{left}\t{right}\n" for left, right, _ in pairs)
            _write(home / f"STS.input.{subset}.txt", texts)
            _write(home / f"STS.gs.{subset}.txt", "".join(f"{grade}\n" for *_, grade in pairs))
    benchmark = "".join(
        f"main\tx\t2017\t{place}\t{grade}\t{left}\t{right}\n"
        for place, (left, right, grade) in enumerate(_grade(taken))
    )
    _write(folder / "STS" / "STSBenchmark" / "sts-test.csv", benchmark)
    heading = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    sick = "".join(
        f"{place}\t{left}\t{right}\t{grade}\tNEUTRAL\n"
        for place, (left, right, grade) in enumerate(_grade(taken))
    )
    _write(folder / "SICK" / "SICK_test_annotated.txt", heading + sick)


def _grade(triplets: Iterator[Sequence[str]]) -> list[tuple[str, str, float]]:
    """Return graded pairs: entailed ones 4 to 5, contradicted ones below 1."""
    pairs = []
    for place, row in enumerate(islice(triplets, GRADED)):
        contradicted = place % 2
        grade = (1 if contradicted else 5) - place / 100
        pairs.append((row[0], row[1 + contradicted], grade))
    return pairs


def _write_captioned(folder: Path, photos: Sequence[Captioned]) -> None:
    """Write photos with captions, as docs/evaluation-data.md lays Flickr30K and COCO out."""
    for one in photos:
        _copy(one, folder / "images" / one.name)
    lines = (json.dumps({"image": one.name, "captions": one.captions}) + "\n" for one in photos)
    _write(folder / CAPTIONS, "".join(lines))


def _write_cirr(folder: Path, val: Sequence[Captioned], test: Sequence[Captioned]) -> None:
    """Write both splits: each photo is to become the next one of its set."""
    for split, home, photos in (("val", "dev", val), ("test1", "test1", test)):
        names = [f"{home}-{place}-0-img0" for place in range(len(photos))]
        for name, photo in zip(names, photos, strict=True):
            _copy(photo, folder / "images" / f"{name}.jpg")
        rows = []
        for place in range(EDITED):
            row = {
                "pairid": place,
                "reference": names[place],
                "caption": photos[place + 1].captions[0],
                "img_set": {"id": place, "members": names[:6]},
            }
            judged = {"target_hard": names[place + 1], "target_soft": {names[place + 1]: 1.0}}
            rows.append(row | (judged if split == "val" else {}))
        _write(folder / "captions" / f"cap.rc2.{split}.json", rows)
        paths = {name: f"./{name}.jpg" for name in names}
        _write(folder / "image_splits" / f"split.rc2.{split}.json", paths)


def _write_fashioniq(folder: Path, photos: Sequence[Captioned]) -> None:
    """Write the three categories, four photos each."""
    each = len(photos) // len(CATEGORIES)
    for number, category in enumerate(CATEGORIES):
        own = photos[number * each : (number + 1) * each]
        for one in own:
            _copy(one, folder / "images" / f"B{one.name}")
        names = [f"B{Path(one.name).stem}" for one in own]
        rows = [
            {"candidate": names[n], "target": names[n + 1], "captions": own[n + 1].captions}
            for n in range(EDITED)
        ]
        _write(folder / "captions" / f"cap.{category}.val.json", rows)
        _write(folder / "image_splits" / f"split.{category}.val.json", names)


def _write_pairs(folder: Path, photos: Sequence[Captioned]) -> None:
    """Write LLaVA's pairs: conversations of an image and its caption."""
    rows = []
    for one in photos:
        place = f"00000/{one.name}"
        _copy(one, folder / "images" / place)
        question = {"from": "human", "value": "Describe the image.\n<image>"}
        answer = {"from": "gpt", "value": one.captions[0]}
        rows.append({"id": one.name, "image": place, "conversations": [question, answer]})
    _write(folder / LLAVA_PAIRS, rows)
    write_captions(folder, LLAVA_PAIRS)
