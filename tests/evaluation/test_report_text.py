"""Numbers as a report writes them."""

from e5v.evaluation.report_text import cost, duration, signed
from e5v.evaluation.scores import BenchmarkRun


def test_numbers_in_words() -> None:
    """Minus nothing, sixty seconds to the minute, or a rate of what took no time."""
    assert [signed(x) for x in (1.234, -0.5, -0.001, 0.0, None)] == [
        "+1.23",
        "-0.50",
        "0.00",
        "0.00",
        "",
    ]
    assert [duration(x) for x in (0.04, 59.5, 119.7, 3600, 7384.0)] == [
        "0.0 s",
        "59.5 s",
        "2 min 00 s",
        "1 h 00 min",
        "2 h 03 min",
    ]
    assert (
        cost(BenchmarkRun("a", "p", "r", {}, 0, 12, 0.0))
        == "0 embedded in 0.0 s, 12 from the cache"
    )
