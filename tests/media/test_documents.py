"""The text of documents, also of broken and malicious ones; read in this process."""

from itertools import pairwise
from pathlib import Path

import pytest

from e5v.media.documents import MOST_CHARACTERS, read_document
from e5v.media.images import MediaError
from tests.media.made import write_docx, write_epub, write_zip

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {two} "{f"&{one};" * 10}">' for one, two in pairwise("abcdefghi"))
    + "]><container><rootfile full-path='&i;'/></container>"
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<p>one<p>two", "one\n\ntwo"),
        ("<p>caf\xe9".encode("cp1252"), "caf\xe9"),
        ('<meta charset="iso-8859-2"><p>\u0159'.encode("iso-8859-2"), "\u0159"),
        ("<p>\u0159".encode("utf-16"), "\u0159"),
        (b'<?xml version="1.0" encoding="utf-8"?><html><body>x', "x"),
        (b"<script>1</script><style>p{}</style><!-- no --> yes", "yes"),
        (b"", ""),
    ],
)
def test_html(tmp_path: Path, content: bytes, text: str) -> None:
    """Catches letters of another charset, and code taken for text."""
    (tmp_path / "a.html").write_bytes(content)
    assert read_document(str(tmp_path / "a.html")) == text


def test_books_are_in_reading_order(tmp_path: Path) -> None:
    """Catches chapters in the order of the archive, and a book that has no end."""
    book = write_epub(tmp_path / "a.epub", "caf\xe9", "two", "three")
    assert read_document(str(book)) == "caf\xe9\n\ntwo\n\nthree"
    long = write_epub(tmp_path / "b.epub", *["a " * 600_000] * 4)
    assert len(read_document(str(long))) == MOST_CHARACTERS


@pytest.mark.parametrize(
    ("name", "parts", "reason"),
    [
        ("a.docx", {"x.txt": "x"}, "it has no word/document.xml"),
        ("a.docx", {"word/document.xml": "<a"}, ""),
        ("a.epub", {"x.txt": "x"}, "it names no contents"),
        ("a.epub", {"META-INF/container.xml": "<a"}, "is broken: "),
        ("a.epub", {"META-INF/container.xml": LAUGHS}, "is broken: "),
    ],
)
def test_broken_archives(tmp_path: Path, name: str, parts: dict[str, str], reason: str) -> None:
    """Catches entities that grow without end, and a reason that says nothing."""
    path = write_zip(tmp_path / name, parts)
    with pytest.raises(MediaError if reason else Exception, match=reason or None):
        read_document(str(path))


def test_too_large_unpacked(tmp_path: Path) -> None:
    """Catches an archive of some kilobytes that unpacks to gigabytes."""
    bomb = write_docx(tmp_path / "bomb.docx", "a" * 70_000_000)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(MediaError, match="has 67 MB of text with markup; expected at most 64"):
        read_document(str(bomb))
    (tmp_path / "old.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9)
    with pytest.raises(MediaError, match=r"is encrypted, or an old \.doc file"):
        read_document(str(tmp_path / "old.docx"))
