"""`e5v models`: what each known model is, and what it costs on this machine.

catalogue -> prices on this machine -> a table, or JSON lines -> which one to take
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from e5v.errors import UsageError
from e5v.verbs.console import announce, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.model.machine import Machine
    from e5v.model.prices import Advice, Price

GB, BILLION, MILLION = 1e9, 1e9, 1e6
ESTIMATED = "~"
DIGITS = 3  # of seconds
FEW = 100  # seconds, from which on no decimals are shown
WIDTH = 150  # columns of the table, at least: a narrow terminal breaks its lines


@dataclass(frozen=True)
class Models:
    """List the known models, and what each one costs on this machine.

    For each: parameters, licence, download, memory in each kind of weights, tokens and seconds for
    a photo of 640x480 pixels, seconds for a short text, and published scores. Seconds are estimates
    until e5v has embedded enough with a model here. Downloads nothing. The last line says which
    model to take.

    Examples:
        e5v models
        e5v models --seconds 2
        e5v models --device cpu --json
    """

    seconds: Annotated[float, arg(metavar="N")] = 10.0
    """Longest time for a photo, with the model to take."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1, mps, ...; by default the fastest available."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the computation; auto is bfloat16 where the hardware is fast at it."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""

    def __post_init__(self) -> None:
        """Refuse a time that nothing can meet.

        Raises:
            UsageError: it is not more than 0.
        """
        if not 0 < self.seconds < float("inf"):
            raise UsageError(f"--seconds is {self.seconds}; expected seconds, more than 0")


def models(verb: Models) -> None:
    """Show what models cost here, and which to take.

    Raises:
        UsageError: there is no such device.
    """
    announce("measuring how fast this machine multiplies")
    from e5v.model.machine import find_machine
    from e5v.model.prices import advise, find_prices

    machine = find_machine(verb.device, verb.dtype)
    prices = find_prices(machine)
    advice = advise(prices, verb.seconds)
    if wants_lines(json=verb.json):
        for price in prices:
            show_line(make_fields(price))
        show_line({"take": advice.price.model.id, "why": advice.why, **asdict(machine)})
        return
    _show_table(prices, machine)
    _show_advice(advice)


def make_fields(price: "Price") -> dict[str, object]:
    """Return what is known of a model, for a program: sizes in bytes, times in seconds."""
    from e5v.model.shapes import WEIGHTS

    model, shape = price.model, price.model.shape
    return {
        "model": model.id,
        "recipe": model.recipe_name,
        "licence": model.licence,
        "parameters": shape.parameters,
        "language_parameters": shape.language_parameters,
        "vision_parameters": shape.vision_parameters,
        "width": shape.language.width,
        "layers": shape.language.layers,
        "download": model.download_size,
        "download_is": "published" if model.download is not None else "estimated",
        "memory": {weights: shape.memory(weights) for weights in WEIGHTS},
        "fits": price.fits,
        "fits_in": list(price.fitting),
        "photo_tokens": model.see().tokens,
        "photo_seconds": _round(price.photo),
        "photo_seconds_are": price.basis("photo"),
        "text_seconds": _round(price.text),
        "text_seconds_are": price.basis("text"),
        "scores": [asdict(one) for one in model.scores],
    }


def _round(seconds: float) -> float:
    return float(f"{seconds:.{DIGITS}g}")


def _show_table(prices: "Sequence[Price]", machine: "Machine") -> None:
    """Draw a line for each model; a score has the number of its source, an estimate a mark."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sources = list(dict.fromkeys(one.source for price in prices for one in price.model.scores))
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for head in ("parameters", "download", "memory", "8bit", "4bit", "tokens", "photo", "text"):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("fits", "licence", "scores"):
        table.add_column(head)
    for price in prices:
        table.add_row(*map(Text, _make_row(price, sources)))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(f"{machine.dtype} on {machine.name}, {machine.memory / GB:.1f} GB of memory\n")
    Console(highlight=False, width=max(WIDTH, console.width)).print(table)
    console.print(
        f"\n{ESTIMATED} estimated. Download and memory in GB, memory in {machine.dtype} and in "
        "weights of 8 and 4 bits. Tokens and seconds are of a photo of 640x480 pixels and of a "
        "short text."
    )
    for number, source in enumerate(sources, 1):
        console.print(f"[{number}] {source}")


def _make_row(price: "Price", sources: Sequence[str]) -> list[str]:
    model, shape = price.model, price.model.shape
    known = "" if model.download is not None else ESTIMATED
    scores = (
        f"{one.benchmark} {one.value:g} [{sources.index(one.source) + 1}]" for one in model.scores
    )
    return [
        model.id,
        format_count(shape.parameters),
        f"{known}{model.download_size / GB:.1f}" if model.download_size else "none",
        f"{price.memory / GB:.1f}",
        *(f"{shape.memory(weights) / GB:.1f}" for weights in ("8bit", "4bit")),
        f"{model.see().tokens:,}",
        _format_seconds(price.photo, estimated=price.basis("photo") == "estimated"),
        _format_seconds(price.text, estimated=price.basis("text") == "estimated"),
        _format_fit(price),
        model.licence,
        ", ".join(scores),
    ]


def format_count(count: int) -> str:
    """Write a number of parameters in billions or millions."""
    return f"{count / BILLION:.1f} B" if count >= BILLION else f"{count / MILLION:.0f} M"


def _format_seconds(seconds: float, *, estimated: bool) -> str:
    figure = f"{seconds:.0f}" if seconds >= FEW else f"{seconds:.2g}"
    return f"{ESTIMATED if estimated else ''}{figure} s"


def _format_fit(price: "Price") -> str:
    if price.fits:
        return "yes"
    return f"in {price.fitting[0]}" if price.fitting else "no"


def _show_advice(advice: "Advice") -> None:
    """Say which model to take, and how, in one line."""
    from rich.console import Console

    from e5v.model.bundled import PHOTOS

    name = advice.price.model.id
    first = f" (once: e5v assemble {PHOTOS})" if name == PHOTOS else ""
    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(
        f"\nTake {name}: {advice.why}. e5v index FOLDER --model {name}{first}"
    )
