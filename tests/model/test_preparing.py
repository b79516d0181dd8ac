"""Items are made ready on threads: in order, not too far ahead, each error with its position."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from e5v.errors import ItemError, PromptError
from e5v.model.encoder import Prompted
from e5v.model.loading import Loaded, load
from e5v.model.preparing import AHEAD, WORKERS, Prepared, Preparer, ahead
from e5v.model.prompts import Prompt, find_prompt

RETRIEVAL = find_prompt("retrieval")
IMAGES_AHEAD = AHEAD // 16


@pytest.fixture(scope="module", params=["llava_next_llama3", "qwen2_vl", "idefics3"])
def loaded(request: pytest.FixtureRequest, checkpoints: Callable[[str], Path]) -> Loaded:
    """Open one model of each way to mark images: one token many times, patches, tiles."""
    return load(checkpoints(request.param), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def preparer(loaded: Loaded) -> Preparer:
    """Prepare for it, with room for all of an item."""
    return Preparer(loaded, 4096)


def ready(_: Any, position: int) -> Prepared:
    """Prepare nothing, at once."""
    return Prepared(position, b"", Prompted([position]), cut=False)


class Tape:
    """Endless items, and how many of them were taken."""

    def __init__(self, item: Any) -> None:
        """Begin with none taken."""
        self.item = item
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        """Give the same item for ever."""
        for self.taken in count(1):
            yield self.item


OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _note_others() -> None:
    """Note what is left of other tests of this process: they may hold streams that go on."""
    OTHERS.clear()
    OTHERS.update(threading.enumerate())


def preparing_threads() -> list[threading.Thread]:
    """List the threads of this test that still prepare something."""
    fresh = set(threading.enumerate()) - OTHERS
    return [one for one in fresh if one.name.startswith("e5v-prepare")]


def wait_for_quiet() -> None:
    """Wait until the threads of a closed stream are gone, as they should be within a moment."""
    end = time.monotonic() + 10
    while preparing_threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert preparing_threads() == []


def test_a_prepared_item(
    loaded: Loaded, preparer: Preparer, photos: Sequence[PIL.Image.Image]
) -> None:
    """Catches image tokens that do not match the image, and pixels in another order than ids."""
    raw: Any
    for raw, images in (
        ("a dog", 0),
        (photos[0], 1),
        ({"image": photos[1], "text": "red"}, 1),
        ([photos[3], "and", photos[2]], 2),
    ):
        prepared = preparer.prepare(raw, 5, RETRIEVAL)
        prompted = prepared.prompted
        assert prepared.position == 5
        assert not prepared.cut
        assert len(prompted.images) == len(prompted.counts) == images
        assert prompted.ids.count(loaded.image_token_id) == sum(prompted.counts)
        assert all(counted > 0 for counted in prompted.counts)
    alone = [preparer.prepare(photo, 0, RETRIEVAL).prompted.counts for photo in photos]
    assert prompted.counts == (*alone[3], *alone[2])


def test_the_digest_is_of_the_content(
    preparer: Preparer, photos: Sequence[PIL.Image.Image], tmp_path: Path
) -> None:
    """Catches a file that changed between two calls answered with its old vector."""
    path = tmp_path / "cat.png"

    def digest_of(raw: Any) -> bytes:
        return preparer.prepare(raw, 0, RETRIEVAL).digest

    photos[0].save(path)
    before, content = digest_of(path), path.read_bytes()
    assert before == digest_of(str(path)) == digest_of({"image": path}) == digest_of(content)
    photos[1].save(path)
    assert digest_of(path) not in (before, digest_of(str(path.name)))


def test_a_cut_is_told(loaded: Loaded, photos: Sequence[PIL.Image.Image]) -> None:
    """Catches an item shortened without a word, and one called cut that is whole."""
    limit = len(Preparer(loaded, 4096).prepare(photos[2], 0, RETRIEVAL).prompted.ids) + 60
    tight = Preparer(loaded, limit)
    assert not tight.prepare("short", 0, RETRIEVAL).cut
    for raw in ("long words " * 400, {"image": photos[2], "text": "long words " * 400}):
        prepared = tight.prepare(raw, 0, RETRIEVAL)
        assert prepared.cut
        assert len(prepared.prompted.ids) <= limit


def test_errors_carry_the_position(
    loaded: Loaded,
    preparer: Preparer,
    photos: Sequence[PIL.Image.Image],
    tmp_path: Path,
) -> None:
    """Catches a mistake among a million items that says what, but not where."""
    torn = tmp_path / "torn.png"
    photos[3].save(torn)
    torn.write_bytes(torn.read_bytes()[:300])
    raw: Any
    for raw, cause in (
        ("", "is an empty string"),
        (tmp_path / "nowhere.jpg", r"nowhere\.jpg does not exist"),
        (["a", torn], r"torn\.png is broken"),
        ({"image": b"no image"}, "<8 bytes> is not an image"),
        (PIL.Image.new("RGB", (1, 1)), "<PIL image> is 1x1 pixels"),
        (3, "is of type int"),
    ):
        with pytest.raises(ItemError, match=f"^item 41: .*{cause}") as caught:
            preparer.prepare(raw, 41, RETRIEVAL)
        assert caught.value.position == 41
        assert "\n" not in str(caught.value)
    with pytest.raises(ItemError, match=r"^item 41: its prompt and images take"):
        Preparer(loaded, 30).prepare(photos[0], 41, RETRIEVAL)
    with pytest.raises(PromptError, match=r"^item 41: prompt .* has no <image> slot"):
        preparer.prepare([photos[0], "red"], 41, Prompt("<text>", "<image>", "<text>", "<text>"))


def test_threads_prepare_as_one_does(preparer: Preparer, photos: Sequence[PIL.Image.Image]) -> None:
    """Catches items mixed up, or spoiled, by being prepared at the same time."""
    raws: list[Any] = [
        photos[0],
        "a dog",
        "<image> </s> <|im_end|>",
        {"image": photos[1], "text": "red"},
    ]

    def ids(number: int) -> list[int]:
        raw = raws[number % len(raws)]
        return preparer.prepare(raw, number, RETRIEVAL).prompted.ids

    alone = list(map(ids, range(len(raws))))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ids, range(6 * len(raws)))) == alone * 6


def test_results_come_in_order() -> None:
    """Catches vectors in the order in which they happened to be ready."""

    def slow_at_first(raw: Any, position: int) -> Prepared:
        time.sleep(0.002 * (7 - position % 8))
        return ready(raw, position)

    futures = list(ahead(["text"] * 200, slow_at_first))
    assert [future.result().position for future in futures] == list(range(200))
    assert all(future.done() for future in futures)
    assert list(ahead([], ready)) == []
    wait_for_quiet()


@pytest.mark.parametrize(
    ("item", "most"),
    [
        ("a text", AHEAD),
        ("x" * 5000, IMAGES_AHEAD),
        ("photos/cat.JPG", IMAGES_AHEAD),
        ("data:image/png;base64,AAAA", IMAGES_AHEAD),
        (Path("cat.jpg"), IMAGES_AHEAD),
        (b"bytes", IMAGES_AHEAD),
        ({"image": "cat.jpg", "text": "red"}, IMAGES_AHEAD),
        (["a", "b"], IMAGES_AHEAD),
    ],
    ids=lambda value: str(value)[:30],
)
def test_no_more_is_read_than_is_needed(
    item: Any, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches memory that grows with the list: a stream of a million photos must not fill it."""
    (tmp_path / "cat.jpg").write_bytes(b"not decoded here")
    monkeypatch.chdir(tmp_path)
    tape = Tape(item)
    stream: Any = ahead(tape, ready)
    assert tape.taken == 0
    for consumed in range(1, 3 * most):
        assert next(stream).result().position == consumed - 1
        assert tape.taken <= consumed + most
    assert tape.taken == consumed + most
    stream.close()
    wait_for_quiet()


