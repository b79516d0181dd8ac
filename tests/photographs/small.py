"""A model of the real classes, photos and results that are small enough for a test."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from e5v.checkpoints.efficientnet_lite import make_config
from tests.nano.small import result, tokenizer

SIZE = 64  # pixels along a side of an image, which is one token
PHOTOS = 12
RULE = "one word"
TASKS = ("image retrieval", "text retrieval")


def write_base(folder: Path, *, language: int = 1, tower: int = 1) -> Path:
    """Write a FastVLM of random weights, those of the language model by one seed."""
    words = tokenizer()
    image = words.convert_tokens_to_ids("<image>")
    made: Any = transformers.FastVlmConfig
    config = made(
        text_config={
            "model_type": "llama",
            "vocab_size": len(words),
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "tie_word_embeddings": True,
        },
        vision_config=_make_tower(),
        image_token_id=image,
        image_seq_length=1,
        projector_hidden_act="linear",
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    torch.manual_seed(tower)
    whole: Any = transformers.FastVlmForConditionalGeneration(config)
    torch.manual_seed(language)
    with torch.no_grad():
        for weight in whole.model.language_model.parameters():
            weight.normal_(std=0.2)
    whole.to(torch.bfloat16).save_pretrained(folder)
    _make_processor(words).save_pretrained(folder)
    return folder


def _make_tower() -> dict[str, Any]:
    """Return the config of the real tower with narrow stages of one block each."""
    described: dict[str, Any] = make_config().to_dict()
    narrow = [8] * 7
    return described | {
        "image_size": SIZE,
        "in_channels": [32, *narrow],
        "out_channels": [*narrow, 1000],
        "num_block_repeats": [1] * 8,
        "kernel_sizes": [3] * 8,
        "num_hidden_layers": 32,
    }


def _make_processor(words: Any) -> Any:
    images: Any = transformers.CLIPImageProcessorPil
    side = {"height": SIZE, "width": SIZE}
    made: Any = transformers.LlavaProcessor
    return made(
        images(size=side, do_center_crop=False),
        words,
        patch_size=SIZE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=words.chat_template,
    )


def write_photos(folder: Path, count: int = PHOTOS) -> Path:
    """Write a folder to evaluate on: noise, two captions each, and an edit of each."""
    noise = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    captions, edits = [], []
    for number in range(count):
        name = f"{number:02}.jpg"
        pixels = noise.integers(0, 255, (60, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        captions.append({"image": name, "captions": [f"photo {number}", f"{number} dogs"]})
        edits.append({"image": name, "text": "more", "target": f"{(number + 1) % count:02}.jpg"})
    for file, rows in (("captions.jsonl", captions), ("edits.jsonl", edits)):
        (folder / file).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def write_nli(file: Path, rows: int = 40) -> Path:
    """Write triplets as SimCSE's."""
    with file.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["sent0", "sent1", "hard_neg", "source"])
        lines.writerows([f"dog {n}", f"a dog is {n}", f"no dog {n}", "here"] for n in range(rows))
    return file


def measured(setting: str, recall: float, *, sts: float | None = None, **more: Any) -> Any:
    """Return a result in which every figure is the same, but that on texts if it is given."""
    seed = more.get("seed")
    base: dict[str, Any] = {"base": "a base", "photos": "others"}
    trained = None if seed is None else {"steps": 60, "curve": [15, 30], "batch": 64}
    made = result(setting, recall, **{"of": base, "trained": trained, **more})
    for scores in list(made["scores"].values()):
        graded = recall if sts is None else sts
        scores["figures"]["STSBenchmark"] = {"queries": 1379, "Spearman": graded}
        scores["gap"] |= {"texts_by_chance": 0.8, "images_by_chance": 0.2}
    figures = made["scores"][next(iter(made["scores"]))]["figures"]
    made["demo"] = {"edits": figures["edits"]}
    return made
