"""Mistakes with index, search, serve and demo.

What is typed after `e5v`, and what the line on stderr says (`tests.verbs.mistakes`).
"""

SEARCHING: dict[str, tuple[list[str], str]] = {
    "not a number": (["search", "a", "--min-score", "nan"], "--min-score is nan"),
    "no port": (["serve", "--port", "70000"], "--port is 70000; expected 0 to 65535"),
    "no cosine": (["search", "a", "--min-score", "2"], "--min-score is 2"),
    "no k": (["search", "a", "-k", "0"], "-k is 0; expected at least 1"),
    "an argument after an option": (["search", "a", "--json", "b"], "keep all arguments together"),
    "options that do not go together": (["search", "a", "--duplicates"], "--duplicates compares"),
    "nothing to look for": (["search"], "nothing to look for"),
    "a blank query": (["search", " "], "nothing to look for"),
    "a missing folder": (["index", "phtos"], "phtos does not exist"),
    "nothing to index": (["index", "--index", "new"], "nothing to index; give FOLDER"),
    "no pages": (["index", "pictures", "--pages", "0"], "--pages is 0; expected 1 to 100,000"),
    "no frames": (["index", "pictures", "--frames", "-1"], "--frames is -1; expected 1 to 10,000"),
    "a pattern that matches nothing": (
        ["index", "pictures", "--index", "new", "--include", "/"],
        "the pattern '/' is empty; expected a pattern such as '*.mov'",
    ),
    "a new index without a model": (
        ["index", "pictures", "--index", "new"],
        "a new index needs a model; name one, or set E5V_MODEL (e5v models says which ones fit",
    ),
    "no time for a photo": (["models", "--seconds", "0"], "--seconds is 0.0; expected seconds"),
    "a model for models": (["models", "nano"], "unexpected argument nano"),
    "a file that cannot be indexed": (["index", "data.bin"], "cannot be indexed"),
    "an index that is a file": (["index", "pictures", "--index", "data.bin"], "is a file"),
    "a broken index": (["search", "a", "--index", "broken"], "cannot be read as an index"),
    "a missing image": (["search", "--image", "missing.jpg"], "--image missing.jpg does not exist"),
    "a missing file of a URL": (
        ["search", "--image", "file:///no.jpg"],
        "--image /no.jpg does not",
    ),
    "a folder to follow and not": (
        ["index", "pictures", "--index", "other", "--unfollow", "pictures"],
        "is given to follow and to --unfollow",
    ),
    "no index": (["search", "a", "--index", "empty"], "empty holds no index; make one with"),
    "an image of no supported format": (
        ["search", "--image", "logo.svg", "--index", "other"],
        "--image logo.svg cannot be read as an image: .svg is not supported",
    ),
    "missing scenes": (["demo", "--folder", "none"], "none/captions.jsonl does not exist"),
    "a path left empty": (
        ["index", "pictures", "--index", ""],
        "--index is empty; expected a path",
    ),
    "an unknown column": (["search", "a", "--where", "knd = 'image'"], "did you mean kind?"),
    "an open quote": (["search", "a", "--where", "kind = 'image"], "the quote ' is not closed"),
    "an open bracket": (["search", "a", "--where", "(kind = 'image'"], "a bracket is not closed"),
    "two conditions": (["search", "a", "--where", "size > 1; size < 2"], "it has a ;"),
    "an empty filter": (["search", "a", "--where", " "], "it is empty"),
    "a URL to index": (["index", "s3://bucket/x"], "s3://bucket/x"),
    "a URL as an index": (["index", "pictures", "--index", "ftp://b/x"], "--index ftp://b/x"),
    "a URL to search in": (["search", "a", "--index", "https://b/x"], "--index https://b/x"),
    "a hub to search in": (
        ["search", "a", "--index", "hf://b/x"],
        "hf://b/x cannot be used as an index; download it",
    ),
    "a URL as a text": (
        ["search", "s3://bucket/x.jpg", "--index", "other"],
        "s3://bucket/x.jpg is a URL, which is not supported; for an image, save it",
    ),
    "a URL to leave out": (
        ["search", "a", "--without", "gs://b/x"],
        "gs://b/x is a URL, which is not supported",
    ),
    "a URL as an image": (["search", "--image", "https://e.org/a.jpg"], "https://e.org/a.jpg"),
    "a URL to serve": (["serve", "--index", "ftp://b/x"], "--index ftp://b/x"),
    "a URL as the demo's index": (["demo", "--index", "s3://b/x"], "--index s3://b/x is a URL"),
    "an engine without an address": (["serve", "--engine", "openai"], "--engine-url is missing"),
    "an address without an engine": (
        ["search", "a", "--engine-url", "http://gpu:8000"],
        "--engine-url is of an engine; add --engine openai",
    ),
    "an engine that is no server": (
        ["index", "pictures", "--engine", "openai", "--engine-url", "gpu:8000"],
        "'gpu:8000' is not the URL of an engine; expected one such as http://gpu:8000",
    ),
    "a URL of scenes": (["demo", "--folder", "s3://b/c"], "s3://b/c"),
    "an unknown database": (
        ["search", "a", "--store", "qdrnt://h/c"],
        "qdrnt:// is no known database (did you mean qdrant://?); expected qdrant://HOST",
    ),
    "a store that is a path": (["search", "a", "--store", "photos"], "is no URL of a database"),
    "a database without a collection": (["serve", "--store", "milvus://h"], "names no collection"),
    "a table without a database": (
        ["search", "a", "--store", "postgresql://h/t"],
        "names no database and table; expected postgresql://HOST:PORT/DATABASE/TABLE (--store)",
    ),
    "an index and a store": (
        ["search", "a", "--store", "qdrant://h/c", "--index", "other"],
        "--index and --store are two places to search",
    ),
    "duplicates of a store": (
        ["search", "--duplicates", "--store", "qdrant://h/c"],
        "--duplicates compares the vectors of an index; leave out --store",
    ),
    "a filter that databases cannot check": (
        ["search", "a", "--store", "qdrant://h/c", "--where", "text IS NULL"],
        "'IS' is not expected; in a database, a filter",
    ),
    "an export to nothing": (["export"], "--to URL is missing"),
    "an export to a name alone": (
        ["export", "--to", "qdrant"],
        "qdrant names a database and no collection; expected qdrant://HOST:PORT/COLLECTION",
    ),
    "an export to an object store": (["export", "--to", "s3://b/c"], "s3:// is no known database"),
    "an export to a file of another kind": (["export", "--to", "a.csv"], "'a.csv' is no URL"),
    "an export into a missing folder": (
        ["export", "--to", "no/a.parquet", "--index", "other"],
        "--to no/a.parquet: the folder no does not exist",
    ),
    "an export of no index": (
        ["export", "--to", "a.parquet", "--index", "empty"],
        "empty holds no index; make one with",
    ),
}
