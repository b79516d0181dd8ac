"""What the small text models share: tokenizer -> the fields of a text config."""

from typing import Any

from transformers import PreTrainedTokenizerFast


def text_sizes(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Size a small text model; the embedding is padded to 64 rows as on the hub."""
    return {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def rope(theta: float) -> dict[str, Any]:
    """Say how positions turn, as transformers 5 writes it."""
    return {"rope_type": "default", "rope_theta": theta}


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """Look up one token."""
    index = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(index, int), f"{token} is not one token"
    return index
