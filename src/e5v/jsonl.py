r"""Read JSON lines one at a time, with line numbers; bad lines become faults.

file | stream -> encoding -> lines of text -> JsonLine, or LineFault with the reason

The rule, for every file of JSON lines that this package reads:

- The encoding is UTF-8, UTF-16 or UTF-32, detected by byte-order mark or first bytes.
- Lines end in "\n", "\r\n" or "\r" and are counted from 1. Blank lines are counted and skipped.
- A byte-order mark at the start of any line is skipped.
- A line that is not in the encoding, is not JSON (NaN and Infinity are not), is nested too deeply
  or has half a surrogate pair is a fault. Reading continues with the next line.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

SHOWN = 80  # characters of a value in a message
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # an escape that may be half of a pair
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text that is not blank, without its line end; `number` is from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class JsonLine:
    """The value of one line; `number` is from 1."""

    number: int
    value: object


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that cannot be used; `reason` continues the sentence "line 3 ..."."""

    number: int
    reason: str

    def __str__(self) -> str:
        """Return the line's number and the reason."""
        return f"line {self.number} {self.reason}"


class Wrong(Exception):
    """A line or row cannot be used; the message continues the sentence "line 3 ..."."""


def read_json_lines(source: Path | BinaryIO) -> Iterator[JsonLine | LineFault]:
    """Read JSON lines one at a time from a file or an open binary stream, which stays open.

    Raises:
        OSError: the file cannot be read.
    """
    for line in read_text_lines(source):
        try:
            yield line if isinstance(line, LineFault) else JsonLine(line.number, parse(line.text))
        except Wrong as wrong:
            yield LineFault(line.number, str(wrong))


def read_line(number: int, line: bytes) -> JsonLine | LineFault | None:
    """Read one line of UTF-8, as `read_json_lines` does; None if it is blank."""
    text = line.decode("utf-8", "surrogateescape").removeprefix(BYTE_ORDER_MARK).rstrip("\r\n")
    if reason := undecoded(text):
        return LineFault(number, reason)
    try:
        return JsonLine(number, parse(text)) if text.strip() else None
    except Wrong as wrong:
        return LineFault(number, str(wrong))


def parse_file(file: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        OSError: the file cannot be read.
        Wrong: it is not JSON; continues the sentence "FILE ...".
    """
    text = read_text(file)
    if reason := undecoded(text):
        raise Wrong(reason)
    return parse(text)


def read_text_lines(source: Path | BinaryIO) -> Iterator[TextLine | LineFault]:
    """Read the lines of a text that are not blank, one at a time; detects the encoding.

    Raises:
        OSError: the file cannot be read.
    """
    with _open(source) as stream:
        number = 0
        try:
            for number, line in enumerate(stream, 1):
                text = line.removeprefix(BYTE_ORDER_MARK).rstrip("\r\n")
                if reason := undecoded(text):
                    yield LineFault(number, reason)
                elif text.strip():
                    yield TextLine(number, text)
        except UnicodeDecodeError as error:
            name = error.encoding.upper()
            yield LineFault(number + 1, f"or a line after it is not {name}; {SAVE_AS_UTF8}")


def read_text(file: Path) -> str:
    """Read a whole text; detects the encoding.

    A byte that is not UTF-8 becomes a lone surrogate, which `undecoded` finds.

    Raises:
        OSError: the file cannot be read.
        Wrong: it begins as UTF-16 or UTF-32 but is not valid.
    """
    with _open(file) as stream:
        stream.reconfigure(newline="")
        try:
            return stream.read().removeprefix(BYTE_ORDER_MARK)
        except UnicodeDecodeError as error:
            raise Wrong(f"is not {error.encoding.upper()}; {SAVE_AS_UTF8}") from None


SAVE_AS_UTF8 = "save the file as UTF-8"


def undecoded(text: str) -> str:
    """Return why a text could not be decoded; empty if it could."""
    at = find_surrogate(text)
    if at is None:
        return ""
    return f"is not UTF-8 (byte 0x{ord(text[at]) & 0xFF:02X} after {at} characters); {SAVE_AS_UTF8}"


def find_surrogate(text: str) -> int | None:
    """Return where a text has half a surrogate pair, which UTF-8 cannot encode; None if nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def parse(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        Wrong: it is not JSON, or has half a surrogate pair.
    """
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise Wrong(f"is not JSON: {error.msg} ({place}character {error.colno})") from None
    except RecursionError:
        raise Wrong("cannot be read as JSON: it is nested too deeply") from None
    except ValueError as error:  # NaN, and numbers with too many digits for Python
        raise Wrong(f"is not JSON: {str(error).partition(';')[0]}") from None
    if SURROGATE.search(text):
        _refuse_half_pairs(value)
    return value


def _refuse_half_pairs(value: object) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise Wrong("cannot be read as JSON: it is nested too deeply") from None
    if (at := find_surrogate(text)) is not None:
        half = f"U+{ord(text[at]):04X}"
        raise Wrong(f"has half a surrogate pair ({half}), an incomplete character")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def listed(names: Iterable[str]) -> str:
    """Return names for a message, on one short line."""
    line = ascii(", ".join(names) or "nothing")[1:-1]
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


@contextmanager
def _open(source: Path | BinaryIO) -> Iterator[io.TextIOWrapper]:
    """Open a text with its detected encoding; a stream that was open stays open."""
    binary = source.open("rb") if isinstance(source, Path) else _buffered(source)
    encoding = json.detect_encoding(binary.peek(4)[:4])
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    stream = io.TextIOWrapper(binary, encoding.removesuffix("-sig"), errors)
    try:
        yield stream
    finally:
        stream.detach()
        if isinstance(source, Path):
            binary.close()
        elif binary is not source:
            binary.detach()


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    if isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(cast("io.RawIOBase", stream))
