"""The official script's batches, column by column."""

from itertools import chain

import torch

from e5v.model.encoder import Prompted
from e5v.training.chunks import OFFICIAL_ROWS, OfficialPass

EOS = 9


def _way() -> OfficialPass:
    return OfficialPass(None, EOS)  # type: ignore[arg-type]  # rows and chunks need no model


def test_rows_are_padded_as_the_official_script_pads() -> None:
    """Padding on the right, hidden padding where it is seen, or seen padding where it is hidden."""
    anchor, positive, negative = [1, 2, 3], [4, 5], list(range(1, 13))
    rows = _way().rows([anchor, [1], positive, [4, 5, 6, 7, 8, 4, 5, 6, 7], negative, [1]])
    assert rows.shape == (6, 16)  # the widest kind, up to a multiple of 8
    assert rows[0].tolist() == [EOS] * 13 + anchor
    assert rows[2].tolist() == [0] * 14 + positive
    assert rows[4].tolist() == [EOS] * 4 + negative


def test_columns_that_widen_positives_are_seen() -> None:
    """The one part of a positive's padding that the official mask leaves visible."""
    rows = _way().rows([list(range(1, 13)), [4, 5], [1]])
    assert rows[1].tolist() == [EOS] * 8 + [0] * 6 + [4, 5]
    assert (rows > 0).long()[1].tolist() == [1] * 8 + [0] * 6 + [1, 1]


def test_chunks_are_the_batches_of_one_device() -> None:
    """Other neighbours than in the official script: padding is seen, so they matter."""
    triplets = OFFICIAL_ROWS + 6
    chunks = _way().chunks([Prompted([1])] * (3 * triplets), triplets)
    assert [len(chunk) for chunk in chunks] == [72, 18]
    assert chunks[1][:7] == [24, 25, 26, 27, 28, 29, triplets + 24]
    assert sorted(chain.from_iterable(chunks)) == list(range(3 * triplets))


def test_padding_is_seen() -> None:
    """A mask that is aware of padding after all."""
    assert torch.equal((_way().rows([[1], [2], [3]]) > 0).sum(1), torch.tensor([8, 1, 8]))
