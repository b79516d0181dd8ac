"""Sentence similarity: seven sets in the layout of SentEval, by the paper's protocol.

folder/STS/STS12-en-test/STS.input.*.txt, STS.gs.*.txt -+
folder/STS/STSBenchmark/sts-test.csv                    +-> pairs -> clean-up -> one Grading
folder/SICK/SICK_test_annotated.txt                    -+

The pairs of all subsets of a year are ranked together ("all"), and STS13 lacks its SMT part,
as in the paper's Table 5.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from e5v.data.records import RECORDS
from e5v.errors import DataError, plural
from e5v.evaluation.tasks import Grading, Material, Pool

Name = Literal["STS12", "STS13", "STS14", "STS15", "STS16", "STSBenchmark", "SICKRelatedness"]

UNTOKENISED = re.compile(r"\w, ")  # SentEval's tokeniser puts a space before commas


@dataclass(frozen=True)
class Pair:
    """Two sentences, as in the file, and their human similarity grade."""

    left: str
    right: str
    grade: float


@dataclass(frozen=True)
class Columns:
    """Column indices of a table, from 0; `heading` starts its first line if it has a heading."""

    left: int
    right: int
    grade: int
    heading: str = ""


def read_sts(folder: Path, name: Name, *, cleaned: bool = True) -> Material:
    """Read the test pairs of one set from SentEval's folder of data (`data/downstream`).

    Args:
        folder: where `STS/` and `SICK/` are.
        name: which set.
        cleaned: clean the sentences up as the paper does; otherwise they are used as in the file.

    Raises:
        DataError: a file is missing or broken; names it and the line.
    """
    pairs = list(READERS[name](folder))
    notes = []
    if len(pairs) != (expected := RECORDS["sts"].rows[name]):
        notes.append(f"{len(pairs):,} pairs; the paper's set has {expected:,}")
    if any(UNTOKENISED.search(pair.left + " " + pair.right) for pair in pairs):
        notes.append("sentences are not tokenised, as the paper's are by SentEval's script")
    if not cleaned:
        notes.append("sentences are not cleaned up as the paper's are")
    tidy = clean if cleaned else str
    grading = Grading(
        name,
        left=Pool([tidy(pair.left) for pair in pairs], "text", "sts"),
        right=Pool([tidy(pair.right) for pair in pairs], "text", "sts"),
        grades=[pair.grade for pair in pairs],
    )
    return Material((grading,), _compute_revision(pairs), tuple(notes))


def clean(sentence: str) -> str:
    """Clean a sentence up as the official code does.

    Tokens are joined by one space; a full stop is added if there is no end mark; double quotes
    become single ones, and a final question mark a full stop.
    """
    joined = " ".join(sentence.split())
    ended = joined if joined.endswith((".", "?", '"', "'")) else f"{joined}."
    quoted = ended.replace('"', "'")
    return f"{quoted[:-1]}." if quoted.endswith("?") else quoted


def _read_year(year: str, subsets: Sequence[str], folder: Path) -> Iterator[Pair]:
    """Read pairs and their grades, line by line; those without a grade are not in the set."""
    for subset in subsets:
        texts = folder / "STS" / f"{year}-en-test" / f"STS.input.{subset}.txt"
        golds = texts.with_name(f"STS.gs.{subset}.txt")
        sentences, grades = _read_lines(texts), _read_lines(golds)
        if len(sentences) != len(grades):
            raise DataError(
                f"{golds} has {plural(len(grades), 'line')}; "
                f"expected {len(sentences)}, one for each line of {texts.name}"
            )
        for number, (sentence, grade) in enumerate(zip(sentences, grades, strict=True), 1):
            if grade.strip():
                left, right = _split_fields(sentence, (0, 1), f"{texts}, line {number}")
                yield Pair(left, right, _read_grade(grade, f"{golds}, line {number}"))


def _read_table(path: str, columns: Columns, folder: Path) -> Iterator[Pair]:
    file = folder / path
    lines = _read_lines(file)
    if not lines[0].startswith(columns.heading):
        raise DataError(f'{file}, line 1: expected the heading, "{columns.heading}" and so on')
    wanted = (columns.left, columns.right, columns.grade)
    for number, line in enumerate(lines, 1):
        if number == 1 and columns.heading:
            continue
        place = f"{file}, line {number}"
        left, right, grade = _split_fields(line, wanted, place)
        yield Pair(left, right, _read_grade(grade, place))


def _read_lines(file: Path) -> list[str]:
    """Split lines at line feeds only: sentences contain other line separators."""
    try:
        lines = file.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}; expected SentEval's folder data/downstream"
        ) from None
    decoded = []
    for number, line in enumerate(lines, 1):
        try:
            decoded.append(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError as error:
            raise DataError(f"{file}, line {number}: is not UTF-8: {error.reason}") from None
    return decoded


def _split_fields(line: str, wanted: Sequence[int], place: str) -> list[str]:
    fields = [field.strip() for field in line.split("\t")]
    found = [fields[column] for column in wanted if column < len(fields) and fields[column]]
    if len(found) < len(wanted):
        columns = ", ".join(str(column + 1) for column in wanted)
        raise DataError(
            f"{place}: has {plural(len(fields), 'column')}, separated by tabs; "
            f"expected text in {columns}"
        )
    return found


def _read_grade(text: str, place: str) -> float:
    try:
        grade = float(text)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise DataError(f"{place}: the grade is {text.strip()!a}; expected a number")
    return grade


def _compute_revision(pairs: Sequence[Pair]) -> str:
    text = "\n".join(f"{pair.left}\t{pair.right}\t{pair.grade}" for pair in pairs)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


STS_YEARS: dict[Name, tuple[str, ...]] = {  # the subsets of each year
    "STS12": ("MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"),
    "STS13": ("FNWN", "headlines", "OnWN"),
    "STS14": ("deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"),
    "STS15": ("answers-forums", "answers-students", "belief", "headlines", "images"),
    "STS16": ("answer-answer", "headlines", "plagiarism", "postediting", "question-question"),
}
READERS: dict[Name, Callable[[Path], Iterator[Pair]]] = {
    **{year: partial(_read_year, year, subsets) for year, subsets in STS_YEARS.items()},
    "STSBenchmark": partial(_read_table, "STS/STSBenchmark/sts-test.csv", Columns(5, 6, grade=4)),
    "SICKRelatedness": partial(
        _read_table,
        "SICK/SICK_test_annotated.txt",
        Columns(1, 2, grade=3, heading="pair_ID"),
    ),
}
