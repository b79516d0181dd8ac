"""Tokenise the pieces of a prompt exactly as the model's own processor does.

    pieces -> one string -> ids       (the user's text contains no special token: nearly always)
    pieces -> renamed string -> ids   (it does: the prompt's special tokens get random names)

Text that is too long is truncated inside the user's part, by default at its end, so the closing
tokens of the prompt, the last of which is pooled, always remain.
"""

from __future__ import annotations

import json
import re
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from e5v.errors import E5VError, ModelError
from e5v.inputs import Image, Text
from e5v.model.prompts import Segment
from e5v.model.special_tokens import adds_special_tokens

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


@dataclass(frozen=True)
class Fit:
    """How a long text is truncated: on which side, and to how many tokens.

    `tokens` counts only the item's own texts; None means as many as fit the model.
    """

    cut: Literal["start", "end"] = "end"
    tokens: int | None = None


LONGEST = Fit()


class TooLongError(E5VError):
    """The prompt and images without any text already exceed the maximum length."""


@dataclass(frozen=True)
class Tokens:
    """The ids of one item's whole prompt; `cut` if the user's text was truncated.

    `texts` are the user's texts as they are in it.
    """

    ids: list[int]
    cut: bool
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Line:
    """A prompt as one string, with the character spans of the user's texts."""

    string: str
    spans: list[tuple[int, int]]


@dataclass(frozen=True)
class _Encoded:
    ids: list[int]
    encoding: Encoding  # with character offsets into line.string
    line: _Line


