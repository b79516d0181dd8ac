"""The process that decodes: what it returns, and what becomes of one that dies, hangs or grows."""

import signal
import sys
import time
from pathlib import Path

import PIL.Image
import pytest

from e5v.media import decoder as decoding
from e5v.media.decoder import Decoder, read_stored_image
from e5v.model.image_files import UnreadableError
from tests.media.made import (
    COLOURS,
    colour,
    is_near,
    open_jpeg,
    write_animation,
    write_docx,
    write_pdf,
    write_video,
)

DEADLY = (
    "import os, e5v.media.worker as worker; "
    "worker.WORK['image'] = lambda **_: os.kill(os.getpid(), 9); worker.main()"
)
SMALL = "import e5v.media.worker as worker; worker.MOST_MEMORY = 400_000_000; worker.main()"


def test_images_are_those_of_their_places(tmp_path: Path) -> None:
    """Catches the picture of another page, or of another moment."""
    pdf = str(write_pdf(tmp_path / "a.pdf", "one", "two"))
    video = str(write_video(tmp_path / "a.mkv", seconds=4))
    stream = tmp_path / "a.mts"  # as camcorders write: without an index
    write_video(stream, seconds=4, rate=25, codec="mpeg2video")
    with Decoder() as decoder:
        assert decoder.find_times(str(stream), 16) == [0, 1, 2, 3]
        for second in (2, 0, 3):
            found = colour(decoder.read_image(str(stream), f"t={second}"))
            assert is_near(found, COLOURS[second])
        assert decoder.find_times(video, 16) == [0, 1, 2, 3]
        assert decoder.find_times(video, 2) == [0, 2]
        for place, wanted in (("t=1", 1), ("t=3", 3), ("t=0", 0)):
            assert is_near(colour(decoder.read_image(video, place)), COLOURS[wanted])
        assert decoder.count_pages(pdf) == 2
        assert decoder.read_captions(pdf, 2, 2) == ["two"]
        assert is_near(colour(decoder.read_image(pdf, "page=2")), COLOURS[1])
        with pytest.raises(UnreadableError, match="has 2 pages; page 3 is gone"):
            decoder.read_image(pdf, "page=3")
    moving = write_animation(tmp_path / "a.webp")
    content = read_stored_image(f"{moving}#frame=4")
    assert content is not None
    assert is_near(colour(content), (120, 90, 200))
    assert read_stored_image(str(moving)) is None
    named = tmp_path / "b.png#frame=2"  # a file of that name is no place in another one
    named.touch()
    assert read_stored_image(str(named)) is None


def test_a_large_page_is_small_and_a_long_document_quick(tmp_path: Path) -> None:
    """Catches a page of a hundred thousand pixels, and ten thousand pages that are all read."""
    vast = str(write_pdf(tmp_path / "vast.pdf", "x", size=(1e7, 5e6)))
    long = str(write_pdf(tmp_path / "long.pdf", count=10_000))
    with Decoder() as decoder:
        assert open_jpeg(decoder.read_image(vast, "page=1")).size == (1_400, 700)
        began = time.monotonic()
        assert decoder.count_pages(long) == 10_000
        assert open_jpeg(decoder.read_image(long, "page=9999")).size == (800, 1_200)
        assert time.monotonic() - began < 5


def test_a_process_that_hangs_or_dies_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that waits for ever, that dies too, or that tries a deadly file again."""
    pdf, other = (str(write_pdf(tmp_path / name, "one")) for name in ("a.pdf", "b.pdf"))
    with Decoder(seconds=0.5) as decoder:

        def stop(how: signal.Signals) -> None:
            decoder._seconds = 20  # the start is not measured
            decoder.count_pages(pdf)
            decoder._seconds = 0.5
            assert decoder._worker is not None
            decoder._worker.send_signal(how)

        stop(signal.SIGSTOP)
        with pytest.raises(UnreadableError, match=r"was not decoded within 0\.5 seconds"):
            decoder.read_image(pdf, "page=1")
        stop(signal.SIGKILL)  # from outside, as where memory is short: the file is not to blame
        decoder._seconds = 20
        assert decoder.read_image(pdf, "page=1")
        decoder.close()
        monkeypatch.setattr(decoding, "COMMAND", (sys.executable, "-P", "-c", DEADLY))
        for _ in range(2):
            with pytest.raises(UnreadableError, match=r"the process that .* ended \(SIGKILL\)"):
                decoder.read_image(pdf, "page=1")
        with pytest.raises(UnreadableError, match="was given up, as 3 processes"):
            decoder.read_image(pdf, "page=1")
        decoder._seconds = 20
        assert decoder.count_pages(other) == 1


def test_a_process_that_needs_too_much_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a file of some kilobytes that takes all the memory of the machine."""
    monkeypatch.setattr(decoding, "COMMAND", (sys.executable, "-P", "-c", SMALL))
    bomb = tmp_path / "bomb.png"
    PIL.Image.new("1", (13_000, 13_000)).save(bomb)
    assert bomb.stat().st_size < 100_000
    with Decoder() as decoder:
        with pytest.raises(UnreadableError, match=r"needs more than [\d.]+ GB of memory"):
            decoder.read_image(str(bomb), "frame=1")
        assert decoder.read_text(str(write_docx(tmp_path / "a.docx", "text"))).strip() == "text"


def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    """Catches an answer that is mixed with what a library writes to standard output."""
    from e5v.media import worker

    talking = (
        "import e5v.media.worker as worker, e5v.media.pdf as pdf\n"
        "count = pdf.count_pages\n"
        "pdf.count_pages = lambda path: (print('noise', flush=True), count(path))[1]\n"
        "worker.main()"
    )
    assert worker.MOST_MEMORY > 2**30
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "COMMAND", (sys.executable, "-P", "-c", talking))
        with Decoder() as decoder:
            assert decoder.count_pages(str(write_pdf(tmp_path / "a.pdf", "one"))) == 1
