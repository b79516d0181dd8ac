"""Small random parts of "photos", in the files that the wheels carry, and wheels of them.

LlamaForCausalLM + tokens and merges -> GGUF, as llama.cpp's converter writes it
random EfficientNet-Lite0            -> state dict, by the published names
both -> wheels that pip takes, and the records of them
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any
from zipfile import ZipFile

import gguf
import torch
import transformers
from torch import Tensor

from e5v.checkpoints.efficientnet_lite import OUT, REPEATS
from e5v.checkpoints.llama_gguf import NAMES
from e5v.checkpoints.photos_parts import LANGUAGE, VISION, Parts
from e5v.checkpoints.photos_settings import CLASSES, TEMPLATE
from e5v.checkpoints.wheels import Wheel
from e5v.model import bundled
from tests.families.tokenizers import byte_level_pieces
from tests.families.weights import enliven

ENDS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WIDEN = (1, 6, 6, 6, 6, 6, 6)  # expansion of a stage's blocks
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
SHIPPED = bundled.FOLDERS["photos"]


def make_llama() -> Any:
    """Return a random Llama of two layers, with fewer key-value heads and a tied head."""
    count = len(ENDS) + len(byte_level_pieces().vocab)
    made: Any = transformers.LlamaConfig
    config = made(
        vocab_size=count,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_theta=100_000.0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    model: Any = transformers.LlamaForCausalLM(config)
    enliven(model, seed=3)
    return model.eval()


def write_gguf(file: Path, model: Any, kind: Any = gguf.GGMLQuantizationType.F32) -> Path:
    """Write a Llama as GGUF; matrices are of a kind of quantisation, norms are in float32."""
    writer: Any = gguf.GGUFWriter(file, "llama")
    _describe(writer, model.config)
    back = {ours: theirs for theirs, ours in NAMES.items()}
    for name, tensor in model.model.state_dict().items():
        *path, suffix = name.split(".")
        block = f"blk.{path[1]}." if path[0] == "layers" else ""
        theirs = back[".".join(path[2:] if block else path)]
        values = _order_rows(theirs, tensor, model.config).numpy()
        if values.ndim > 1 and kind != gguf.GGMLQuantizationType.F32:
            packed = gguf.quants.quantize(values, kind)
            writer.add_tensor(f"{block}{theirs}.{suffix}", packed, raw_dtype=kind)
        else:
            writer.add_tensor(f"{block}{theirs}.{suffix}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _describe(writer: Any, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    pieces = byte_level_pieces().shifted(ENDS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(list(pieces.vocab))
    writer.add_token_types([3] * len(ENDS) + [1] * (len(pieces.vocab) - len(ENDS)))
    writer.add_token_merges([" ".join(pair) for pair in pieces.merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)


def _order_rows(name: str, tensor: Tensor, config: Any) -> Tensor:
    """Order the rows of queries and keys as llama.cpp's convert_hf_to_gguf.py does."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(name)
    if heads is None:
        return tensor
    halves = tensor.reshape(heads, 2, len(tensor) // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape).contiguous()


def make_lite0() -> dict[str, Tensor]:
    """Return a random EfficientNet-Lite0 by the names of the published file."""
    torch.manual_seed(5)
    weights = {"_conv_stem.weight": _draw(32, 3, 3, 3), **_norm("_bn0", 32)}
    for block, (width, out, widen, kernel, _) in enumerate(list_blocks()):
        name, inner = f"_blocks.{block}", width * widen
        if widen > 1:
            weights[f"{name}._expand_conv.weight"] = _draw(inner, width, 1, 1)
            weights |= _norm(f"{name}._bn0", inner)
        weights[f"{name}._depthwise_conv.weight"] = _draw(inner, 1, kernel, kernel)
        weights |= _norm(f"{name}._bn1", inner)
        weights[f"{name}._project_conv.weight"] = _draw(out, inner, 1, 1)
        weights |= _norm(f"{name}._bn2", out)
    weights |= {"_conv_head.weight": _draw(1280, 320, 1, 1), **_norm("_bn1", 1280)}
    return weights | {"_fc.weight": _draw(1000, 1280), "_fc.bias": torch.randn(1000)}


def list_blocks() -> Iterator[tuple[int, int, int, int, int]]:
    """List the blocks of Lite0: channels in and out, expansion, kernel, stride."""
    width = 32
    stages = zip(OUT, REPEATS, WIDEN, KERNELS, STRIDES, strict=True)
    for out, repeats, widen, kernel, stride in stages:
        for place in range(repeats):
            yield width, out, widen, kernel, stride if place == 0 else 1
            width = out


def _draw(*shape: int) -> Tensor:
    return torch.randn(shape) * math.sqrt(2 / math.prod(shape[1:]))


def _norm(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": 1 + 0.1 * torch.randn(channels),
        f"{name}.bias": 0.1 * torch.randn(channels),
        f"{name}.running_mean": 0.1 * torch.randn(channels),
        f"{name}.running_var": 1 + 0.2 * torch.rand(channels),
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def write_parts(folder: Path) -> Parts:
    """Write both parts under the names that they have in the wheels."""
    parts = Parts(folder / Path(LANGUAGE.member).name, folder / Path(VISION.member).name)
    write_gguf(parts.language, make_llama(), gguf.GGMLQuantizationType.Q8_0)
    torch.save(make_lite0(), parts.vision)
    return parts


def write_wheels(folder: Path, parts: Parts) -> list[Wheel]:
    """Write wheels that have the parts in them, and return their records."""
    files = ((LANGUAGE, parts.language), (VISION, parts.vision))
    return [_write_wheel(folder, wheel, file.read_bytes()) for wheel, file in files]


def _write_wheel(folder: Path, wheel: Wheel, content: bytes) -> Wheel:
    path = folder / wheel.file
    name = "-".join(wheel.file.split("-")[:2])
    about = f"Metadata-Version: 2.1\nName: {wheel.package}\nVersion: {wheel.version}\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with ZipFile(path, "w") as archive:
        archive.writestr(wheel.member, content)
        archive.writestr(f"{name}.dist-info/METADATA", about)
        archive.writestr(f"{name}.dist-info/WHEEL", tags)
        archive.writestr(f"{name}.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(wheel, sha256=digest, size=path.stat().st_size)


def write_assets(folder: Path, **changes: object) -> Path:
    """Write settings, class names and chat template like those of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CLASSES, TEMPLATE):
        copyfile(SHIPPED / name, folder / name)
    settings = json.loads((SHIPPED / bundled.SETTINGS).read_text(encoding="utf-8"))
    (folder / bundled.SETTINGS).write_text(json.dumps(settings | changes), encoding="utf-8")
    return folder
