"""The benchmark of serving on a tiny model: that it runs, and that all do the same work."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from rich.console import Console

from benchmarks import serve
from benchmarks.fresh import here
from e5v.web.serving import listen


@contextmanager
def _nearby(job: serve.Job) -> Iterator[str]:
    """Run a server in a thread, so that it need not import everything anew."""
    with listen("127.0.0.1", 0) as listening:
        listening.listen()
        config = uvicorn.Config(serve.CONTENDERS[job.contender](job), log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_all_servers_give_the_same_vectors(tmp_path: Path) -> None:
    """Catches contenders that do other work, and a result that leaves one out."""
    rows = "".join(f"{place} dogs run,so it is,it is not\n" for place in range(9))
    (tmp_path / "nli.csv").write_text("sent0,sent1,hard_neg\n" + rows)
    settings = serve.Settings(
        sentences=tmp_path / "nli.csv",
        requests=6,
        clients=(1, 3),
        dtype="float32",
        repeats=1,
        model="tiny",
    )
    turns = list(serve.measure(settings, here, _nearby))[-1]
    told = serve.report(settings, turns)
    assert len(told["series"]) == len(serve.CONTENDERS) * 2
    for one in told["series"]:
        assert one["lowest_cosine_to_e5v"] > 0.9999
        assert one["requests_per_second"] > 0
        assert one["p50_ms"] <= one["p95_ms"]
        assert (one["rate_of_e5v_over_this"] == 1) or one["contender"] != serve.SHARED
    console = Console(width=140, record=True, quiet=True)
    serve.show(settings, turns, console)
