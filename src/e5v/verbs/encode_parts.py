"""`e5v encode --part-rows`: a collection in parts, this worker's share of it; and `--check`.

arguments -> inputs -> PartJob -> a bar on stderr -> what was done, and what is still missing
"""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext, redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from e5v.errors import UsageError, plural
from e5v.extras import need
from e5v.inputs import RawItem
from e5v.left_out import LeftOut
from e5v.model.opening import Opening, follow
from e5v.places import find_store
from e5v.verbs.console import bar, say, show_line, wants_lines
from e5v.verbs.input_files import InputFile
from e5v.verbs.input_items import InputItem
from e5v.verbs.inputs import understand
from e5v.verbs.model_options import check_model
from e5v.verbs.paths import need_folder, need_possible_folder

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.parts.job import PartModel, PartsProgress
    from e5v.parts.part_folder import PartFolder
    from e5v.parts.settings import PartOptions
    from e5v.parts.shards import Shard
    from e5v.parts.sources import Source
    from e5v.verbs.encode import Encode

LOCAL_RANK = "LOCAL_RANK"  # of torchrun: the number of a process on its machine
# Begins to encode; takes what is called after each row.
Begin: TypeAlias = "Callable[[Callable[[], object]], Generator[PartsProgress, None, None]]"


def check_folder(path: Path) -> bool:
    """Show what is missing, doubled, foreign or damaged in a folder of parts; False if anything is.

    Raises:
        E5VError: it is not a folder of parts.
    """
    if not find_store(path):
        need_folder(path, "--check")
    need("e5v encode --check", "pyarrow")
    from e5v.parts.check import check_parts
    from e5v.parts.folders import open_folder

    found, folder = 0, open_folder(path)
    for finding in check_parts(folder):
        found += 1
        if wants_lines(json=False):
            show_line({"trouble": finding.trouble, "file": finding.file, "reason": finding.reason})
        else:
            _print(str(finding))
    say(f"{plural(found, 'trouble') if found else 'no trouble'} in {folder}")
    return not found


def encode_in_parts(verb: "Encode") -> bool:
    """Encode this worker's parts; False if it was to commit and parts are missing.

    Raises:
        E5VError: an input, the model, the folder or an option is at fault.
    """
    from e5v.parts.folders import open_folder
    from e5v.parts.settings import PartOptions

    need("e5v encode --part-rows", "pyarrow")
    assert verb.out is not None  # checked by the verb's record
    if not find_store(verb.out):
        need_possible_folder(verb.out, "--out")
    folder = open_folder(verb.out)
    if not (verb.inputs or verb.text):
        _commit(folder)
        return True
    options = PartOptions(
        verb.part_rows or 0, verb.prompt, verb.dim, verb.precision, verb.max_tokens
    )
    shard = _find_shard(verb)
    sources = _find_sources(verb)
    check_model(verb.model, verb.opening.adapter)
    if verb.engines.ray:
        begin = _prepare_ray(verb, sources, options)
    else:
        begin = _prepare_worker(verb, sources, folder, options, shard)
    # What Ray says of processes that die is no result of ours.
    with redirect_stdout(sys.stderr) if verb.engines.ray else nullcontext():
        done = _draw(begin, "Starting Ray and listing" if verb.engines.ray else "Listing")
    _say_left_out(sources)
    _report(folder, done)
    if verb.commit and done.missing:
        say(f"not committed: {plural(done.missing, 'part')} missing")
    return not (verb.commit and done.missing)


def _draw(begin: Begin, first: str) -> "PartsProgress":
    """Draw how far it is, and return how far it came."""
    with bar(None, shown=True, paced=True) as drawn:
        drawn.name(first)
        with closing(begin(drawn.step)) as steps:
            done = next(steps)
            drawn.begin("Encoding", done.total)
            for done in steps:
                drawn.reach(done.done, done.total)
                if done.errors:
                    drawn.name(f"Encoding ({done.errors:,} without a vector)")
    return done


def _commit(folder: "PartFolder") -> None:
    from e5v.parts.check import commit
    from e5v.parts.job import PartsProgress

    manifest = commit(folder)
    skipped = len(manifest.parts)
    _report(folder, PartsProgress(skipped=skipped, manifest=manifest))


def _find_shard(verb: "Encode") -> "Shard":
    """Return which parts are this worker's: all of them with Ray, if that can be used.

    Raises:
        E5VError: the shard is none, Ray is not installed, or the device is one of several.
    """
    from e5v.parts.fleet import check_device
    from e5v.parts.shards import Shard, find_shard

    if verb.opening.device_map and (verb.engines.ray or os.environ.get(LOCAL_RANK)):
        raise UsageError(
            "--device-map divides one model over all GPUs of a machine, and here each worker has "
            "one of them; leave it out"
        )
    if verb.engines.ray:
        need("e5v encode --engine ray", "ray")
        check_device(verb.opening.device)
        return Shard()
    return Shard.read(verb.shard) if verb.shard is not None else find_shard(os.environ)


