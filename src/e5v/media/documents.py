"""The text of a document: .docx by mammoth, .html by inscriptis, .epub by both its parts.

file -> its size, unpacked, is checked -> paragraphs, a blank line between them
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from e5v.errors import first_line
from e5v.image_formats import suffix_of
from e5v.media.images import MediaError

MOST_BYTES = 64 * 2**20  # of markup, unpacked
MOST_CHARACTERS = 2_000_000  # of text
CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.I
)
HEAD = 2_048  # bytes that may name the charset
CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"


def read_document(path: str) -> str:
    """Return the text of a document, at most `MOST_CHARACTERS` of it.

    Raises:
        MediaError: it is broken, encrypted or too large.
    """
    suffix = suffix_of(path)
    try:
        text = READERS[suffix](path)
    except BadZipFile as error:
        raise MediaError(f"is not a {suffix} document: {first_line(error)}") from None
    except ElementTree.ParseError as error:
        raise MediaError(f"is broken: {first_line(error)}") from None
    return text[:MOST_CHARACTERS]


def _read_docx(path: str) -> str:
    import mammoth

    with Path(path).open("rb") as file:
        if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # OLE: Word's encryption
            raise MediaError("is encrypted, or an old .doc file; save a copy without a password")
        with ZipFile(file) as archive:
            _check_size(archive)
            if "word/document.xml" not in archive.namelist():
                raise MediaError("is not a .docx document: it has no word/document.xml")
        file.seek(0)
        return str(mammoth.extract_raw_text(file).value)


def _check_size(archive: ZipFile) -> None:
    """Refuse markup that is too large unpacked: zipfile reads no more than it declares."""
    marked = [one for one in archive.infolist() if suffix_of(one.filename) in MARKUP]
    if (total := sum(one.file_size for one in marked)) > MOST_BYTES:
        raise MediaError(
            f"has {total / 2**20:,.0f} MB of text with markup; expected at most "
            f"{MOST_BYTES // 2**20}"
        )


MARKUP = frozenset({".xml", ".rels", ".opf", ".html", ".htm", ".xhtml"})


def _read_html(path: str) -> str:
    with Path(path).open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise MediaError(f"has more than {MOST_BYTES // 2**20} MB; expected less")
    return _text_of(content)


def _text_of(content: bytes) -> str:
    """Return the text of HTML, without its outline of spaces."""
    from inscriptis import get_text

    markup = _decode(content)
    if not markup.strip():
        return ""
    lines = (" ".join(line.split()) for line in get_text(_without_declaration(markup)).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_declaration(markup: str) -> str:
    """Drop an XML declaration: lxml takes no text that names its encoding."""
    return re.sub(r"\A\s*<\?xml[^>]*\?>", "", markup)


def _decode(content: bytes) -> str:
    """Decode HTML as browsers do: byte-order mark, the named charset, UTF-8, Windows-1252."""
    for mark, name in MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace")
    named = CHARSET.search(content[:HEAD])
    for name in ([named[1].decode("ascii")] if named else []) + ["utf-8"]:
        try:
            return content.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("cp1252", "replace")


MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _read_epub(path: str) -> str:
    with ZipFile(path) as archive:
        _check_size(archive)
        names = frozenset(archive.namelist())
        chapters = [name for name in _list_chapters(archive) if name in names]
        if not chapters:
            raise MediaError("has no chapters")
        if names.intersection([ENCRYPTION]) and _are_encrypted(archive, chapters):
            raise MediaError("is encrypted (copy protection)")
        texts: list[str] = []
        for name in chapters:
            texts.append(_text_of(archive.read(name)))
            if sum(map(len, texts)) > MOST_CHARACTERS:
                break
    return "\n\n".join(filter(None, texts))


def _list_chapters(archive: ZipFile) -> Iterator[str]:
    """Yield the names of the chapters in reading order, as the package document lists them."""
    try:
        container = ElementTree.fromstring(archive.read(CONTAINER))
        package = next(one.get("full-path", "") for one in container.iter() if _is(one, "rootfile"))
        root = ElementTree.fromstring(archive.read(package))
    except (KeyError, StopIteration):
        raise MediaError("is not an .epub document: it names no contents") from None
    items = {one.get("id"): one.get("href", "") for one in root.iter() if _is(one, "item")}
    for one in root.iter():
        if _is(one, "itemref") and (place := items.get(one.get("idref"))):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(place)))


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _are_encrypted(archive: ZipFile, chapters: list[str]) -> bool:
    """Return whether chapters are encrypted; fonts alone often are."""
    told = ElementTree.fromstring(archive.read(ENCRYPTION))
    named = {unquote(one.get("URI", "")) for one in told.iter() if _is(one, "CipherReference")}
    return not named.isdisjoint(chapters)


READERS = {
    ".docx": _read_docx,
    **dict.fromkeys((".html", ".htm", ".xhtml"), _read_html),
    ".epub": _read_epub,
}
