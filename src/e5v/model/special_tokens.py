"""Make a tokenizer add the special tokens (BOS, EOS) that its settings ask for.

add_bos_token, add_eos_token of tokenizer_config.json -> the tokenizer -> tokenizer.json

In transformers 4, with which most models were trained, LlamaTokenizer and similar classes followed
these two settings; transformers 5 follows only the post-processor of tokenizer.json. A model
without its first token gives wrong vectors, and no error.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

# Classes that followed both settings in transformers 4, also if false.
FOLLOWING = (
    "LlamaTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "GemmaTokenizer",
    "GPTNeoXTokenizer",
)
TOKENIZER = "tokenizer.json"
PROBE = "a"


def adds_special_tokens(bos: str | None, prompt: str) -> bool:
    """Check whether the tokenizer must add its special tokens to a prompt.

    A chat template may already contain the first token, which must not be doubled.
    """
    return not (bos and prompt.startswith(bos))


def follow_settings(tokenizer: Any, config: Mapping[str, Any]) -> None:
    """Make a tokenizer add the tokens that its tokenizer_config.json asks for.

    `add_bos_token: true` applies to every class. `add_bos_token: false` and `add_eos_token` apply
    to the classes that followed them in transformers 4. A missing setting changes nothing.
    """
    if getattr(tokenizer, "backend_tokenizer", None) is None:  # refused later, with an error
        return
    found = added_tokens(tokenizer)
    wanted = tuple(
        there if setting is None or token is None else bool(setting)
        for there, setting, token in zip(
            found, _settings(config), (tokenizer.bos_token, tokenizer.eos_token), strict=True
        )
    )
    if wanted != found:
        tokenizer.add_eos_token = wanted[1]  # each of the two rewrites the post-processor
        tokenizer.add_bos_token = wanted[0]


def added_tokens(tokenizer: Any) -> tuple[bool, bool]:
    """Return whether a tokenizer adds BOS before a text, and whether it adds EOS after it."""
    encoding = tokenizer.backend_tokenizer.encode(PROBE)
    ids, special = encoding.ids, encoding.special_tokens_mask
    return (
        bool(special[0]) and ids[0] == tokenizer.bos_token_id,
        bool(special[-1]) and ids[-1] == tokenizer.eos_token_id,
    )


def write_settings(folder: Path, tokenizer: Any) -> None:
    """Make a folder's tokenizer.json add the same special tokens as the tokenizer.

    Libraries that ignore the settings in tokenizer_config.json then add them too.
    """
    path, backend = folder / TOKENIZER, getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not path.is_file():
        return
    if _added_ids(Tokenizer.from_file(str(path))) == _added_ids(backend):
        return
    file = json.loads(path.read_text(encoding="utf-8"))
    file["post_processor"] = json.loads(backend.to_str())["post_processor"]
    path.write_text(json.dumps(file, indent=2, ensure_ascii=False), encoding="utf-8")


def _added_ids(backend: Tokenizer) -> list[int]:
    """Return the ids that a tokenizer adds to a text."""
    encoding = backend.encode(PROBE)
    marked = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
    return [number for number, special in marked if special]


def _settings(config: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    bos, eos = config.get("add_bos_token"), config.get("add_eos_token")
    if str(config.get("tokenizer_class")).removesuffix("Fast") in FOLLOWING:
        return bos, eos
    return (bos or None), None
