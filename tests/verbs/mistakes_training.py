"""Mistakes with train, mine, merge, convert, push and assemble.

What is typed after `e5v`, and what the line on stderr says (`tests.verbs.mistakes`).
"""

TRAINING: dict[str, tuple[list[str], str]] = {
    "no number": (
        ["train", "--data", "a", "--out", "b", "--lr", "x"],
        "--lr is x; expected a number",
    ),
    "no finite number": (["train", "--data", "a", "--out", "b", "--lr", "inf"], "--lr is inf"),
    "an unknown recipe of a model": (
        ["train", "--data", "pairs.csv", "--out", "b", "--model", "nano-base", "--recipe", "gme"],
        "there is no recipe 'gme'; did you mean gme-qwen2-vl?",
    ),
    "a list with a word": (
        ["train", "--data", "a", "--out", "b", "--dims", "3", "x"],
        "--dims is 3 x; expected a whole number",
    ),
    "out of range in a group": (
        ["train", "--data", "a", "--out", "b", "--batch", "1"],
        "(--batch)",
    ),
    "missing options": (["train"], "--data FILE... and --out FOLDER are missing"),
    "a missing argument": (["merge", "--out", "new"], "RUN is missing"),
    "an argument too many": (["merge", "run", "more", "--out", "new"], "unexpected argument more"),
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
    "an adapter to train": (
        ["train", "--data", "pairs.csv", "--out", "new", "--model", "run"],
        "run is an adapter, not a model; merge it into its model with e5v merge run",
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
    "a prompt of training": (
        ["train", "--data", "pairs.csv", "--out", "b", "--prompt", "x"],
        "prompt 'x'",
    ),
    "a URL of training data": (["train", "--data", "s3://b/a.csv", "--out", "b"], "s3://b/a.csv"),
    "a URL of a run": (["train", "--data", "pairs.csv", "--out", "s3://b/r"], "s3://b/r"),
    "a URL to merge": (["merge", "s3://b/run", "--out", "new"], "s3://b/run"),
    "a URL to merge into": (["merge", "run", "--out", "s3://b/new"], "s3://b/new"),
    "a URL to convert": (["convert", "s3://b/m", "--out", "new"], "s3://b/m"),
}