def test_photos_among_texts_are_held_back() -> None:
    """Catches a look-ahead that counts items: one album after many texts would fill the memory."""
    taken: list[int] = []

    def mixed() -> Iterator[Any]:
        for number in count():
            taken.append(number)
            yield "text" if number < 100 else Path("cat.jpg")

    stream: Any = ahead(mixed(), ready)
    next(stream)
    assert 100 < len(taken) <= 1 + 100 + (AHEAD - 100) // 16
    stream.close()


def test_leaving_early_stops_the_work() -> None:
    """Catches threads that go on reading files after the caller has stopped listening."""
    started: list[int] = []
    gate = threading.Event()

    def slow(raw: Any, position: int) -> Prepared:
        started.append(position)
        assert position < 3 or gate.wait(10)
        return ready(raw, position)

    stream: Any = ahead(Tape("text"), slow)
    assert [future.result().position for future in islice(stream, 3)] == [0, 1, 2]
    stream.close()
    gate.set()
    wait_for_quiet()
    assert len(started) <= 3 + WORKERS


def test_one_bad_item_does_not_stop_the_others() -> None:
    """Catches a stream that ends, or hangs, at its first unreadable file."""

    def picky(raw: Any, position: int) -> Prepared:
        if raw.texts == ("bad",):
            raise ItemError(position, "is bad")
        return ready(raw, position)

    futures = list(ahead(["a", "bad", "b", "bad"], picky))
    told = [str(future.exception()) for future in futures]
    assert told == ["None", "item 1: is bad", "None", "item 3: is bad"]


def test_an_error_in_the_callers_own_generator() -> None:
    """Catches the caller's own exception swallowed, with threads left behind."""

    def items() -> Iterator[str]:
        yield from ["a"] * 3
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead(items(), ready))
    wait_for_quiet()
