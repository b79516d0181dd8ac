"""The paper in small: random models in the published formats, and data as they are published.

nano's tokenizer + small shapes -> LLaVA-NeXT -> LMMS's names and config -> SOURCE, for e5v convert
examples/photos, examples/nli   -> NLI, Flickr30K, COCO, CIRR, FashionIQ, STS, LLaVA's pairs
                                   (paper.tiny_data)
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.sizes import Sizes
from e5v.checkpoints.tensors import INDEX
from e5v.files import replace_folder
from e5v.model.bundled import whereabouts
from e5v.model.loading import quiet
from paper.bases import BASES, Base
from paper.settings import Numbers

SIZES = Sizes(
    layers=2,
    width=64,
    mlp=128,
    heads=4,
    kv_heads=2,
    vocabulary=4096,
    vision_layers=3,
    vision_width=64,
    vision_heads=1,
    tile=28,
    patch=7,
)
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
NUMBERS = Numbers(steps=2, batch=4, every=1)
ADDED = ("<image>", "<pad>")  # the last tokens of nano's tokenizer; LMMS's has neither
VISION = "model.vision_tower.vision_tower.vision_model"
NAMES = (  # of transformers, of LMMS; the first that fits
    ("model.multi_modal_projector.linear_1.", "model.mm_projector.0."),
    ("model.multi_modal_projector.linear_2.", "model.mm_projector.2."),
    ("model.image_newline", "model.image_newline"),
    ("model.vision_tower.vision_model.", f"{VISION}."),
    ("model.vision_tower.", f"{VISION}."),  # in newer releases of transformers
    ("model.language_model.", "model."),
    ("lm_head.", "lm_head."),
)
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def make_bases(folder: Path) -> Mapping[str, Base]:
    """Write the small models that stand for the paper's, and return them as its bases."""
    folder.mkdir(parents=True, exist_ok=True)
    original, modern = folder / "llama3-original", folder / "mistral"
    if not original.exists():
        with replace_folder(original) as part:
            write_original(part)
    if not modern.exists():
        with replace_folder(modern) as part, quiet():
            processor = _open_processor()
            _make_model(processor.tokenizer, seed=1).save_pretrained(part)
            processor.save_pretrained(part)
    sources = {"llama3": str(original), "mistral": str(modern)}
    return BASES | {
        name: replace(BASES[name], source=source, sizes=SIZES) for name, source in sources.items()
    }


def write_original(folder: Path) -> None:
    """Write a random LLaVA-NeXT as lmms-lab wrote llama3-llava-next-8b."""
    tokenizer = json.loads((_nano() / "tokenizer.json").read_text(encoding="utf-8"))
    words = _drop_added(tokenizer)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    marks = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    about = marks | {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    model = _make_model(_open_processor().tokenizer, seed=0)
    tensors = {_name(name): _cut(name, one, words) for name, one in model.state_dict().items()}
    names = sorted(tensors)
    listed: dict[str, str] = {}
    for file, half in zip(SHARDS, (names[::2], names[1::2]), strict=True):
        save_file({name: tensors[name] for name in half}, folder / file, {"format": "pt"})
        listed |= dict.fromkeys(half, file)
    index = {"metadata": {}, "weight_map": listed}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(_describe(words)), encoding="utf-8")


def _describe(words: int) -> dict[str, Any]:
    """Return the config of an original."""
    return {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_llama",
        "hidden_size": SIZES.width,
        "intermediate_size": SIZES.mlp,
        "num_attention_heads": SIZES.heads,
        "num_hidden_layers": SIZES.layers,
        "num_key_value_heads": SIZES.kv_heads,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "vocab_size": words,
        "torch_dtype": "float32",
        "image_aspect_ratio": "anyres",
        "image_grid_pinpoints": PINPOINTS,
        "mm_patch_merge_type": "spatial_unpad",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    }


def _nano() -> Path:
    return Path(whereabouts("nano-base"))


def _drop_added(tokenizer: dict[str, Any]) -> int:
    """Take the tokens away that an original lacks; return how many are left."""
    added = tokenizer["added_tokens"]
    tokenizer["added_tokens"] = [one for one in added if one["content"] not in ADDED]
    first: int = min(one["id"] for one in added if one["content"] in ADDED)
    return first


def _open_processor() -> Any:
    """Return the processor of a small model, with nano's tokenizer."""
    with quiet():
        opened: Any = transformers.AutoTokenizer
        tokenizer = opened.from_pretrained(_nano())
    image_processor = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": SIZES.tile},
        crop_size={"height": SIZES.tile, "width": SIZES.tile},
        image_grid_pinpoints=PINPOINTS,
    )
    made: Any = transformers.LlavaNextProcessor
    return made(
        image_processor,
        tokenizer,
        patch_size=SIZES.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def _make_model(tokenizer: Any, *, seed: int) -> Any:
    """Return a LLaVA-NeXT with random weights, the same for the same seed."""
    text = transformers.LlamaConfig(
        hidden_size=SIZES.width,
        intermediate_size=SIZES.mlp,
        num_attention_heads=SIZES.heads,
        num_hidden_layers=SIZES.layers,
        num_key_value_heads=SIZES.kv_heads,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        vocab_size=SIZES.vocabulary,
        initializer_range=0.2,  # so that the vectors of two items differ
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=SIZES.vision_width,
        intermediate_size=SIZES.vision_mlp,
        num_hidden_layers=SIZES.vision_layers,
        num_attention_heads=SIZES.vision_heads,
        image_size=SIZES.tile,
        patch_size=SIZES.patch,
    )
    config = transformers.LlavaNextConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=PINPOINTS,
        image_seq_length=SIZES.patches,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Any = transformers.LlavaNextForConditionalGeneration
        return made(config).float().eval()


def _name(name: str) -> str:
    new, old = next(pair for pair in NAMES if name.startswith(pair[0]))
    return old + name.removeprefix(new)


def _cut(name: str, tensor: Tensor, words: int) -> Tensor:
    """Return a tensor without the rows of the tokens that an original lacks."""
    rows = words if "embed_tokens" in name or "lm_head" in name else len(tensor)
    return tensor[:rows].clone()
