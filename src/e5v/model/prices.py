"""What a model costs on this machine: seconds a photo, seconds a text, memory; and which to take.

record, Machine -> work / measured rates / efficiency -> Price, "estimated"
                -> the speed of an earlier run here   -> Price, "measured"
prices -> those that fit and are quick enough -> the one of the best published score

The efficiencies are the share of the rates that real runs reach: benchmarks/prices.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from e5v.model.bundled import PHOTOS
from e5v.model.catalogue import (
    MODELS,
    PROMPT_TOKENS,
    RANKED,
    TEXT_TOKENS,
    CatalogueModel,
)
from e5v.model.machine import Machine, Rates, find_machine, measure_rates
from e5v.model.shapes import WEIGHTS, Work
from e5v.model.speeds import KINDS, Kind, Speed, read_speeds

EFFICIENCY: Mapping[Kind, float] = {"photo": 0.66, "text": 0.57}
ROOM = 2_000_000_000  # bytes that a run needs beside the weights
PATIENCE = 10.0  # seconds for a photo, that are still quick enough


@dataclass(frozen=True)
class Price:
    """What a model costs on a machine.

    Attributes:
        photo: seconds for a photo of 640x480 pixels, without opening the model.
        text: seconds for a short text among many.
        measured: which of "photo" and "text" were measured in a run; the others are estimates.
        memory: bytes of the weights in the machine's dtype.
        fitting: kinds of weights that leave room for a run in the machine's memory.
        fits: whether the machine's own dtype does.
    """

    model: CatalogueModel
    photo: float
    text: float
    measured: tuple[Kind, ...]
    memory: int
    fitting: tuple[str, ...]
    fits: bool

    def basis(self, kind: Kind) -> str:
        """Say where seconds are from."""
        return "measured" if kind in self.measured else "estimated"


@dataclass(frozen=True)
class Advice:
    """Which model to take, and why."""

    price: Price
    why: str


def find_prices(machine: Machine, models: Sequence[CatalogueModel] = MODELS) -> tuple[Price, ...]:
    """Return what models cost on a machine, whose rates are measured for about a second."""
    rates = measure_rates(machine, {width for one in models for width in one.widths})
    speeds = read_speeds(machine.name, machine.dtype)
    return tuple(find_price(one, machine, rates, speeds) for one in models)


def find_price(
    model: CatalogueModel,
    machine: Machine,
    rates: Rates,
    speeds: Mapping[tuple[str, Kind], Speed],
) -> Price:
    """Return the price of a model, by the rates of a machine and the speeds of earlier runs."""
    tokens = {"photo": model.see().tokens + PROMPT_TOKENS, "text": TEXT_TOKENS}
    seconds = {kind: find_ideal(model.work(kind), rates) / EFFICIENCY[kind] for kind in KINDS}
    known = {kind: speeds[model.id, kind] for kind in seconds if (model.id, kind) in speeds}
    for kind, speed in known.items():
        seconds[kind] = tokens[kind] / speed.tokens_per_second
    memory = model.shape.memory(machine.dtype)
    fitting = tuple(one for one in WEIGHTS if model.shape.memory(one) + ROOM <= machine.memory)
    return Price(
        model,
        seconds["photo"],
        seconds["text"],
        tuple(known),
        memory,
        fitting,
        fits=memory + ROOM <= machine.memory,
    )


def find_ideal(work: Mapping[int, Work], rates: Rates) -> float:
    """Return the seconds that work of each width would take, if all were done at full rates."""
    return sum(
        one.products / rates.products[width]
        + one.attention / rates.attention
        + one.values / rates.values
        for width, one in work.items()
    )


def advise(prices: Iterable[Price], seconds: float = PATIENCE) -> Advice:
    """Choose the model of the best published score that fits and embeds a photo in `seconds`.

    If there is none, it is the bundled one for photographs.
    """
    known = {one.model.id: one for one in prices}
    usable = [
        one
        for one in known.values()
        if one.fits and one.photo <= seconds and one.model.score is not None
    ]
    if not usable:
        why = f"no published model with a score fits here and embeds a photo in {seconds:g} s"
        return Advice(known[PHOTOS], why)
    best = max(usable, key=lambda one: one.model.score or 0.0)
    why = (
        f"it has the best {RANKED} score, {best.model.score:g}, of those that fit here and embed "
        f"a photo in {seconds:g} s"
    )
    return Advice(best, why)


def recommend(machine: Machine, seconds: float = PATIENCE) -> Advice:
    """Price the models that may be chosen, and choose."""
    choices = [one for one in MODELS if one.score is not None or one.id == PHOTOS]
    return advise(find_prices(machine, choices), seconds)


def name_best(device: str | None, dtype: str) -> str:
    """Return the name of the model to take on a device."""
    return recommend(find_machine(device, dtype)).price.model.id
