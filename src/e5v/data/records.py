"""The data sets that the paper needs, one record each: source, revision, rows, size, licence.

name -> DataSet -> what `fetch` downloads, what `check` expects, what evaluation pins

A revision or checksum that was not seen stays None: `fetch` then takes the newest revision and
writes down what it got, in `source.json` beside the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from e5v.errors import UsageError

Layout = tuple[str, ...]  # patterns of files, each of which must be there


@dataclass(frozen=True)
class HubFiles:
    """Files of one data set on the hub.

    `files` are patterns of their names. `size` is about what they take, in bytes, `revision` a
    commit, and `sha256` has checksums by name: each as far as it is known. The files are put into
    `folder` of the data set's folder.
    """

    id: str
    files: tuple[str, ...]
    size: int | None = None
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


@dataclass(frozen=True)
class Archive:
    """An archive, of which the files that begin with one of `members` are unpacked into a folder.

    `size` is about what they take, in bytes. Once unpacked, an archive that was downloaded is
    removed.
    """

    file: str
    members: tuple[str, ...]
    into: str
    size: int


@dataclass(frozen=True)
class DataSet:
    """One data set of the paper.

    `use` says which tables need it. `rows` are the counts that a reader finds. `layouts` are those
    in which a local copy is taken: the published one, or the hub's. `folder` is its folder, if that
    is not its name; `needs` are the libraries that read it. `conversations` is a file of LLaVA's
    conversations, from which `captions.jsonl` is written.
    """

    name: str
    use: str
    licence: str
    sources: tuple[HubFiles, ...]
    rows: Mapping[str, int]
    layouts: tuple[Layout, ...]
    folder: str = ""
    archives: tuple[Archive, ...] = ()
    needs: tuple[str, ...] = ()
    conversations: str = ""

    @property
    def home(self) -> str:
        """The name of its folder among those of others: that which evaluation looks for."""
        return self.folder or self.name

    @property
    def size(self) -> int:
        """About how many bytes it takes once it is fetched, as far as that is known."""
        packed = {archive.file for archive in self.archives}
        kept = (one.size or 0 for one in self.sources if not packed.issuperset(one.files))
        return sum(kept) + sum(archive.size for archive in self.archives)

    @property
    def is_size_known(self) -> bool:
        """Whether the size of every source is known."""
        return all(source.size for source in self.sources)

    @property
    def is_pinned(self) -> bool:
        """Whether the revision of every source is known."""
        return all(source.revision for source in self.sources)


SIMCSE = "princeton-nlp/datasets-for-simcse"
SIMCSE_COMMIT = "e145e8bb659b2aa2669f32ef79cb4cdef6c58fef"
LLAVA = "liuhaotian/LLaVA-Pretrain"
LLAVA_COMMIT = "70f9d1e5e1a697fe35830875cfc7de1dd590d727"
LLAVA_PAIRS = "blip_laion_cc_sbu_558k.json"
PARQUET = ("data/*.parquet",)
CAPTIONED = (("captions.jsonl",), ("**/*.parquet",))

DATA_SETS: tuple[DataSet, ...] = (
    DataSet(
        name="nli",
        use="training, all tables",
        licence="SNLI CC BY-SA 4.0, MultiNLI several",
        sources=(
            HubFiles(
                SIMCSE,
                ("nli_for_simcse.csv",),
                49_000_000,
                SIMCSE_COMMIT,
                {
                    "nli_for_simcse.csv": (
                        "0747687ec3594fa449d2004fd3757a56c24bf5f7428976fb5b67176775a68d48"
                    )
                },
            ),
        ),
        rows={"triplets": 275_601},
        layouts=(("nli_for_simcse.csv",),),
    ),
    DataSet(
        name="flickr30k",
        use="Tables 1, 4, 6-8",
        licence="Flickr's terms, research only",
        sources=(
            HubFiles(
                "royokong/flickr30k_test",
                PARQUET,
                141_411_915,
                "e5d418e5d73970abdca4f9d97914e1b4cce76478",
                {
                    "data/test-00000-of-00001.parquet": (
                        "246b2f511b245fa9f74a29a8a21ef48bd229778e9a90553f168b1b22ecd020c9"
                    )
                },
            ),
        ),
        rows={"captions": 5_000, "images": 1_000},
        layouts=CAPTIONED,
        needs=("pyarrow",),
    ),
    DataSet(
        name="coco",
        use="Tables 1, 4, 6-8",
        licence="captions CC BY 4.0, images Flickr's terms",
        sources=(HubFiles("royokong/coco_test", PARQUET, 2_417_000_000),),
        rows={"captions": 25_000, "images": 5_000},
        layouts=CAPTIONED,
        needs=("pyarrow",),
    ),
    DataSet(
        name="cirr",
        use="Tables 2, 6-8",
        licence="captions MIT, images NLVR2's terms",
        sources=(
            HubFiles("royokong/cirr_val", PARQUET, 609_000_000, folder="cirr_val"),
            HubFiles("royokong/cirr_test", PARQUET, folder="cirr_test"),
            HubFiles(
                "royokong/cirr_imgs",
                PARQUET,
                sha256={
                    "data/test-00000-of-00001.parquet": (
                        "974e9be3e2e39e88b755e24f3403d24464530725d151fe320b237029034ff559"
                    )
                },
                folder="cirr_imgs",
            ),
        ),
        rows={"queries": 4_181, "images": 2_297, "test queries": 4_148, "test images": 2_315},
        layouts=(
            ("captions/cap.rc2.*.json", "image_splits/split.rc2.*.json"),
            ("cirr_val/**/*.parquet", "cirr_test/**/*.parquet", "cirr_imgs/**/*.parquet"),
        ),
        needs=("datasets",),
    ),
    DataSet(
        name="fashioniq",
        use="Tables 3, 6-8",
        licence="captions CDLA, images none stated",
        sources=(
            HubFiles("royokong/fashioniq_val", PARQUET, 157_000_000, folder="fashioniq_val"),
            HubFiles(
                "royokong/fashioniq_val_imgs",
                PARQUET,
                207_000_000,
                "4eb0446c2ab6917f65ff11ee8f063fba5f98a6ff",
                {
                    "data/val-00000-of-00001.parquet": (
                        "7889ad7f5a698683437e57184014ca425a250ee8a876b06fc551646f5aa66034"
                    )
                },
                folder="fashioniq_val_imgs",
            ),
        ),
        rows={
            "dress queries": 2_017,
            "dress images": 3_817,
            "shirt queries": 2_038,
            "shirt images": 6_346,
            "toptee queries": 1_961,
            "toptee images": 5_373,
        },
        layouts=(
            ("captions/cap.*.val.json", "image_splits/split.*.val.json"),
            ("fashioniq_val/**/*.parquet", "fashioniq_val_imgs/**/*.parquet"),
        ),
        needs=("datasets",),
    ),
    DataSet(
        name="sts",
        use="Tables 5, 6-8",
        licence="grades CC BY-SA 4.0, texts several, research",
        # SentEval itself is downloaded by a script from many places, some of them gone: this is the
        # archive that SimCSE made of it, which the official code's download_dataset.sh takes, too.
        sources=(HubFiles(SIMCSE, ("senteval.tar",), 89_800_000, SIMCSE_COMMIT),),
        rows={
            "STS12": 3_108,
            "STS13": 1_500,
            "STS14": 3_750,
            "STS15": 3_000,
            "STS16": 1_186,
            "STSBenchmark": 1_379,
            "SICKRelatedness": 4_927,
        },
        layouts=(("STS/*/*", "SICK/*"), ("senteval.tar",)),
        folder="senteval",
        archives=(Archive("senteval.tar", ("STS/", "SICK/"), "", 7_000_000),),
    ),
    DataSet(
        name="llava-pretrain",
        use="training, Table 7",
        licence="that of CC-3M, LAION, SBU and BLIP",
        sources=(
            HubFiles(LLAVA, (LLAVA_PAIRS,), 181_000_000, LLAVA_COMMIT),
            HubFiles(LLAVA, ("images.zip",), 27_400_000_000, LLAVA_COMMIT),
        ),
        rows={"pairs": 558_128},
        layouts=((LLAVA_PAIRS, "images/*/*"), (LLAVA_PAIRS, "images.zip")),
        archives=(Archive("images.zip", ("",), "images", 27_400_000_000),),
        conversations=LLAVA_PAIRS,
    ),
)
RECORDS: Mapping[str, DataSet] = {one.name: one for one in DATA_SETS}


def find_data_sets(names: Sequence[str]) -> list[DataSet]:
    """Return data sets by name, each once.

    Raises:
        UsageError: a name is not known.
    """
    for name in names:
        if name not in RECORDS:
            near = get_close_matches(name.lower(), RECORDS, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(
                f"data set {name} is not known{meant} The data sets are {', '.join(RECORDS)}"
            )
    return [RECORDS[name] for name in dict.fromkeys(names)]


def find_revision(hub_id: str) -> str | None:
    """Return the pinned revision of a data set of the hub; None if it is not known."""
    sources = (source for one in DATA_SETS for source in one.sources)
    return next((source.revision for source in sources if source.id == hub_id), None)
