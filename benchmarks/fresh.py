"""A fresh process for every measurement, so that none inherits memory or warmth from another."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Runner(Protocol):
    """Calls a function of one argument, here or elsewhere; both must be able to be pickled."""

    def __call__(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        """Return what the function returns."""


def fresh(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call in a new interpreter that ends afterwards."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, argument).result()


def here(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call in this process: quick, for rehearsals; peaks of memory then mean nothing."""
    return function(argument)
