"""Mistakes of users, each with the words that its one line must have.

The test runs this file as a program, in one process for all: `python mistakes.py` prints a JSON
line per mistake with what the command line did, and what was imported by then.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

HEAVY = ("torch", "transformers", "lancedb", "pyarrow", "datasets", "pandas", "scipy")

# What is typed after `e5v`, and what the line on stderr says. The files are made by `make_files`.
MISTAKES: dict[str, tuple[list[str], str]] = {
    # verbs
    "a mistyped verb": (["encod", "a"], "'encod' is not a verb; did you mean encode?"),
    "a verb in capitals": (["Search", "a"], "did you mean search?"),
    "an unknown verb": (["frobnicate"], "'frobnicate' is not a verb"),
    "an option before the verb": (["--model", "nano", "encode", "a"], "--model comes before"),
    # options
    "a mistyped option": (
        ["encode", "a", "--dims", "3"],
        "unknown option --dims; did you mean --dim",
    ),
    "an option of another verb": (["encode", "a", "--port", "3"], "unknown option --port"),
    "an option with a value inside": (["encode", "a", "--dimm=3"], "did you mean --dim?"),
    "no value": (["encode", "a", "--dim"], "--dim N lacks its value"),
    "a flag with a value": (["encode", "a", "--skip-errors=yes"], "--skip-errors takes no value"),
    "no whole number": (["encode", "a", "--dim", "x"], "--dim is x; expected a whole number"),
    "a fraction": (["encode", "a", "--dim", "1.5"], "--dim is 1.5; expected a whole number"),
    "no number": (
        ["train", "--data", "a", "--out", "b", "--lr", "x"],
        "--lr is x; expected a number",
    ),
    "no finite number": (["train", "--data", "a", "--out", "b", "--lr", "inf"], "--lr is inf"),
    "not a number": (["search", "a", "--min-score", "nan"], "--min-score is nan"),
    "a list with a word": (
        ["train", "--data", "a", "--out", "b", "--dims", "3", "x"],
        "--dims is 3 x; expected a whole number",
    ),
    "an unknown choice": (
        ["encode", "a", "--precision", "int4"],
        "--precision is int4; expected float32, float16, int8 or binary; did you mean int8?",
    ),
    "an unknown dtype": (["words", "a", "--dtype", "floa"], "expected auto, float32, bfloat16 or"),
    "an unknown variant": (["evaluate", "nano", "--ablate", "promt"], "did you mean prompt?"),
    "out of range": (["encode", "a", "--dim", "0"], "--dim is 0; expected at least 1"),
    "out of range in a group": (
        ["train", "--data", "a", "--out", "b", "--batch", "1"],
        "(--batch)",
    ),
    "no port": (["serve", "--port", "70000"], "--port is 70000; expected 0 to 65535"),
    "no cosine": (["search", "a", "--min-score", "2"], "--min-score is 2"),
    "no k": (["search", "a", "-k", "0"], "-k is 0; expected at least 1"),
    "missing options": (["train"], "--data FILE... and --out FOLDER are missing"),
    "a missing argument": (["merge", "--out", "new"], "RUN is missing"),
    "a missing item": (["words"], "ITEM is missing"),
    "a missing model": (["verify"], "MODEL is missing"),
    "an option with no list": (["evaluate", "nano", "--benchmark"], "--benchmark lacks its values"),
    "a name that begins with -": (["encode", "-x.jpg"], "an argument that begins with - goes"),
    "an argument after an option": (["search", "a", "--json", "b"], "keep all arguments together"),
    "an argument too many": (["merge", "run", "more", "--out", "new"], "unexpected argument more"),
    "options that do not go together": (["search", "a", "--duplicates"], "--duplicates compares"),
    "nothing to look for": (["search"], "nothing to look for"),
    "a blank query": (["search", " "], "nothing to look for"),
    "a format without a file": (["encode", "a", "--format", "npy"], "give --out FILE"),
    # paths
    "a missing folder": (["index", "phtos"], "phtos does not exist"),
    "nothing to index": (["index", "--index", "new"], "nothing to index; give FOLDER"),
    "a file that cannot be indexed": (["index", "data.bin"], "cannot be indexed"),
    "an index that is a file": (["index", "pictures", "--index", "data.bin"], "is a file"),
    "a broken index": (["search", "a", "--index", "broken"], "cannot be read as an index"),
    "a missing image": (["search", "--image", "missing.jpg"], "--image missing.jpg does not exist"),
    "a missing image of words": (["words", "a", "--image", "missing.jpg"], "--image missing.jpg"),
    "a missing input": (["encode", "missing.jpg"], "missing.jpg does not exist"),
    "a missing folder of inputs": (["encode", "phtos/"], "phtos/ does not exist; check the path"),
    "a missing path": (["encode", "./notes"], "./notes does not exist; check the path"),
    "a missing table": (["encode", "list.csv"], "list.csv does not exist; check the path"),
    "a missing file of a URL": (
        ["search", "--image", "file:///no.jpg"],
        "--image /no.jpg does not",
    ),
    "a folder to follow and not": (
        ["index", "pictures", "--index", "other", "--unfollow", "pictures"],
        "is given to follow and to --unfollow",
    ),
    "an empty text": (["encode", "a", "--text", " "], "an item has an empty text"),
    "no index": (["search", "a", "--index", "empty"], "empty holds no index; make one with"),
    "a missing list": (["encode", "a", "missing.jsonl"], "missing.jsonl does not exist"),
    "a list with a missing image": (
        ["encode", "a", "gone.jsonl", "--out", "v.npy"],
        "gone.jsonl, line 2 names an image that",
    ),
    "a broken list": (["encode", "bad.jsonl"], "bad.jsonl, line 3 is not JSON"),
    "a file that is no image": (["encode", "data.bin"], "data.bin is a file, but no image"),
    "an image of no supported format": (
        ["search", "--image", "logo.svg", "--index", "other"],
        "--image logo.svg cannot be read as an image: .svg is not supported",
    ),
    "words of no supported format": (["words", "--image", "logo.svg"], ".svg is not supported"),
    "words of a folder": (["words", "pictures"], "pictures is a folder; expected one text"),
    "words of items": (["words", "items.jsonl"], "items.jsonl is a file of JSON lines; expected"),
    "stdin twice": (["encode", "-", "-"], "- is given twice"),
    "nothing on stdin": (["encode", "--model", "nano"], "nothing to encode: no item was given"),
    "no item in a file": (
        ["encode", "empty.jsonl", "--model", "nano"],
        "nothing to encode: no item was given",
    ),
    "a folder without images": (["encode", "empty"], "empty holds no images"),
    "an unknown suffix": (["encode", "a", "--out", "v.txt"], "expected the suffix .jsonl, .npy"),
    "a target in no folder": (
        ["encode", "a", "--out", "no/v.npy"],
        "does not exist; make it first",
    ),
    "a target that is a folder": (["encode", "a", "--out", "folder.npy"], "is not a plain file"),
    "missing data": (["train", "--data", "no.csv", "--out", "b"], "--data no.csv does not exist"),
    "data of the hub without a split": (
        ["train", "--data", "hub:org/name", "--out", "b"],
        "hub:org/name is no data set of the hub; expected hub:ORG/NAME:SPLIT",
    ),
    "data without a weight": (
        ["train", "--data", "pairs.csv", "items.jsonl:0.5", "--out", "b"],
        "--data pairs.csv has no weight, but others have; give all a weight or none",
    ),
    "data of a negative weight": (
        ["train", "--data", "pairs.csv:1", "items.jsonl:-1", "--out", "b"],
        "--data items.jsonl:-1 has the weight -1; expected above 0",
    ),
    "missing data with a weight": (
        ["train", "--data", "no.csv:1", "--out", "b"],
        "--data no.csv does not exist",
    ),
    "data of no format": (["train", "--data", "data.bin", "--out", "b"], "unknown format"),
    "a missing teacher": (
        ["train", "--data", "pairs.csv", "--out", "b", "--teacher", "t.npy"],
        "--teacher t.npy does not exist",
    ),
    "missing validation data": (
        ["train", "--data", "pairs.csv", "--out", "b", "--evaluation", "no.csv"],
        "--evaluation no.csv does not exist",
    ),
    "a run that exists": (["train", "--data", "pairs.csv", "--out", "run"], "--resume"),
    "a run folder with more": (["train", "--data", "pairs.csv", "--out", "pictures"], "not empty"),
    "an unknown tracker": (
        ["train", "--data", "pairs.csv", "--out", "b", "--track", "tensorbord"],
        "--track is tensorbord; expected tensorboard, wandb or trackio; did you mean tensorboard?",
    ),
    "a rate of what is not trained": (
        ["train", "--data", "pairs.csv", "--out", "b", "--projector-lr", "0.1"],
        "but the projector is not trained",
    ),
    "one process that divides": (
        ["train", "--data", "pairs.csv", "--out", "b", "--model", "nano-base", "--shard"],
        "start them with torchrun",
    ),
    "a tuned model": (["train", "--data", "a", "--out", "b", "--model", "nano"], "nano-base"),
    "a tuned model of photos": (
        ["train", "--data", "a", "--out", "b", "--model", "photos"],
        "--model is photos, which is tuned already; expected photos-base",
    ),
    "ranks backwards": (
        ["mine", "--data", "pairs.csv", "--out", "t.jsonl", "--ranks", "60:10"],
        "ranks is 60:10; expected the first number below the second, such as 10:60 (--ranks)",
    ),
    "no ranks": (
        ["mine", "--data", "pairs.csv", "--out", "t.jsonl", "--ranks", "some"],
        "ranks is some; expected two numbers, such as 10:60 (--ranks)",
    ),
    "fewer ranks than negatives": (
        ["mine", "--data", "pairs.csv", "--out", "t.jsonl", "--ranks", "1:2", "--negatives", "2"],
        "expected at least 2 of them",
    ),
    "mined data that are no JSON lines": (
        ["mine", "--data", "pairs.csv", "--out", "t.csv"],
        "--out is t.csv; expected the suffix .jsonl",
    ),
    "missing data to mine for": (["mine", "--data", "no.csv", "--out", "t.jsonl"], "no.csv does"),
    "a corpus of no format": (
        ["mine", "--data", "pairs.csv", "--out", "t.jsonl", "--corpus", "data.bin"],
        "--corpus data.bin is of an unknown format; expected .jsonl, .txt, a folder of images",
    ),
    "a missing corpus": (
        ["mine", "--data", "pairs.csv", "--out", "t.jsonl", "--corpus", "none"],
        "--corpus none does not exist",
    ),
    "no model to assemble": (["assemble", "foto"], "expected photos; did you mean photos?"),
    "missing wheels": (["assemble", "photos", "--wheels", "none"], "--wheels none does not exist"),
    "a missing folder to push": (["push", "none", "a/b"], "FOLDER none does not exist"),
    "an id that the hub does not take": (["push", "pictures", "a//b"], "'a//b' is not an id of"),
    "a missing run": (["merge", "no-run", "--out", "new"], "RUN no-run does not exist"),
    "a merged folder that exists": (["merge", "run", "--out", "pictures"], "not empty"),
    "a converted folder that exists": (["convert", "a/b", "--out", "data.bin"], "is a file"),
    "a missing source": (["convert", "./none", "--out", "new"], "SOURCE none does not exist"),
    "missing scenes": (["demo", "--folder", "none"], "none/captions.jsonl does not exist"),
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
    "an unknown tiling": (
        ["encode", "a", "--tiling", "4.41"],
        "--tiling is 4.41; expected correct or transformers-4.41",
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
    "a path left empty": (
        ["index", "pictures", "--index", ""],
        "--index is empty; expected a path",
    ),
    # models
    "a missing model folder": (["encode", "a", "--model", "./none"], "there is no folder ./none"),
    "a folder without a model": (["words", "a", "--model", "pictures"], "without config.json"),
    "a file as a model": (["verify", "data.bin"], "data.bin is a file"),
    "an adapter as a model": (
        ["encode", "a", "--model", "run"],
        "merge it into its model with e5v merge run",
    ),
    "the hub's page of a model": (
        ["encode", "a", "--model", "https://huggingface.co/a/b/tree/main"],
        "did you mean a/b?",
    ),
    "an empty model": (["encode", "a", "--model", ""], "the model's name is empty"),
    # prompts and filters
    "an unknown prompt": (["encode", "a", "--prompt", "retreival"], "did you mean retrieval?"),
    "a prompt of training": (
        ["train", "--data", "pairs.csv", "--out", "b", "--prompt", "x"],
        "prompt 'x'",
    ),
    "an unknown column": (["search", "a", "--where", "knd = 'image'"], "did you mean kind?"),
    "an open quote": (["search", "a", "--where", "kind = 'image"], "the quote ' is not closed"),
    "an open bracket": (["search", "a", "--where", "(kind = 'image'"], "a bracket is not closed"),
    "two conditions": (["search", "a", "--where", "size > 1; size < 2"], "it has a ;"),
    "an empty filter": (["search", "a", "--where", " "], "it is empty"),
    # URLs
    "a URL to encode": (["encode", "s3://bucket/images/"], "s3://bucket/images/ is a URL"),
    "a URL to index": (["index", "s3://bucket/x"], "s3://bucket/x"),
    "a URL as an index": (["index", "pictures", "--index", "s3://b/x"], "--index s3://b/x"),
    "a URL to search in": (["search", "a", "--index", "gs://b/x"], "--index gs://b/x"),
    "a URL as an image": (["search", "--image", "https://e.org/a.jpg"], "https://e.org/a.jpg"),
    "a URL to serve": (["serve", "--index", "s3://b/x"], "--index s3://b/x"),
    "a URL as a target": (["encode", "a", "--out", "s3://b/v.npy"], "--out s3://b/v.npy"),
    "a URL as a model": (["encode", "a", "--model", "hf://a/b"], "hf://a/b"),
    "a URL of training data": (["train", "--data", "s3://b/a.csv", "--out", "b"], "s3://b/a.csv"),
    "a URL of a run": (["train", "--data", "pairs.csv", "--out", "s3://b/r"], "s3://b/r"),
    "a URL to merge": (["merge", "s3://b/run", "--out", "new"], "s3://b/run"),
    "a URL to merge into": (["merge", "run", "--out", "s3://b/new"], "s3://b/new"),
    "a URL to convert": (["convert", "s3://b/m", "--out", "new"], "s3://b/m"),
    "a URL to evaluate on": (["evaluate", "nano", "--data", "s3://b/d"], "s3://b/d"),
    "a URL of vectors": (
        ["evaluate", "nano", "--data", "pictures", "--cache", "s3://b/c"],
        "s3://b/c",
    ),
    "a URL of scenes": (["demo", "--folder", "s3://b/c"], "s3://b/c"),
}


def make_files(folder: Path) -> None:
    """Write the files that the mistakes are about."""
    from e5v.search.manifest import Manifest, write_manifest

    for name in ("empty", "folder.npy", "pictures", "run", "broken"):
        (folder / name).mkdir()
    (folder / "data.bin").write_bytes(b"data")
    (folder / "logo.svg").write_text("<svg/>")
    (folder / "pictures" / "a.jpg").touch()
    (folder / "items.jsonl").write_text('"a"\n')
    (folder / "empty.jsonl").write_text("\n")
    (folder / "pictures" / "note.txt").write_text("a note")
    (folder / "pairs.csv").write_text("anchor,positive\na,b\nc,d\n")
    (folder / "run" / "recipe.json").write_text("{}")
    (folder / "run" / "adapter_config.json").write_text("{}")
    lines = [{"text": "a"}, {"image": "gone.jpg"}]
    (folder / "gone.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "bad.jsonl").write_text('"a"\n\n{"text": \n')
    (folder / "other").mkdir()
    manifest = Manifest("a" * 8, "nano", "float32", 288, roots=(str(folder / "pictures"),))
    write_manifest(folder / "other", manifest)
    (folder / "broken" / "index.json").write_text("{")


def outcomes() -> Iterator[dict[str, object]]:
    """Make every mistake in turn."""
    from e5v.cli import main

    for name, (arguments, _) in MISTAKES.items():
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code: object = main(arguments)
            except SystemExit as end:
                code = end.code
        heavy = [module for module in HEAVY if module in sys.modules]
        yield {
            "name": name,
            "code": code,
            "out": out.getvalue(),
            "err": err.getvalue(),
            "heavy": heavy,
        }


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    for outcome in outcomes():
        print(json.dumps(outcome))  # noqa: T201  a program of its own
