"""`e5v encode`: items in, vectors out, a bounded number of them in memory.

arguments | stdin -> InputItem -> E5V.encode_iter -> VectorRow -> stdout, or a file
"""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from e5v.errors import E5VError, ItemError, UsageError
from e5v.extras import need
from e5v.inputs import RawItem
from e5v.places import refuse_url
from e5v.verbs.console import Bar, bar, say
from e5v.verbs.encode_parts import check_folder, encode_in_parts
from e5v.verbs.engine_options import EncodeEngineOptions
from e5v.verbs.input_items import InputItem
from e5v.verbs.inputs import Inputs, gather
from e5v.verbs.model_options import Opening, check_model, default_model
from e5v.verbs.options import AtStores, need_at_least_1
from e5v.verbs.paths import need_new_file
from e5v.verbs.purpose_options import PurposeOptions
from e5v.verbs.watching import WatchedModel

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.model.encoded import Encoded
    from e5v.verbs.vector_files import VectorFile, VectorRow

Format = Literal["jsonl", "npy", "parquet"]
SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".npy": "npy", ".parquet": "parquet"}


@dataclass(frozen=True)
class Encode:
    """Embed texts and images: one unit vector per item.

    Vectors are written in the order of the items. Arguments, folders and files are checked before
    the model is opened. FILE appears when it is complete: if an item fails, it keeps what
    it had before.

    With --part-rows, FILE is a folder that any number of workers fill with Parquet files: each of
    them is the same command with another --shard. A worker that was stopped is started again and
    goes on; a part that is there is skipped. An item that cannot be read is then always a row with
    its error and no vector. With --engine ray, one command does it all, here or on a cluster.

    Examples:
        e5v encode "a dog in the grass" --model nano
        e5v encode captions.jsonl photos/ --skip-errors --out vectors.npy
        e5v encode "a dog in the grass" cat.jpg photos/ --out vectors.parquet
        e5v encode s3://bucket/photos/ shard-000.tar --out vectors.parquet
        e5v encode photos/ --out parts/ --part-rows 50000 --shard 0/8
        e5v encode photos/ --out parts/ --part-rows 50000 --engine ray
        e5v encode --check parts/
    """

    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="[INPUT ...]")] = ()
    """Texts, image files, folders of images, .jsonl, .parquet, .lance or .tar, or - for JSON lines
    on stdin (the default). A line is a string, a list of parts, or {"image": ..., "text": ...,
    "id": ...}. A file or folder may be at a store: s3://, gs://, az://, hf://. An argument that
    looks like a path (photos/, ./notes, cat.jpg, list.csv) must exist."""
    text: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="TEXT")] = ()
    """A text, even if it looks like a file name or a URL."""
    model: Annotated[str, arg(metavar="MODEL")] = field(default_factory=default_model)
    """Hub id or folder of the model; nano is the bundled one."""
    out: Annotated[Path | None, arg(metavar="FILE"), AtStores] = None
    """A .jsonl, .npy or .parquet file; by default JSON lines go to stdout."""
    format: Annotated[Format | None, arg(metavar="{jsonl,npy,parquet}")] = None
    """Format of FILE; by default that of its suffix."""
    prompt: Annotated[str, arg(metavar="PROMPT")] = "retrieval"
    """Name of a prompt (retrieval, sts, cirr, ...), or your own with <text> and <image> where
    the item goes."""
    batch_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Maximum tokens in one forward pass; by default chosen for the device."""
    dim: Annotated[int | None, arg(metavar="N")] = None
    """Truncate each vector to its first N values and normalise it again."""
    precision: Literal["float32", "float16", "int8", "binary"] = "float32"
    """Number format of the stored values; binary keeps one bit per value, its sign."""
    max_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Truncate texts to N tokens; by default to the model's context length."""
    skip_errors: bool = False
    """Skip items that cannot be read, and report each."""
    part_rows: Annotated[int | None, arg(metavar="N")] = None
    """Write parts of at most N rows to the folder given with --out, which may be a URL such as
    s3://bucket/parts."""
    shard: Annotated[str | None, arg(metavar="I/N")] = None
    """Encode every Nth part from part I on, counted from 0; by default what SLURM_ARRAY_TASK_ID,
    JOB_COMPLETION_INDEX (with E5V_SHARDS for N) or RANK (of WORLD_SIZE) says, otherwise all
    parts."""
    for_index: bool = False
    """Read folders and files for parts as e5v index does: passages of .txt and .md files too, and
    of a line with an image and a caption the image alone; e5v index --vectors adopts them."""
    commit: bool = False
    """Fail if a part is missing in the end; the last worker commits the folder in any case.
    Without INPUT, commit what is there."""
    check: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Encode nothing; say what is missing, doubled, foreign or damaged in a folder of parts."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)
    engines: OmitArgPrefixes[EncodeEngineOptions] = field(default_factory=EncodeEngineOptions)
    purpose: OmitArgPrefixes[PurposeOptions] = field(default_factory=PurposeOptions)

    def __post_init__(self) -> None:
        """Refuse options that are out of range or do not go together.

        Raises:
            UsageError: names the option.
        """
        need_at_least_1(self, "batch_tokens", "dim", "max_tokens", "part_rows")
        if self.check is not None or self.in_parts:
            self._check_parts()
            return
        if self.out is not None:
            refuse_url(self.out, "--out")
        if self.out is None and self.format not in {None, "jsonl"}:
            raise UsageError(f"--format {self.format} cannot go to stdout; give --out FILE")
        if self.out and not self.format and self.out.suffix.lower() not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            raise UsageError(f"--out is {self.out}; expected the suffix {known}, or --format")

    @property
    def in_parts(self) -> bool:
        """Whether the vectors go to a folder of parts."""
        others = (self.shard is not None, self.commit, self.for_index, self.engines.ray)
        return self.part_rows is not None or any(others)

    def _check_parts(self) -> None:
        given = bool(self.inputs or self.text)
        if self.check is not None:
            if given or self.out or self.in_parts:
                raise UsageError("--check encodes nothing; leave out INPUT, --out and the rest")
            return
        if self.out is None:
            raise UsageError("parts need a folder; give --out FOLDER")
        if self.part_rows is None and (given or not self.commit):
            raise UsageError("--part-rows is missing; give the most rows of a part, such as 50000")
        if not (given or self.commit):
            raise UsageError("nothing to encode; give INPUT or --text: parts are not of stdin")
        if self.engines.ray and self.shard is not None:
            raise UsageError("--shard is not for Ray, which hands out all parts; leave it out")
        if self.for_index and self.text:
            raise UsageError("--for-index reads folders and files; leave out --text")
        if self.engines.address():
            raise UsageError("--engine openai is not for parts: each worker opens the model itself")
        self.purpose.refuse("parts, which are documents")
        if self.format or self.skip_errors:
            name = "--format" if self.format else "--skip-errors"
            raise UsageError(
                f"{name} is not for parts: they are Parquet, and keep a bad item with its error"
            )