class PromptTokenizer:
    """Tokenises prompts for one model; thread-safe.

    Args:
        tokenizer: a transformers tokenizer with a `tokenizers` backend.
        max_tokens: maximum length of an item in tokens, including prompt and images.

    Raises:
        ModelError: the tokenizer has no such backend.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelError(
                f"the tokenizer is a {type(tokenizer).__name__} without a fast backend; "
                "expected one with tokenizer.json"
            )
        self.max_tokens = max_tokens
        self._backend: Tokenizer = backend
        self._rename_lock = Lock()
        self._backend.no_truncation()
        self._backend.no_padding()
        self._bos: str | None = tokenizer.bos_token
        added = backend.get_added_tokens_decoder()
        self._specials: dict[str, int] = {token.content: n for n, token in added.items()}
        # White space is harmless as a special token: Gemma's newlines are added tokens.
        special = [text for text in self._specials if text.strip()]
        longest_first = sorted(special, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(
        self, pieces: Sequence[Segment], expansions: Sequence[str], fit: Fit = LONGEST
    ) -> Tokens:
        """Return the ids of a prompt. `expansions[i]` is the string of the i-th image.

        Raises:
            TooLongError: no text is left to truncate and the rest is still too long.
        """
        texts = [piece.text for piece in pieces if isinstance(piece, Text)]
        encode = (
            self._encode_renamed if any(map(self._pattern.search, texts)) else self._encode_plain
        )
        encoded = encode(pieces, texts, expansions)
        whole = most = len(encoded.ids)
        if fit.tokens is not None:
            own = sum(len(_boundaries(encoded, span, fit)) for span in encoded.line.spans)
            most += min(0, fit.tokens - own)
        most = min(most, self.max_tokens)
        while len(encoded.ids) > most:
            texts = _shorten(texts, encoded, most, fit)
            encoded = encode(pieces, texts, expansions)
        return Tokens(encoded.ids, len(encoded.ids) < whole, tuple(texts))

    @property
    def bos(self) -> str:
        """The first token (BOS) that the tokenizer may add to a prompt; empty if it has none."""
        return self._bos or ""

    def encode_literal(self, string: str) -> list[int]:
        """Return the ids of a string that is a whole prompt, special tokens included."""
        ids: list[int] = self._backend.encode(string, add_special_tokens=False).ids
        return ids

    def _encode_plain(
        self, pieces: Sequence[Segment], texts: Sequence[str], expansions: Sequence[str]
    ) -> _Encoded:
        line = _join(pieces, texts, expansions)
        adds = adds_special_tokens(self._bos, line.string)
        encoding = self._backend.encode(line.string, add_special_tokens=adds)
        return _Encoded(encoding.ids, encoding, line)

    def _encode_renamed(
        self, pieces: Sequence[Segment], texts: Sequence[str], expansions: Sequence[str]
    ) -> _Encoded:
        """Encode with the prompt's special tokens renamed, so that the user's are plain text."""
        with self._rename_lock:  # once for all threads: a large vocabulary takes seconds
            backend, names, original = self._renamed_backend

        def rename(ours: str) -> str:
            return self._pattern.sub(lambda found: names[found.group()], ours)

        renamed_pieces = [rename(piece) if isinstance(piece, str) else piece for piece in pieces]
        line = _join(renamed_pieces, texts, [rename(expansion) for expansion in expansions])
        adds = adds_special_tokens(self._bos and names[self._bos], line.string)
        encoding = backend.encode(line.string, add_special_tokens=adds)
        # Tokens that the tokenizer itself adds (BOS) already have their original ids.
        marked = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        ids = [n if is_added else original.get(n, n) for n, is_added in marked]
        return _Encoded(ids, encoding, line)

    @cached_property
    def _renamed_backend(self) -> tuple[Tokenizer, dict[str, str], dict[int, int]]:
        """A copy of the tokenizer whose special tokens have random names, and both mappings."""
        from tokenizers import Tokenizer

        nonce = secrets.token_hex(8)
        names = {
            text: f"\ue002{nonce}{number}\ue003" if text.strip() else text
            for text, number in self._specials.items()
        }
        spec = json.loads(self._backend.to_str())
        for token in spec["added_tokens"]:
            token["content"] = names[token["content"]]
        backend = Tokenizer.from_str(json.dumps(spec))
        renamed = backend.get_vocab(with_added_tokens=True)
        original = {renamed[names[text]]: n for text, n in self._specials.items()}
        return backend, names, original


def _shorten(texts: list[str], encoded: _Encoded, most: int, fit: Fit) -> list[str]:
    """Truncate texts by the excess tokens: the last text first, or the first if cut at start."""
    over = len(encoded.ids) - most
    places = range(len(texts))
    shorter = list(texts)
    for place in places if fit.cut == "start" else reversed(places):
        own = _boundaries(encoded, encoded.line.spans[place], fit)
        if over > 0 and len(own) > 1 and len(texts[place]) > 1:
            keep = max(len(own) - over, 1)
            if fit.cut == "start":
                shorter[place] = texts[place][max(own[-keep], 1) :]
            else:
                shorter[place] = texts[place][: min(own[keep - 1], len(texts[place]) - 1)]
            over -= len(own) - keep
    if shorter == texts:
        limit = "the model takes" if fit.tokens is None else "the request allows"
        raise TooLongError(
            f"its prompt and images take {len(encoded.ids)} tokens without the text; {limit} {most}"
        )
    return shorter


def _boundaries(encoded: _Encoded, span: tuple[int, int], fit: Fit) -> list[int]:
    """Return where a user's text has token ends, or token starts if it is cut at its start."""
    start, end = span
    offsets = [pair for pair in encoded.encoding.offsets if pair[1] > pair[0]]
    if fit.cut == "start":
        places = sorted(first for first, _ in offsets)
        own = places[bisect_left(places, start) : bisect_left(places, end)]
    else:
        places = sorted(last for _, last in offsets)
        own = places[bisect_right(places, start) : bisect_right(places, end)]
    return [one - start for one in own]


def _join(pieces: Sequence[Segment], texts: Sequence[str], expansions: Sequence[str]) -> _Line:
    """Join the pieces to one string, with the spans of the user's texts."""
    next_text, next_expansion = iter(texts), iter(expansions)
    written: list[str] = []
    spans: list[tuple[int, int]] = []
    length = 0
    for piece in pieces:
        if isinstance(piece, Text):
            string = next(next_text)
            spans.append((length, length + len(string)))
        else:
            string = next(next_expansion) if isinstance(piece, Image) else piece
        written.append(string)
        length += len(string)
    return _Line("".join(written), spans)
