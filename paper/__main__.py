"""`python -m paper`: the paper in one command.

options -> Plan -> jobs -> Runner -> findings -> results.json, report.md, report.html

    python -m paper --out runs/paper-1 --data data          everything
    python -m paper --out runs/paper-1 --data data --plan   what it needs, and no more
    python -m paper --out build/tiny --tiny                 the same, small, in minutes
"""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import E5VError, UsageError
from e5v.files import locked
from e5v.verbs.paths import need_possible_folder
from paper.bases import BASES
from paper.estimate import describe_needs, need_disk
from paper.jobs import STAGES
from paper.report import write_report
from paper.runner import Outcome, Runner, say
from paper.settings import Numbers, find_settings
from paper.stages import Plan, list_jobs
from paper.ways import list_layouts

REPORT = "report"
ALL = (*STAGES, REPORT)
FEW = ("untuned", "text", "no-prompt", "image-text", "mixed", "mistral-text")  # with --tiny


@dataclass(frozen=True)
class Paper:
    """Rerun E5-V: its data, trainings and tables, with our figures beside the paper's.

    A run that was stopped goes on where it was. Each command is printed, and stands alone.
    """

    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder of everything that is made, and of the report."""
    data: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the data, where they are or will be fetched; OUT/data by default."""
    stages: Annotated[tuple[str, ...], arg(metavar="STAGE...")] = ALL
    """Stages to run: data, base, train, evaluate, report; by default all."""
    only: Annotated[tuple[str, ...], arg(metavar="SETTING...")] = ()
    """Settings of paper/settings.json; by default all."""
    seeds: Annotated[tuple[int, ...], arg(metavar="N...")] = (0,)
    """Seeds of every training; several tell how far figures vary."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1, ...; by default the fastest available."""
    plan: bool = False
    """Only say what the run needs, and what can be left out."""
    tiny: bool = False
    """Small random models, a few rows of data and some of the settings, in minutes."""
    numbers: OmitArgPrefixes[Numbers] = field(default_factory=Numbers)

    def make_plan(self) -> Plan:
        """Return what is to be made; with `tiny`, its models and data are written first.

        Raises:
            UsageError: a stage or setting is not known, there is no seed, or a folder cannot be
                used.
        """
        settings = tuple(find_settings(self.only or (FEW if self.tiny else ())))
        if unknown := set(self.stages).difference(ALL):
            raise UsageError(f"stage {min(unknown)} is not known; name some of {', '.join(ALL)}")
        if not self.seeds:
            raise UsageError("--seeds names no seed; give one or more")
        need_possible_folder(self.out, "--out")
        need_possible_folder(self.data, "--data")
        out, seeds = self.out.absolute(), tuple(dict.fromkeys(self.seeds))
        data = self.data.absolute() if self.data else out / "data"
        layouts = list_layouts()
        if not self.tiny:
            return Plan(out, data, settings, seeds, BASES, self.numbers, self.device, layouts)
        from paper.tiny import NUMBERS, make_bases
        from paper.tiny_data import write_data

        out.mkdir(parents=True, exist_ok=True)
        write_data(data)
        bases = make_bases(out / "bases")
        return Plan(out, data, settings, seeds, bases, NUMBERS, "cpu", layouts, "float32")


def run(paper: Paper) -> bool:
    """Run the stages that are asked for; return whether all of their jobs are done.

    Raises:
        E5VError: an option cannot be used, or another process runs in the same folder.
    """
    plan = paper.make_plan()
    jobs = list_jobs(plan)
    if paper.plan or set(paper.stages) != {REPORT}:
        for line in describe_needs(plan):
            say(line)
    if paper.plan:
        return True
    if set(paper.stages) != {REPORT}:
        need_disk(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    with locked(plan.out):
        runner = Runner(plan.out, plan.data, say)
        outcomes = list(runner.run(jobs, paper.stages))
        _tell(outcomes, paper)
        if REPORT in paper.stages:
            for file in write_report(plan, outcomes):
                say(f"wrote {file}")
    wanted = [one for one in outcomes if one.job.stage in paper.stages]
    return all(one.is_done for one in wanted)


def _tell(outcomes: list[Outcome], paper: Paper) -> None:
    counts = Counter(one.state for one in outcomes if one.job.stage in paper.stages)
    if counts:
        say(", ".join(f"{count} {state}" for state, count in counts.items()))
    for one in outcomes:
        if one.state == "failed":
            say(f"{one.job.label} failed: {one.reason}")


@contextmanager
def _mistakes() -> Iterator[None]:
    """End with one line and the exit code of the mistake."""
    try:
        yield
    except UsageError as error:
        say(f"paper: {error}")
        raise SystemExit(2) from None
    except (E5VError, OSError) as error:
        say(f"paper: {error}")
        raise SystemExit(1) from None


def main() -> None:
    """Read the command line and run."""
    paper = tyro.cli(Paper, prog="python -m paper")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends its job, too
    with _mistakes():
        done = run(paper)
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
