"""The face: what a user calls, with what a user gets wrong."""

import itertools
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from e5v import E5V, EncodeWarning, ItemError, ModelError, Prompt, PromptError, UsageError
from e5v.model.encoded import Encoded, Skipped
from e5v.model.encoder import Encoder, Prompted
from e5v.model.preparing import AHEAD
from e5v.model.streaming import WINDOW_TOKENS

Checkpoints = Callable[[str], Path]
Photos = list[Image.Image]


@pytest.fixture(scope="module")
def model(checkpoints: Checkpoints) -> E5V:
    """A small LLaVA-NeXT with the LLaMA-3 turn, in float32."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


@pytest.fixture
def embedded(model: E5V, monkeypatch: pytest.MonkeyPatch) -> list[list[Prompted]]:
    """Every batch that goes through the encoder from here on."""
    batches: list[list[Prompted]] = []
    states = Encoder.states

    def spy(self: Encoder, batch: Any) -> Any:
        batches.append(list(batch))
        return states(self, batch)

    monkeypatch.setattr(Encoder, "states", spy)
    return batches


def test_rows_are_unit_float32_in_order(model: E5V, photos: Photos) -> None:
    """Rows in another order than the items: every search result would be another's."""
    long, short = "a long " * 30, "A cat on a mat in a house."
    items: list[Any] = [photos[3], long, "A dog.", photos[0], short]
    rows = model.encode(items, batch_tokens=60)
    assert rows.dtype == np.float32
    assert rows.shape == (5, model.width)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    for item, row in zip(items, rows, strict=True):
        assert np.abs(model.encode([item])[0] - row).max() <= 1e-5


def test_image_from_anywhere_is_the_same(model: E5V, photos: Photos, tmp_path: Path) -> None:
    """A path, its bytes, a data URI and the picture itself that differ in their vectors."""
    path = tmp_path / "cat.png"
    photos[0].save(path)
    content = path.read_bytes()
    uri = "data:image/png;base64," + __import__("base64").b64encode(content).decode()
    rows = model.encode([path, str(path), content, uri, photos[0], {"image": str(path)}])
    assert np.abs(rows - rows[0]).max() <= 1e-6


def test_one_item_instead_of_a_list(model: E5V, photos: Photos) -> None:
    """`encode("dog")` read as the three items d, o and g."""
    items: tuple[Any, ...] = ("dog", photos[0], b"...", Path("x.jpg"), {"text": "dog"})
    for item in items:
        with pytest.raises(UsageError, match=r"expected a list: encode\(\[item\]\)"):
            model.encode(item)
    nothing: Any = None
    with pytest.raises(UsageError, match="items is of type NoneType; expected a list"):
        model.encode(nothing)


def test_no_items(model: E5V) -> None:
    """An empty folder that ends in an exception of numpy's."""
    assert model.encode([]).shape == (0, model.width)
    assert model.encode([], dim=8, precision="binary").shape == (0, 1)