@dataclass
class Tally:
    """What became of the items so far."""

    encoded: int = 0
    cut: int = 0
    left_out: int = 0


def encode(verb: Encode) -> bool:
    """Embed everything that was asked for; False if parts are missing or not as they should be.

    Raises:
        E5VError: an item, the model or an argument is at fault, or nothing was embedded.
    """
    if verb.check is not None:
        return check_folder(verb.check)
    if verb.in_parts:
        return encode_in_parts(verb)
    if _find_format(verb) == "parquet":
        need("Parquet", "pyarrow")
    _check(verb)
    inputs = _gather_inputs(verb)
    if not verb.skip_errors:
        inputs.check()
    check_model(verb.model, verb.opening.adapter)  # after the arguments: the hub may be asked
    with (
        inputs.reading() as items,  # last: stdin may be slow
        _open_target(verb) as file,
        bar(inputs.count, shown=_is_apart(verb)) as drawn,
    ):
        drawn.name(f"Opening {verb.model}")
        engine = verb.engines.address()
        model = verb.opening.open(verb.model, max_tokens=verb.max_tokens, engine=engine)
        drawn.name("Encoding")
        with closing(_open_vector_file(verb, model, file)) as table:
            watched = WatchedModel(model, verb.model)
            tally = _embed(verb, watched, items, table, drawn)
        if inputs.left_out:
            say(f"left out of the folders: {inputs.left_out}")
        _report(tally)
        watched.end(verb.opening)
    return True


