"""Mistakes with evaluate and data.

What is typed after `e5v`, and what the line on stderr says (`tests.verbs.mistakes`).
"""

EVALUATING: dict[str, tuple[list[str], str]] = {
    "an unknown variant": (["evaluate", "nano", "--ablate", "promt"], "did you mean prompt?"),
    "an option with no list": (["evaluate", "nano", "--benchmark"], "--benchmark lacks its values"),
    "an unknown benchmark": (
        ["evaluate", "nano", "--benchmark", "coc"],
        "not known; did you mean coco?",
    ),
    "a benchmark without data": (["evaluate", "nano"], "give a folder of its data"),
    "a missing data folder": (["evaluate", "nano", "--data", "none"], "--data none does not exist"),
    "data that are a file": (["evaluate", "nano", "--data", "data.bin"], "is not a folder"),
    "a layout of nothing": (
        ["evaluate", "nano", "--data", "pictures", "--layout", "raqm"],
        "--layout draws the captions of i2i-flickr30k and i2i-coco; name one",
    ),
    "a missing font": (
        ["evaluate", "nano", "--data", "pictures", "--benchmark", "i2i-coco", "--font", "no.ttf"],
        "--font no.ttf does not exist",
    ),
    "a report that is a file": (
        ["evaluate", "nano", "--data", "pictures", "--out", "data.bin"],
        "--out data.bin is a file",
    ),
    "data of an unknown name": (
        ["data", "fetch", "flickr", "--data", "d"],
        "data set flickr is not known; did you mean flickr30k?",
    ),
    "data without a name": (["data", "fetch", "--data", "d"], "NAME is missing; the data sets are"),
    "data without a folder": (["data", "fetch", "nli"], "--data FOLDER is missing"),
    "data in a file": (["data", "fetch", "nli", "--data", "data.bin"], "data.bin is a file"),
    "nothing done with data": (["data", "fetsch", "nli"], "expected list, fetch or check; did you"),
    "data to check in no folder": (
        ["data", "check", "--data", "none"],
        "--data none does not exist",
    ),
    "no data to check": (["data", "check", "--data", "empty"], "empty has none of the data sets"),
    "images of a list": (["data", "list", "--all-images"], "--all-images is an option of check"),
    "a URL to evaluate on": (["evaluate", "nano", "--data", "s3://b/d"], "s3://b/d"),
    "a URL of vectors": (
        ["evaluate", "nano", "--data", "pictures", "--cache", "s3://b/c"],
        "s3://b/c",
    ),
}
