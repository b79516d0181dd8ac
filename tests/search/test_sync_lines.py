"""JSON lines in a folder that is followed: texts, and images with captions."""

from tests.search.followed import EMPTY, WHOLE, Followed, check_vectors, entries, write_lines


def test_texts_cut_to_fit_the_model_are_counted(followed: Followed) -> None:
    """Catches a long text of which only the beginning is found, without a word."""
    words = " ".join(f"word{number}" for number in range(30_000))
    write_lines(followed.folder / "long.jsonl", {"text": words}, {"text": "short"})
    progress = followed.follow()
    assert (progress.embedded, progress.cut) == (8, 1)
    assert len(entries(followed)["long.jsonl", 1].text) == 1_000


def test_json_lines(followed: Followed) -> None:
    """Catches captions that go astray, images that are there twice, and wrong lines unnamed."""
    lines = followed.folder / "all.jsonl"
    write_lines(
        lines,
        {"text": "a line of text"},
        {"image": "photos/b.jpg", "caption": "a strip"},
        "nope",
        {"image": "gone.png", "caption": "not there"},
        {"colour": "red"},
        {"image": str(followed.folder / "a.png")},
    )
    progress = followed.follow()
    assert progress.embedded == 7
    found = entries(followed)
    assert found["photos/b.jpg", 2].text == "a strip"
    assert found["a.png", 6].text == ""
    assert found["all.jsonl", 1].text == "a line of text"
    assert ("photos/b.jpg", 0) not in found
    assert ("a.png", 0) not in found
    [wrong, gone] = sorted(followed.faults)
    assert "line 3 is not JSON" in wrong
    assert "line 5 has no text and no image; it has colour" in wrong
    assert gone == f"{followed.folder}/gone.png (line 4 of {lines}) does not exist"
    assert not followed.follow().changed

    (followed.folder / "gone.png").write_bytes((followed.folder / "a.png").read_bytes())
    assert followed.follow().embedded == 0
    assert ("gone.png", 4) in entries(followed)
    write_lines(lines, {"image": "photos/b.jpg", "caption": "another caption"})
    followed.follow()
    assert followed.given == []
    assert entries(followed)["photos/b.jpg", 1].text == "another caption"
    check_vectors(followed)
    lines.unlink()
    assert followed.follow().embedded == 0
    assert entries(followed).keys() == WHOLE | {("gone.png", 0)}


def test_captions_hold_where_only_the_images_are_followed(followed: Followed) -> None:
    """Catches an image that comes in a second time, without its caption."""
    write_lines(followed.folder / "all.jsonl", {"image": "photos/b.jpg", "text": "a strip"})
    followed.follow()
    assert not followed.follow(followed.folder / "photos").changed
    assert entries(followed)["photos/b.jpg", 1].text == "a strip"


def test_files_of_evaluation_are_no_gallery(followed: Followed) -> None:
    """Catches the words of an edit taken for the caption of the image it starts from."""
    followed.folder.joinpath("edits.jsonl").write_text(
        '{"image": "a.png", "text": "the same in red", "target": "b.jpg"}\n'
    )
    (followed.folder / "images").mkdir()
    (followed.folder / "photos/b.jpg").rename(followed.folder / "images/b.jpg")
    write_lines(followed.folder / "captions.jsonl", {"image": "b.jpg", "text": "a strip"})
    followed.follow()
    found = entries(followed)
    assert found["a.png", 0].text == ""
    assert found["images/b.jpg", 1].text == "a strip"
    assert ['has a "target"' in fault for fault in followed.faults] == [True]


def test_lines_that_are_emptied_for_a_moment_lose_nothing(followed: Followed) -> None:
    """Catches entries removed because their file was read between being emptied and written."""
    lines = followed.folder / "all.jsonl"
    texts = [{"text": "first"}, {"text": "second"}]
    write_lines(lines, *texts)
    followed.follow()
    before = entries(followed)
    lines.write_bytes(b"")
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (0, 2)
    assert followed.faults == [f"{lines} {EMPTY}"]
    assert entries(followed).keys() == WHOLE
    assert not followed.follow().changed
    assert followed.faults == [f"{lines} {EMPTY}"]
    write_lines(lines, *texts, {"text": "third"})
    progress = followed.follow()
    assert (progress.embedded, progress.returned, followed.faults) == (1, 2, [])
    assert {id: entries(followed)[id].id for id in before} == {id: before[id].id for id in before}
    lines.write_bytes(b"")
    assert followed.follow(forget=True).removed == 3
    assert not followed.follow().changed
    assert followed.faults == [f"{lines} contains no lines"]
