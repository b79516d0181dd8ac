"""The tokens that a tokenizer puts around every prompt, as its own files ask for.

add_bos_token, add_eos_token of tokenizer_config.json -> the tokenizer -> tokenizer.json

transformers 4, with which most models were trained, made LlamaTokenizer and its like follow these
two settings; transformers 5 ignores them and follows the post-processor of tokenizer.json alone. A
model whose first token is missing gives other vectors, and no error.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

# Classes that followed both settings in transformers 4, also where a setting is false.
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
    """Tell whether the tokenizer must still put its special tokens around a prompt.

    A chat template may write the first token itself, which must not be there twice.
    """
    return not (bos and prompt.startswith(bos))


def follow_settings(tokenizer: Any, config: Mapping[str, Any]) -> None:
    """Make a tokenizer add the tokens that its tokenizer_config.json asks for.

    `add_bos_token: true` counts for every class. A false one, and `add_eos_token`, count for the
    classes that followed them when models were trained. A setting that is absent changes nothing.
    """
    if getattr(tokenizer, "backend_tokenizer", None) is None:  # refused later, with the reason
        return
    found = added_tokens(tokenizer)
    wanted = tuple(
        there if setting is None or token is None else bool(setting)
        for there, setting, token in zip(
            found, _settings(config), (tokenizer.bos_token, tokenizer.eos_token), strict=True
        )
    )
    if wanted != found:
        tokenizer.add_eos_token = wanted[1]  # each of the two writes the post-processor anew
        tokenizer.add_bos_token = wanted[0]


def added_tokens(tokenizer: Any) -> tuple[bool, bool]:
    """Tell whether a tokenizer puts its first token before a text, and its last one after it."""
    encoding = tokenizer.backend_tokenizer.encode(PROBE)
    ids, special = encoding.ids, encoding.special_tokens_mask
    return (
        bool(special[0]) and ids[0] == tokenizer.bos_token_id,
        bool(special[-1]) and ids[-1] == tokenizer.eos_token_id,
    )


def write_settings(folder: Path, tokenizer: Any) -> None:
    """Write which tokens a tokenizer adds into a folder's tokenizer.json, if that adds others.

    Libraries that ignore the settings in tokenizer_config.json then add the same tokens.
    """
    path, backend = folder / TOKENIZER, getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not path.is_file():
        return
    if _frame(Tokenizer.from_file(str(path))) == _frame(backend):
        return
    file = json.loads(path.read_text(encoding="utf-8"))
    file["post_processor"] = json.loads(backend.to_str())["post_processor"]
    path.write_text(json.dumps(file, indent=2, ensure_ascii=False), encoding="utf-8")


def _frame(backend: Tokenizer) -> list[int]:
    """Return the ids that a tokenizer puts around a text."""
    encoding = backend.encode(PROBE)
    marked = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
    return [number for number, special in marked if special]


def _settings(config: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    bos, eos = config.get("add_bos_token"), config.get("add_eos_token")
    if str(config.get("tokenizer_class")).removesuffix("Fast") in FOLLOWING:
        return bos, eos
    return (bos or None), None
