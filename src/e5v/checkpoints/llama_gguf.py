"""Read a Llama of llama.cpp's GGUF format as weights, config and tokenizer of transformers.

    file.gguf -> metadata -> LlamaConfig
              -> quantised tensors -> float32, transformers' names and order of rows -> weights
              -> vocabulary -> tokenizer

transformers opens such a file with `gguf_file=`, but keeps the weights quantised, and those it
does not save.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig

from e5v.extras import imported

NAMES = {  # of a GGUF tensor -> of a module in transformers' LlamaModel
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Llama:
    """A language model: its config, its weights in float32 by name, and its tokenizer."""

    config: Any
    weights: dict[str, Tensor]
    tokenizer: Any


def read_llama(file: Path) -> Llama:
    """Read a Llama whose output head is its embedding.

    Raises:
        MissingExtraError: the library `gguf` is not installed.
    """
    with imported("reading GGUF weights"):
        import gguf
    reader: Any = gguf.GGUFReader(file)
    config = _make_config(reader)
    weights = {}
    for tensor in reader.tensors:
        values = torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type)))
        weights[_rename(tensor.name)] = _restore_rows(tensor.name, values, config)
    made: Any = AutoTokenizer
    tokenizer = made.from_pretrained(file.parent, gguf_file=file.name)
    return Llama(config, weights, tokenizer)


def _make_config(reader: Any) -> Any:
    def field(name: str) -> Any:
        return reader.get_field(f"llama.{name}").contents()

    made: Any = LlamaConfig
    return made(
        vocab_size=field("vocab_size"),
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=field("attention.head_count"),
        num_key_value_heads=field("attention.head_count_kv"),
        max_position_embeddings=field("context_length"),
        rms_norm_eps=round(field("attention.layer_norm_rms_epsilon"), 10),
        rope_theta=field("rope.freq_base"),
        tie_word_embeddings=True,
    )


def _rename(name: str) -> str:
    """Return transformers' name of a tensor: blk.3.attn_q.weight, layers.3.self_attn.q_proj..."""
    *block, module, kind = name.split(".")
    path = f"layers.{block[1]}." if block else ""
    return f"{path}{NAMES[module]}.{kind}"


def _restore_rows(name: str, values: Tensor, config: Any) -> Tensor:
    """Undo llama.cpp's order of a head's rows: it alternates the two halves that rotate."""
    heads = {
        "attn_q": config.num_attention_heads,
        "attn_k": config.num_key_value_heads,
    }.get(name.split(".")[-2])
    if heads is None:
        return values
    pairs = values.view(heads, -1, 2, values.shape[1])
    return pairs.transpose(1, 2).reshape(values.shape)