def test_dim_and_precision(model: E5V) -> None:
    """Truncated vectors that are not unit, or quantised ones of another shape than promised."""
    full = model.encode(["A dog."])
    cut = model.encode(["A dog."], dim=16)
    assert np.allclose(cut[0], full[0, :16] / np.linalg.norm(full[0, :16]), atol=1e-6)
    assert model.encode(["A dog."], precision="int8").dtype == np.int8
    assert model.encode(["A dog."], precision="binary").shape == (1, model.width // 8)
    with pytest.raises(UsageError, match=f"expected 1 to {model.width}"):
        model.encode(["A dog."], dim=0)
    with pytest.raises(UsageError, match='precision is "int4"'):
        model.encode(["A dog."], precision="int4")  # type: ignore[call-overload]


def test_options_are_checked_before_any_work(model: E5V) -> None:
    """An hour of encoding that ends in a spelling mistake."""

    def items() -> Iterator[str]:
        raise AssertionError("read")
        yield ""

    with pytest.raises(UsageError, match='on_error is "ignore"'):
        model.encode(items(), on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="batch_tokens is -1"):
        model.encode(items(), batch_tokens=-1)
    with pytest.raises(PromptError, match="no slot"):
        model.encode(items(), prompt="sumarize")


def test_prompts_change_the_vector(model: E5V, photos: Photos) -> None:
    """A prompt option that is silently ignored."""
    prompts: list[str | Prompt] = ["retrieval", "sts", "<text> Summary above sentence:"]
    rows = [model.encode(["A dog."], prompt=prompt)[0] for prompt in prompts]
    for one, other in itertools.combinations(rows, 2):
        assert float(one @ other) < 0.999
    target = model.encode([photos[0]], prompt="fashioniq-dress")[0]
    assert float(target @ model.encode([photos[0]])[0]) < 0.999
    own = Prompt(text="<text>", image="<image>")
    assert model.encode(["A dog.", photos[0]], prompt=own).shape == (2, model.width)


def test_missing_slot_names_the_item(model: E5V, photos: Photos) -> None:
    """An image dropped because the user's wording has no place for it."""
    with pytest.raises(PromptError, match=r"item 1: .*no <image> slot"):
        model.encode(["A dog.", photos[0]], prompt="<text> in one word:")


def test_bad_item_is_named(model: E5V, photos: Photos, tmp_path: Path) -> None:
    """An error deep in a folder that does not say which file."""
    with pytest.raises(ItemError, match=r"item 2: .*missing\.jpg does not exist") as caught:
        model.encode(["A dog.", photos[0], tmp_path / "missing.jpg", ""])
    assert caught.value.position == 2


def test_skip_leaves_out_exactly_the_bad_ones(model: E5V, photos: Photos, tmp_path: Path) -> None:
    """One bad image that takes its neighbours with it, or a gap nobody is told of."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not an image")
    items: list[Any] = ["A dog.", broken, photos[0], "", photos[1], tmp_path / "none.png", "A cat."]
    good = [0, 2, 4, 6]
    with pytest.warns(EncodeWarning, match="3 of 7 items skipped: item 1: ") as caught:
        rows = model.encode(items, on_error="skip")
    assert caught[0].message.positions == (1, 3, 5)  # type: ignore[union-attr]
    assert np.abs(rows - model.encode([items[place] for place in good])).max() <= 1e-5
    stream = list(model.encode_iter(items, on_error="skip"))
    assert [one.position for one in stream] == list(range(7))
    assert [type(one) for one in stream].count(Skipped) == 3


def test_cut_items_are_counted(checkpoints: Checkpoints) -> None:
    """Long documents that lose their end, or their prompt's, without a word."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32", max_tokens=40)
    with pytest.warns(EncodeWarning, match="1 of 2 items were truncated") as caught:
        rows = model.encode(["A dog.", "A dog runs over the grass. " * 20])
    assert caught[0].message.positions == (1,)  # type: ignore[union-attr]
    assert np.isfinite(rows).all()
    with pytest.raises(UsageError, match="max_tokens is 0"):
        E5V(checkpoints("llava_next_llama3"), max_tokens=0)


def test_prompt_longer_than_the_model(checkpoints: Checkpoints, photos: Photos) -> None:
    """An image that does not fit: cut tokens would be image tokens."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32", max_tokens=30)
    with pytest.raises(ItemError, match="item 0: its prompt and images take"):
        model.encode([photos[0]])


def test_equal_items_are_embedded_once(
    model: E5V, photos: Photos, tmp_path: Path, embedded: list[list[Prompted]]
) -> None:
    """A folder with a thousand copies of one logo that costs a thousand forward passes."""
    photos[0].save(tmp_path / "one.png")
    photos[0].save(tmp_path / "two.png")
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    items: list[Any] = ["A dog.", one, "A dog.", two, "A cat.", "A dog."]
    rows = model.encode(items, batch_tokens=8)  # several windows
    assert sum(map(len, embedded)) == 3
    assert np.array_equal(rows[0], rows[2])
    assert np.array_equal(rows[1], rows[3])
    assert not np.allclose(rows[0], rows[4])


def test_batches_are_planned_by_tokens(model: E5V, embedded: list[list[Prompted]]) -> None:
    """One long document that meets the budget of a hundred short ones, by count."""
    texts = ["word " * length for length in (1, 60, 2, 3, 50, 4, 5)]
    model.encode(texts, batch_tokens=120)
    for batch in embedded:
        assert len(batch) == 1 or sum(len(one.ids) for one in batch) <= 120
    assert len(embedded) < len(texts)


def test_stream_holds_a_bounded_window(model: E5V) -> None:
    """A generator of a million items that is read to its end before the first vector."""
    read = itertools.count()
    stream = model.encode_iter((f"text {next(read)}" for _ in range(10**6)), batch_tokens=64)
    first = [next(stream) for _ in range(100)]
    assert [one.position for one in first] == list(range(100))
    assert next(read) < WINDOW_TOKENS // 20 + AHEAD + 1  # no text takes less than 20 tokens
    stream.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("e5v") and t.daemon]


def test_skipped_items_fill_a_window_too(model: E5V) -> None:
    """An endless run of bad items that is gathered until the machine is full."""
    read = itertools.count()
    endless = (f"{next(read)}" * 0 for _ in itertools.repeat(None))
    stream = model.encode_iter(endless, on_error="skip")
    assert isinstance(next(stream), Skipped)
    assert next(read) <= WINDOW_TOKENS + AHEAD + 1
    stream.close()  # type: ignore[attr-defined]


def test_long_streams_need_no_more_memory(model: E5V) -> None:
    """Vectors, items or futures that pile up behind a stream."""

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in model.encode_iter((f"text {n % 7}" for n in range(count)), batch_tokens=256):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(600)
    assert peak(6000) < 2 * peak(1200)


def test_broken_weights_are_told(checkpoints: Checkpoints) -> None:
    """NaN vectors that only show as nonsense search results."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    with torch.no_grad():
        model.loaded.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite") as caught:
        model.encode(["A dog."])
    assert "dtype=" not in str(caught.value)  # it is in float32 already


def test_model_is_left_as_it_was(model: E5V, photos: Photos) -> None:
    """A routed attention or a patched layer that stays behind and breaks `generate`."""
    language_model = model.loaded.language_model
    before = language_model.config._attn_implementation
    model.encode(["A dog.", photos[0]])
    assert language_model.config._attn_implementation == before
    assert "forward" not in vars(language_model.layers[-1])


def test_calls_from_many_threads(model: E5V, photos: Photos) -> None:
    """Threads of a server that switch the attention of one another: silently wrong rows."""
    lists: list[list[Any]] = [[f"text {n} " * (n + 1), photos[n % 4], "A dog."] for n in range(8)]
    expected = [model.encode(items) for items in lists]
    with ThreadPoolExecutor(8) as pool:
        for rows, alone in zip(pool.map(model.encode, lists * 3), expected * 3, strict=True):
            assert np.abs(rows - alone).max() <= 1e-5


def test_two_embedders_of_one_model(model: E5V) -> None:
    """Embedders that switch the attention of one another's model: silently wrong rows."""
    lists: list[list[Any]] = [
        [f"text {n} " * (n + 1), "A dog.", "A cat on a mat."] for n in range(8)
    ]
    expected = [model.encode(items) for items in lists]
    before = model.loaded.language_model.config._attn_implementation
    others = [E5V(model.loaded) for _ in lists]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(6):
            runs = [
                pool.submit(one.encode, items) for one, items in zip(others, lists, strict=True)
            ]
            for run, alone in zip(runs, expected, strict=True):
                assert np.abs(run.result() - alone).max() <= 1e-5
    assert model.loaded.language_model.config._attn_implementation == before


def test_similarity_is_cosine(model: E5V) -> None:
    """A score that is not between -1 and 1."""
    rows = model.encode(["A dog.", "A cat."])
    assert np.allclose(model.similarity(rows, rows), rows @ rows.T, atol=1e-6)


def test_progress_is_drawn_on_stderr(model: E5V, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar in the middle of piped results."""
    model.encode(["A dog.", "A cat."], progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Encoding" in captured.err


def test_encoded_says_what_was_cut(checkpoints: Checkpoints) -> None:
    """A stream that cuts and does not say which item."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32", max_tokens=40)
    short, long = model.encode_iter(["A dog.", "A dog runs over the grass. " * 20])
    assert isinstance(short, Encoded)
    assert isinstance(long, Encoded)
    assert (short.cut, long.cut) == (False, True)
