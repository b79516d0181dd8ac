"""Composed retrieval: every query, image and truth of the published data sets, by their protocols.

The annotations are not in the repository; where they lie beside it, they are read in full.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from e5v import E5V
from e5v.errors import DataError
from e5v.evaluation.composed import CATEGORIES, read_circo, read_cirr, read_fashioniq
from e5v.evaluation.tasks import Material, Search, Submission
from e5v.inputs import Item, Text, normalise
from tests.evaluation.asked import items_of, read, touch, write


def search_of(material: Material, place: int = 0) -> Search:
    """Give one of the searches."""
    task = material.tasks[place]
    assert isinstance(task, Search)
    return task


def submission_of(material: Material) -> Submission:
    """Give the only task, which a server measures."""
    (task,) = material.tasks
    assert isinstance(task, Submission)
    return task


def stems(task: Search | Submission, places: Iterable[int]) -> list[str]:
    """Name images of the candidates."""
    return [items_of(task.candidates)[place].stem for place in places]


def placed(source: Path, target: Path, images: Iterable[str]) -> Path:
    """Lay annotations out with files that stand for the images."""
    target.mkdir()
    for folder in source.iterdir():
        if folder.is_dir():
            (target / folder.name).symlink_to(folder)
    images = list(images)
    touch(target, images[:1])
    for image in images[1:]:
        (target / image).parent.mkdir(parents=True, exist_ok=True)
        os.link(target / images[0], target / image)
    return target


def test_cirr(cirr: Path) -> None:
    """A reference that is found as its own answer; a subset where others compete."""
    material = read_cirr(cirr)
    whole, subset = search_of(material), search_of(material, 1)
    assert [task.name for task in (whole, subset)] == ["CIRR", "CIRR subset"]
    assert [task.cutoffs for task in (whole, subset)] == [(1, 5, 10, 50), (1, 2, 3)]
    images = [cirr / f"dev/dev-{n}-0-img0.png" for n in range(5)]
    for task in (whole, subset):
        (queries,) = task.queries
        assert list(items_of(queries)) == [
            {"image": images[0], "text": "with two dogs"},
            {"image": images[3], "text": "in the snow"},
        ]
        assert (queries.kind, queries.prompt) == ("composed", "cirr")
        assert items_of(task.candidates) == images
        assert (task.candidates.kind, task.candidates.prompt) == ("image", "cirr")
        assert [list(places) for places in task.relevance.true] == [[1], [4]]
        assert task.relevance.hidden is not None
        assert [list(places) for places in task.relevance.hidden] == [[0], [3]]
    assert whole.relevance.among is None
    assert subset.relevance.among is not None
    assert [sorted(places) for places in subset.relevance.among] == [[1, 2], [0, 4]]


@pytest.mark.parametrize("root", ["images/dev", "img_raw/dev", "images", "img_raw"])
def test_cirr_finds_its_images(cirr: Path, root: str) -> None:
    """A data set that is all there, and is not found."""
    (cirr / root).parent.mkdir(parents=True, exist_ok=True)
    (cirr / "dev").rename(cirr / root)
    candidates = search_of(read_cirr(cirr)).candidates
    assert items_of(candidates)[4] == cirr / root / "dev-4-0-img0.png"


def test_cirr_to_submit(cirr: Path) -> None:
    """Answers under other names than the server's."""
    task = submission_of(read_cirr(cirr, "test1"))
    assert task.ids == ["12", "13"]
    assert task.names == [f"dev-{n}-0-img0" for n in range(5)]
    assert [list(places) for places in task.hidden] == [[0], [3]]
    assert [sorted(places) for places in task.among] == [[1, 2], [0, 4]]