def _prepare_worker(
    verb: "Encode",
    sources: "Sequence[Source]",
    folder: "PartFolder",
    options: "PartOptions",
    shard: "Shard",
) -> Begin:
    from e5v.parts.job import PartJob, run

    opening = replace(verb.opening, device=_find_device(verb))
    model = _find_model(replace(verb, opening=opening))
    job = PartJob(sources, folder, model, options)
    return lambda step: run(job, shard, batch_tokens=verb.batch_tokens, step=step)


def _prepare_ray(verb: "Encode", sources: "Sequence[Source]", options: "PartOptions") -> Begin:
    """Name everything by absolute paths, which are the same in other processes."""
    from e5v.model.locating import absolute_name
    from e5v.parts.actor import Work
    from e5v.parts.folders import open_folder
    from e5v.parts.ray_engine import run_on_ray
    from e5v.parts.sources import absolute

    assert verb.out is not None
    adapter = verb.opening.adapter and absolute_name(verb.opening.adapter)
    opening = replace(verb.opening, adapter=adapter)
    model = _find_model(replace(verb, model=absolute_name(verb.model), opening=opening))
    out = verb.out if find_store(verb.out) else absolute(verb.out)
    work = Work(open_folder(out), model, options, verb.batch_tokens)
    return lambda _: run_on_ray(
        sources, work, actors=verb.engines.engine_actors, device=verb.opening.device
    )


def _find_model(verb: "Encode") -> "PartModel":
    from e5v.model.locating import absolute_name
    from e5v.parts.job import PartModel

    def open_as(how: Opening) -> "E5V":
        opening = replace(verb.opening, **follow(Opening, how))
        return opening.open(verb.model, max_tokens=verb.max_tokens)

    return PartModel(absolute_name(verb.model), open_as, Opening(**asdict(verb.opening)))


def _find_device(verb: "Encode") -> str | None:
    """Return the device that was asked for; under torchrun, each process has a GPU of its own."""
    local = os.environ.get(LOCAL_RANK)
    if verb.opening.device or verb.shard or local is None:
        return verb.opening.device
    import torch

    return f"cuda:{local}" if torch.cuda.is_available() else None


def _find_sources(verb: "Encode") -> "Sequence[Source]":
    """Understand the arguments as the verb does without parts.

    Raises:
        UsageError: one cannot be read by every worker, or does not exist.
    """
    from e5v.parts.sources import make_sources

    if verb.for_index:
        from e5v.search.part_sources import make_index_sources

        return make_index_sources(map(Path, verb.inputs))
    if "-" in verb.inputs:
        raise UsageError("- is stdin, which other workers cannot read; write the lines to a file")
    inputs = [*map(_find_input, verb.inputs), *({"text": text} for text in verb.text)]
    return make_sources(inputs)


def _find_input(argument: str) -> RawItem:
    asked = understand(argument)
    if isinstance(asked, InputFile):
        return asked.path
    if isinstance(asked, Iterator):  # of a folder
        return find_store(argument) or Path(argument)
    assert isinstance(asked, InputItem)
    if asked.fault:
        raise UsageError(asked.fault)
    return asked.raw


def _say_left_out(sources: "Sequence[Source]") -> None:
    from e5v.parts.sources import ImageFolder, TarImages

    left_out = LeftOut()
    for one in sources:
        if isinstance(one, ImageFolder | TarImages):
            left_out.counts += one.left_out.counts
    if left_out:
        say(f"left out of the folders: {left_out}")


def _report(out: "PartFolder", done: "PartsProgress") -> None:
    """Say what this worker did, and what the folder has."""
    if done.restarts:
        say(f"{plural(done.restarts, 'process')} died, and what it had was encoded again")
    manifest = done.manifest
    if wants_lines(json=False):
        values = {name: getattr(done, name) for name in ("parts", "skipped", "errors", "cut")}
        whole = {"rows": manifest.rows, "all_errors": manifest.errors} if manifest else {}
        committed = {"missing": done.missing, "committed": manifest is not None}
        show_line({"out": str(out), **values, **committed, **whole})
        return
    _print(
        f"{plural(done.parts, 'part')} encoded, {done.skipped:,} there before; "
        f"{plural(done.errors, 'row')} without a vector."
    )
    if manifest is None:
        _print(f"{plural(done.missing, 'part')} of {out} still missing.")
    else:
        rows, parts = plural(manifest.rows, "row"), plural(len(manifest.parts), "part")
        _print(f"{out} is committed: {rows} in {parts}, {manifest.errors:,} without a vector.")


def _print(line: str) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(line)
