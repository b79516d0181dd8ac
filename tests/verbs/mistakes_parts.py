"""Mistakes with parts, and with an index of them.

What is typed after `e5v`, and what the line on stderr says (`tests.verbs.mistakes`).
"""

ENGINE = ("--engine", "openai", "--engine-url", "http://gpu:8000")
PARTS: dict[str, tuple[list[str], str]] = {
    "parts without a folder": (
        ["encode", "a", "--part-rows", "9"],
        "parts need a folder; give --out FOLDER",
    ),
    "parts in a file": (["encode", "a", "--part-rows", "9", "--out", "data.bin"], "is a file"),
    "parts of no rows": (
        ["encode", "a", "--part-rows", "0", "--out", "p"],
        "--part-rows is 0; expected at least 1",
    ),
    "a shard without parts": (
        ["encode", "a", "--shard", "0/2", "--out", "p"],
        "--part-rows is missing",
    ),
    "parts of nothing": (["encode", "--part-rows", "9", "--out", "p"], "parts are not of stdin"),
    "parts of stdin": (
        ["encode", "-", "--part-rows", "9", "--out", "p"],
        "- is stdin, which other workers cannot read",
    ),
    "parts of a missing folder": (
        ["encode", "phtos/", "--part-rows", "9", "--out", "p"],
        "phtos/ does not exist",
    ),
    "parts of an input twice": (
        ["encode", "pictures", "pictures", "--part-rows", "9", "--out", "p"],
        "is given twice; give each input once",
    ),
    "parts of another format": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--format", "npy"],
        "--format is not for parts",
    ),
    "parts that skip errors": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--skip-errors"],
        "--skip-errors is not for parts",
    ),
    "parts of an index with a text": (
        ["encode", "pictures", "--text", "a", "--part-rows", "9", "--out", "p", "--for-index"],
        "--for-index reads folders and files; leave out --text",
    ),
    "no shard": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--shard", "2"],
        "shard is 2; expected i/N, such as 0/8 (--shard)",
    ),
    "a shard counted from 1": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--shard", "8/8"],
        "shard is 8/8; expected 0/8 to 7/8 (--shard)",
    ),
    "an empty shard": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--shard", ""],
        "shard is ; expected i/N, such as 0/8",
    ),
    "a shard of none": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--shard", "0/0"],
        "shard is 0/0; expected i/N with N at least 1",
    ),
    "an engine with a shard": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--engine", "ray", "--shard", "0/2"],
        "--shard is not for Ray, which hands out all parts",
    ),
    "a server for parts": (
        ["encode", "a", "--part-rows", "9", "--out", "p", *ENGINE],
        "--engine openai is not for parts: each worker opens the model itself",
    ),
    "an address without a server": (
        ["encode", "a", "--engine", "ray", "--engine-url", "http://gpu:8000"],
        "--engine-url is of an engine; add --engine openai",
    ),
    "an engine without parts": (
        ["encode", "a", "--out", "p", "--engine", "ray"],
        "--part-rows is missing",
    ),
    "an engine of another name": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--engine", "spark"],
        "--engine",
    ),
    "actors without an engine": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--engine-actors", "2"],
        "--engine-actors is for Ray; give --engine ray",
    ),
    "no actors": (
        [
            "encode",
            "a",
            "--part-rows",
            "9",
            "--out",
            "p",
            "--engine",
            "ray",
            "--engine-actors",
            "0",
        ],
        "--engine-actors is 0; expected at least 1",
    ),
    "one GPU for all actors": (
        ["encode", "a", "--part-rows", "9", "--out", "p", "--engine", "ray", "--device", "cuda:1"],
        "device is cuda:1, but every actor has a GPU of its own; expected cpu or cuda (--device)",
    ),
    "a check that encodes": (
        ["encode", "a", "--check", "pictures"],
        "--check encodes nothing; leave out INPUT",
    ),
    "a check of no folder": (["encode", "--check", "none"], "--check none does not exist"),
    "a URL of parts": (
        ["encode", "a", "--part-rows", "9", "--out", "https://b/p"],
        "--out https://b/p is a URL",
    ),
    "parts on the hub": (
        ["encode", "a", "--part-rows", "9", "--out", "hf://datasets/a/b"],
        "hf://datasets/a/b can only be read; name a place at s3, gs, az",
    ),
    "vectors and a folder": (
        ["index", "pictures", "--vectors", "empty"],
        "--vectors brings folders and model; leave out FOLDER",
    ),
    "a recipe of vectors that are there": (
        ["index", "--vectors", "parts", "--index", "new", "--recipe", "e5-v"],
        "--vectors brings folders and model; leave out FOLDER, --model, --recipe and more",
    ),
    "an image budget of vectors that are there": (
        ["index", "--vectors", "parts", "--index", "new", "--image-tokens", "5"],
        "--vectors brings folders and model",
    ),
    "vectors in no folder": (["index", "--vectors", "none"], "--vectors none does not exist"),
}