def test_all_of_cirr(annotations: Path, tmp_path: Path) -> None:
    """A query that is lost or judged by another's truth, anywhere in the data set."""
    source = annotations / "cirr"
    names = [read(source / f"image_splits/split.rc2.{split}.json") for split in ("val", "test1")]
    folder = placed(source, tmp_path / "cirr", [path for split in names for path in split.values()])
    rows = read(source / "captions/cap.rc2.val.json")
    material = read_cirr(folder)
    for place in (0, 1):
        task = search_of(material, place)
        assert (len(items_of(task.queries[0])), len(items_of(task.candidates))) == (4181, 2297)
        assert task.relevance.hidden is not None
        relevance = zip(
            items_of(task.queries[0]), task.relevance.true, task.relevance.hidden, strict=True
        )
        for row, (query, true, hidden) in zip(rows, relevance, strict=True):
            assert stems(task, true) == [row["target_hard"]]
            assert stems(task, hidden) == [row["reference"]] == [query["image"].stem]
            assert query["text"] == row["caption"]
    among = search_of(material, 1).relevance.among
    assert among is not None
    for row, places in zip(rows, among, strict=True):
        assert {*stems(task, places), row["reference"]} == set(row["img_set"]["members"])
        assert len(places) == 5

    submission = submission_of(read_cirr(folder, "test1"))
    assert (len(submission.ids), len(submission.names)) == (4148, 2315)
    assert stems(submission, range(2315)) == submission.names
    pairs = [str(row["pairid"]) for row in read(source / "captions/cap.rc2.test1.json")]
    assert submission.ids == pairs


def test_a_query_without_words_is_asked_all_the_same(
    cirr: Path, checkpoints: Callable[[str], Path]
) -> None:
    """CIRR's pair 27098, whose text is one space: its server takes no submission without it."""
    rows = read(cirr / "captions/cap.rc2.test1.json")
    write(cirr / "captions/cap.rc2.test1.json", [rows[0] | {"caption": " "}, rows[1]])
    Image.new("RGB", (8, 8)).save(cirr / "dev/dev-0-0-img0.png")
    (query, _) = items_of(submission_of(read_cirr(cirr, "test1")).queries[0])
    assert normalise(query).texts == (" ",)
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    quoted = Item((*normalise(query).images, Text('" "')))
    vectors = model.encode([query, quoted], prompt="cirr")
    assert (vectors[0] != vectors[1]).any()
    tokens = model.loaded.processor.tokenizer.decode(
        model.prepare(query, prompt="cirr").prompted.ids
    )
    assert 'with " ", desribe' in tokens


def test_fashioniq(fashioniq: Path) -> None:
    """One order of the captions alone; captions of another code's making; a reference hidden."""
    material = read_fashioniq(fashioniq)
    images = [fashioniq / f"images/B00000000{n}" for n in ("0.png", "1.jpg", "2.jpg")]
    for place, category in enumerate(CATEGORIES):
        task = search_of(material, place)
        assert task.name == category
        first, second = task.queries
        assert list(items_of(first)) == [
            {"image": images[0], "text": "is red, has no sleeves"},
            {"image": images[1], "text": ", is longer, and blue"},
        ]
        assert [item["text"] for item in items_of(second)] == [
            "has no sleeves, is red",
            "is longer, and blue, ",
        ]
        assert [item["image"] for item in items_of(second)] == images[:2]
        assert {first.prompt, second.prompt, task.candidates.prompt} == {f"fashioniq-{category}"}
        assert items_of(task.candidates) == images
        assert [list(places) for places in task.relevance.true] == [[2], [0]]
        assert task.relevance.hidden is None
        assert task.relevance.among is None
        assert task.cutoffs == (10, 50)