def _check(verb: Encode) -> None:
    """Check what can be known before anything slow is imported."""
    from e5v.model.prompts import find_prompt

    find_prompt(verb.prompt)
    need_new_file(verb.out, "--out")


def _gather_inputs(verb: Encode) -> Inputs:
    if verb.inputs or verb.text:
        return gather(verb.inputs, verb.text)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("nothing to encode; give INPUT or --text, or JSON lines on stdin")
    return gather(["-"])


def _open_target(verb: Encode) -> AbstractContextManager[BinaryIO]:
    from e5v.verbs.vector_files import new_file

    return new_file(verb.out) if verb.out else nullcontext(sys.stdout.buffer)


def _is_apart(verb: Encode) -> bool:
    """Return whether a progress bar does not mix with results on the same terminal."""
    return bool(verb.out) or not sys.stdout.isatty()


def _open_vector_file(verb: Encode, model: "E5V", file: BinaryIO) -> "VectorFile":
    from e5v.verbs.vector_files import FORMATS

    facts = {
        "model": verb.model,
        "prompt": verb.prompt,
        "dim": str(verb.dim or model.width),
        "precision": verb.precision,
    }
    return FORMATS[_find_format(verb)](file, facts)


def _find_format(verb: Encode) -> Format:
    return verb.format or (SUFFIXES[verb.out.suffix.lower()] if verb.out else "jsonl")


def _embed(
    verb: Encode, model: WatchedModel, items: Iterator[InputItem], table: "VectorFile", drawn: Bar
) -> Tally:
    from e5v.model.encoded import Encoded

    waiting: deque[InputItem] = deque()  # read by the embedder, not yet answered
    stream = model.encode_iter(
        _feed(items, waiting, skip_errors=verb.skip_errors),
        prompt=verb.prompt,
        batch_tokens=verb.batch_tokens,
        dim=verb.dim,
        on_error="skip" if verb.skip_errors else "raise",
        **verb.purpose.arguments(),
    )
    tally = Tally()
    for result in stream:
        item = waiting.popleft()
        drawn.step()
        if isinstance(result, Encoded):
            tally.encoded += 1
            tally.cut += result.cut
            table.add(_make_row(verb, item, result))
        else:
            tally.left_out += 1
            say(ItemError(result.position, item.fault) if item.fault else result.error)
    return tally


def _feed(
    items: Iterator[InputItem], waiting: deque[InputItem], *, skip_errors: bool
) -> Iterator[RawItem]:
    for position, item in enumerate(items):
        if item.fault and not skip_errors:
            raise ItemError(position, item.fault)
        waiting.append(item)
        yield item.raw


def _make_row(verb: Encode, item: InputItem, result: "Encoded") -> "VectorRow":
    from e5v.vectors import quantise
    from e5v.verbs.vector_files import VectorRow

    vector = quantise(result.vector[None], verb.precision)[0]
    return VectorRow(result.position, item.label, item.kind, vector)


def _report(tally: Tally) -> None:
    count = tally.encoded + tally.left_out
    if tally.left_out:
        say(f"{tally.left_out} of {count} items skipped")
    if tally.cut:
        say(f"{tally.cut} item{'s were' if tally.cut > 1 else ' was'} truncated to fit the model")
    if not tally.encoded:
        raise E5VError("nothing was encoded")
