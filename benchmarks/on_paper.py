"""What large collections need, worked out from formulas: the tables of docs/scale-out.md.

    python -m benchmarks.on_paper

operations of LLaVA-NeXT-8B (flops.py) / operations a second of a GPU -> hours to embed
bytes of a vector, of its bits and of what each engine adds -> disk, memory, machines

Nothing is measured here. The program writes the tables into the page; a test compares them.
"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.flops import plain_flops
from benchmarks.sizes import SIZES

PAGE = Path(__file__).parents[1] / "docs" / "scale-out.md"
ENTRIES = (10**6, 10**7, 10**8, 10**9)
WIDTHS = (4_096, 256)
GB = 10**9
HOUR = 3_600  # seconds
WEEK = 7 * 24  # hours
H200 = 790e12  # operations a second: 80 % of the 989 that its data sheet has for dense bfloat16
PROMPT = 20  # tokens around an image
THUMBNAIL = 4_000 + 300  # bytes: of one, and of path, caption, dates and digest
MACHINE = 192 * GB  # of 256 GB, the rest for everything else
COMPARED = 3 * GB  # bytes of bits that one thread compares in a second
FIRST, FIRST_SHARE = 1_024, 0.05  # dimensions of the first look, and how many rows go on from it


@dataclass(frozen=True)
class Kind:
    """What is embedded: tokens of its prompt, and tiles of its image."""

    name: str
    tokens: int
    tiles: int = 0

    @property
    def seconds(self) -> float:
        """Seconds of an H200 for one, at the limit."""
        return plain_flops(SIZES["llava-next-8b"], self.tokens, self.tiles) / H200


@dataclass(frozen=True)
class Engine:
    """What ranks up to `most` entries; `added` bytes each, in memory beside the bits."""

    name: str
    most: float
    added: int


KINDS = (
    Kind("photo, 4:3, 2,340 tokens", 2_340 + PROMPT, 5),
    Kind("photo, one tile, 597 tokens", 597, 1),
    Kind("text, 32 tokens", 32),
)
ENGINES = (
    Engine("e5v", 5e6, 8),  # the number of a row; and the bits of the first look again
    Engine("LanceDB, IvfRq", 1e8, 16),  # factors and number of a row
    Engine("database of vectors", float("inf"), 256),  # 64 links of a graph
)


def find_engine(entries: int) -> Engine:
    """Return what ranks so many."""
    return next(one for one in ENGINES if entries <= one.most)


def count_memory(entries: int, width: int) -> int:
    """Return the bytes in memory for searches: bits, and what the engine adds to them."""
    engine = find_engine(entries)
    first = min(FIRST, width) // 8 if engine is ENGINES[0] else 0
    return entries * (width // 8 + first + engine.added)


def count_seconds(entries: int, width: int) -> float:
    """Return what one thread needs to compare all bits: the first look, and the rest of some."""
    return entries * (min(FIRST, width) + FIRST_SHARE * width) / 8 / COMPARED


def draw_embedding() -> str:
    """Return the table of what it takes to embed."""
    head = ["Entries", *(f"H200 hours: {one.name}" for one in KINDS), "H200s for a week: photos"]
    rows = [[*head, "Thumbnails and captions"]]
    for entries in ENTRIES:
        hours = [entries * one.seconds / HOUR for one in KINDS]
        gpus = [f"{max(1, round(some / WEEK)):,}" for some in hours[:2]]
        disk = _size(entries * THUMBNAIL)
        rows.append([_count(entries), *map(_number, hours), " or ".join(gpus), disk])
    return _draw(rows)


def draw_searching() -> str:
    """Return the table of what it takes to keep and search the vectors."""
    head = ["Entries", "Numbers", "float16, disk", "binary, disk", "All bits, one thread"]
    rows = [[*head, "Ranked by", "Memory", "Machines"]]
    for entries in ENTRIES:
        for width in WIDTHS:
            memory = count_memory(entries, width)
            rows.append(
                [
                    _count(entries),
                    f"{width:,}",
                    _size(entries * width * 2),
                    _size(entries * width // 8),
                    _time(count_seconds(entries, width)),
                    find_engine(entries).name,
                    _size(memory),
                    f"{-(-memory // MACHINE)}",
                ]
            )
    return _draw(rows)


def _draw(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"|---|{'---:|' * (len(rows[0]) - 1)}")
    return "\n".join(lines) + "\n"


def _count(entries: int) -> str:
    return f"{entries // 10**6:,} M" if entries < GB else f"{entries // GB} B"


def _number(value: float) -> str:
    """Return a number with two digits that count, or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004


def _size(size: float) -> str:
    return f"{_number(size / GB)} GB" if size < 1_000 * GB else f"{_number(size / GB / 1_000)} TB"


def _time(seconds: float) -> str:
    return f"{_number(seconds)} s" if seconds >= 1 else f"{_number(seconds * 1_000)} ms"


TABLES = {"embedding": draw_embedding, "searching": draw_searching}


def write_page(page: str) -> str:
    """Return a page with its tables as they are now."""
    for name, draw in TABLES.items():
        begin, end = f"<!-- {name} on paper -->\n", f"<!-- end of {name} on paper -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{draw()}{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(write_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