def test_all_of_fashioniq(annotations: Path, tmp_path: Path) -> None:
    """A query that is lost or put in other words than the official code's, anywhere."""
    source = annotations / "fashioniq"
    splits = [read(source / f"image_splits/split.{one}.val.json") for one in CATEGORIES]
    names = {name for split in splits for name in split}
    folder = placed(source, tmp_path / "fashioniq", [f"images/{name}.jpg" for name in names])
    material = read_fashioniq(folder)
    sizes = []
    for place, category in enumerate(CATEGORIES):
        task = search_of(material, place)
        rows = read(source / f"captions/cap.{category}.val.json")
        for row, one, two, true in zip(
            rows, *(items_of(pool) for pool in task.queries), task.relevance.true, strict=True
        ):
            said = [text.strip(".?, ") for text in row["captions"]]
            assert (one["text"], two["text"]) == (", ".join(said), ", ".join(said[::-1]))
            assert one["image"].stem == two["image"].stem == row["candidate"]
            assert stems(task, true) == [row["target"]]
        sizes.append((len(rows), len(items_of(task.candidates))))
    assert sizes == [(2017, 3817), (2038, 6346), (1961, 5373)]


def test_circo(circo: Path) -> None:
    """One right image of several; images by other numbers than CIRCO's."""
    material = read_circo(circo)
    task = search_of(material)
    assert (task.name, task.measure, task.cutoffs) == ("CIRCO", "map", (5, 10, 25, 50))
    images = [circo / f"COCO2017_unlabeled/unlabeled2017/{n:012}.jpg" for n in (3, 1, 4, 5)]
    assert items_of(task.candidates) == images
    assert list(items_of(task.queries[0])) == [{"image": images[0], "text": "is asleep"}]
    assert {task.queries[0].prompt, task.candidates.prompt} == {"cirr"}
    assert [list(places) for places in task.relevance.true] == [[2, 1]]
    assert task.relevance.hidden is None
    assert material.notes == ("4 images are searched; CIRCO searches 123,403",)
    submission = submission_of(read_circo(circo, "test"))
    assert (submission.ids, submission.names) == (["0"], ["3", "1", "4", "5"])
    assert [list(places) for places in submission.hidden] == [[]]


def test_circo_without_the_list_of_coco(circo: Path) -> None:
    """A candidates of what the annotations name alone, which is far too easy."""
    (circo / "COCO2017_unlabeled/unlabeled2017").rename(circo / "unlabeled2017")
    (circo / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json").unlink()
    task = search_of(read_circo(circo))
    assert stems(task, range(4)) == [f"{n:012}" for n in (1, 3, 4, 5)]
    assert [list(places) for places in task.relevance.true] == [[2, 0]]
    (circo / "unlabeled2017/cat.jpg").touch()
    with pytest.raises(DataError, match=r"cat\.jpg is not named by its number"):
        read_circo(circo)


def test_all_of_circo(annotations: Path, tmp_path: Path) -> None:
    """A query that is lost or judged by another's truth, anywhere in the data set."""
    source = annotations / "circo"
    rows = {split: read(source / f"annotations/{split}.json") for split in ("val", "test")}
    numbers = {row["reference_img_id"] for split in rows.values() for row in split}
    numbers |= {number for row in rows["val"] for number in row["gt_img_ids"]}
    folder = placed(source, tmp_path / "circo", [f"unlabeled2017/{n:012}.jpg" for n in numbers])
    task = search_of(read_circo(folder))
    relevance = zip(rows["val"], items_of(task.queries[0]), task.relevance.true, strict=True)
    for row, query, true in relevance:
        assert [int(stem) for stem in stems(task, true)] == row["gt_img_ids"]
        assert int(query["image"].stem) == row["reference_img_id"]
        assert query["text"] == row["relative_caption"]
    assert (len(rows["val"]), sum(map(len, task.relevance.true))) == (220, 916)
    submission = submission_of(read_circo(folder, "test"))
    assert submission.ids == [str(n) for n in range(800)]


def test_a_name_that_is_listed_twice_is_one_image(fashioniq: Path) -> None:
    """Places that are counted in the list and looked up among its images: other targets."""
    names = [f"B00000000{n}" for n in (0, 1, 0, 2)]
    write(fashioniq / "image_splits" / "split.dress.val.json", names)
    dress = read_fashioniq(fashioniq).tasks[0]
    assert isinstance(dress, Search)
    assert len(items_of(dress.candidates)) == 3
    assert dress.relevance.true == [(2,), (0,)]
