"""`e5v mine`: hard negatives for training data, from a corpus or from the data's own positives.

data + corpus -> checked -> model -> e5v.training.mining -> triplets.jsonl, and a report
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import DataError, UsageError, plural
from e5v.extras import EXTRAS, need
from e5v.training.mining_rule import MiningRule
from e5v.verbs.console import Bar, bar, say
from e5v.verbs.corpus import check_corpus, is_index, read_corpus
from e5v.verbs.mine_report import MiningReport, say_faults, say_unused
from e5v.verbs.model_options import Opening, check_model, choose_model, choose_opening
from e5v.verbs.paths import need_new_file
from e5v.verbs.training_data import check_training_data

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.corpus import IndexCorpus
    from e5v.search.manifest import Manifest
    from e5v.training.mining import Mined
    from e5v.training.mining_items import Corpus, DistinctItems
    from e5v.training.triplets import Triplets


@dataclass(frozen=True)
class Mine:
    """Find hard negatives: items near an anchor that do not belong to it.

    Every row of the data is written with the nearest items of the corpus as its negatives; what is
    near because it belongs to the anchor is left out: all positives of equal anchors, items equal
    to the anchor, and items nearly as near as the positive (--relative-margin). The result is data
    for e5v train. Negatives that the data have are replaced.

    Examples:
        e5v mine --data pairs.csv --out triplets.jsonl --model nano-base
        e5v mine --data pairs.csv --corpus texts.txt --out triplets.jsonl
        e5v mine --data captions.jsonl --corpus photos.index --out triplets.jsonl
        e5v mine --data pairs.csv --out 3.jsonl --negatives 3 --ranks 10:60
    """

    data: Annotated[tuple[Path, ...], arg(metavar="FILE...")]
    """Files of pairs or triplets, or data sets of the hub, as e5v train takes them; without
    weights."""
    out: Annotated[Path, arg(metavar="FILE")]
    """A .jsonl file of the data's rows with negatives."""
    corpus: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where negatives come from: JSON lines as e5v encode takes them, a .txt with a text on each
    line, a folder of images, or an index, whose vectors are used as they are. By default the
    positives of the data."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default that of the index, otherwise $E5V_MODEL or
    royokong/e5-v."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    rule: OmitArgPrefixes[MiningRule] = field(default_factory=MiningRule)
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Refuse options that are out of range.

        Raises:
            UsageError: names the option.
        """
        if not self.data:
            raise UsageError("--data names no file; give one or more files of pairs")
        if self.out.suffix.lower() != ".jsonl":
            raise UsageError(f"--out is {self.out}; expected the suffix .jsonl")


def mine(verb: Mine) -> None:
    """Mine, write the file, and say what was found.

    Raises:
        E5VError: the data, the corpus or the model cannot be used, or nothing was found.
    """
    _check(verb)
    from e5v.training.mining import mine
    from e5v.training.mining_items import DistinctItems, ItemCorpus, Pairs
    from e5v.training.reading import read_triplets

    data = read_triplets(verb.data)
    say_unused(data)
    pairs = Pairs.of(data.rows)
    index = _open_index(verb)
    items = pairs.positives
    if index is None and verb.corpus is not None:
        items = DistinctItems.of(read_corpus(verb.corpus, verb.out.resolve().parent))
    verb.rule.check_size(len(items if index is None else index))
    with bar(None, shown=True, paced=True) as drawn:
        embedder = _open_model(verb, index, drawn)
        corpus = _make_corpus(verb, index, items, embedder)
        mined = mine(pairs, corpus, embedder, verb.rule, drawn)
        _write(verb, data, mined, corpus)
    if isinstance(corpus, ItemCorpus):
        say_faults([*items.faults, *corpus.faults])
    MiningReport.of(mined, data, len(corpus)).show(json=verb.json)
    say(f"wrote {verb.out}; train on it with: e5v train --data {verb.out} --out RUN")


def _check(verb: Mine) -> None:
    """Check what can be known before anything slow is imported."""
    check_training_data(verb.data)
    check_corpus(verb.corpus, "--corpus")
    need_new_file(verb.out, "--out")
    read = [*verb.data, *([verb.corpus] if verb.corpus else [])]
    if any(file.resolve() == verb.out.resolve() for file in read):
        raise UsageError(f"--out {verb.out} is read, too; name another file")
    if is_index(verb.corpus):
        need("an index as --corpus", *EXTRAS["search"])
    else:
        check_model(choose_model(verb.model, None), verb.opening.adapter)


def _open_index(verb: Mine) -> "IndexCorpus | None":
    if verb.corpus is None or not is_index(verb.corpus):
        return None
    from e5v.search.manifest import read_manifest

    check_model(choose_model(verb.model, read_manifest(verb.corpus)))
    from e5v.search.corpus import IndexCorpus

    index = IndexCorpus.open(verb.corpus)
    if index.missing:
        say(f"warning: {plural(index.missing, 'image')} of the index no longer exist; left out")
    return index


def _open_model(verb: Mine, index: "IndexCorpus | None", drawn: Bar) -> "E5V":
    """Open the model; it must be that of the index, if there is one."""
    there: Manifest | None = index.manifest if index else None
    name = choose_model(verb.model, there)
    drawn.name(f"Opening {name}")
    embedder = choose_opening(verb.opening, there, name).open(name, there=there)
    if there:
        from e5v.search.index_model import manifest_of

        there.check(manifest_of(embedder, name))
    return embedder


def _make_corpus(
    verb: Mine, index: "IndexCorpus | None", items: "DistinctItems", embedder: "E5V"
) -> "Corpus":
    if index is not None:
        return index
    from e5v.training.mining_items import ItemCorpus

    return ItemCorpus(items, embedder, skip=verb.corpus is not None)


def _write(verb: Mine, data: "Triplets", mined: "Mined", corpus: "Corpus") -> None:
    from e5v.training.cells import UnusableError
    from e5v.training.triplet_lines import write_triplets

    try:
        write_triplets(verb.out, mined.rows(data.rows, corpus))
    except UnusableError as error:
        raise DataError(f"{verb.out} was not written: an {error}") from None
