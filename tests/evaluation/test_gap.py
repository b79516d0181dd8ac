"""The modality gap: clouds whose gap is known, and others' code for the rest."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from e5v.errors import UsageError
from e5v.evaluation import gap as gap_module
from e5v.evaluation.gap import FREEDOM, NEIGHBOURS, draw_gap, folds, measure_gap
from e5v.evaluation.plane import SHOWN, find_plane
from e5v.vectors import unit

Rows = NDArray[np.float32]
WIDTH = 16


def _cloud(count: int, seed: int, *, towards: int = 0, by: float = 0.0) -> Rows:
    """Unit rows around no direction in particular, or pushed along one axis."""
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH))
    rows[:, towards] += by
    return unit(rows)


def _star(centre: int, count: int) -> Rows:
    """Unit rows whose mean is 0.8 along axis `centre`: in pairs, to either side of it."""
    rows = np.zeros((count, WIDTH), np.float32)
    rows[:, centre] = 0.8
    for place in range(count):
        rows[place, 4 + place // 2 % 12] = 0.6 * (-1) ** place
    return rows


@pytest.fixture(scope="module")
def clouds() -> tuple[Rows, Rows]:
    """90 images and 250 texts that overlap."""
    return _cloud(90, 1, towards=0, by=2.0), _cloud(250, 2, towards=1, by=1.5)


def test_two_clouds_apart() -> None:
    """A gap as wide as can be that is not seen, or measured to another length."""
    gap = measure_gap(_star(0, 24), _star(1, 48))
    assert gap.centroid_distance == pytest.approx(0.8 * 2**0.5)
    assert gap.separability == 1
    assert (gap.texts_near_images, gap.images_near_texts) == (0, 0)
    assert (gap.images, gap.texts) == (24, 48)
    assert gap.texts_by_chance == pytest.approx(48 / 71)
    assert gap.images_by_chance == pytest.approx(24 / 71)


def test_one_cloud_split_at_random() -> None:
    """A gap where there is none: a plane judged by what it was fitted to, or own neighbours.

    The unequal numbers would make 0.8 of a plane that calls all of them texts.
    """
    rows = _cloud(1500, 3, by=1.0)
    gap = measure_gap(rows[:300], rows[300:])
    assert gap.separability == pytest.approx(0.5, abs=0.05)
    assert gap.texts_near_images == pytest.approx(gap.texts_by_chance, abs=0.03)
    assert gap.images_near_texts == pytest.approx(gap.images_by_chance, abs=0.03)
    assert gap.centroid_distance < 0.1
    assert gap.cosine_others == pytest.approx(gap.cosine_texts, abs=0.02)


def test_a_gap_along_a_faint_direction() -> None:
    """Images and texts told apart by one small coordinate only, which a timid plane passes over."""
    images, texts = _cloud(400, 4, by=8), _cloud(400, 5, by=8)
    images[:, 3] *= 0.01
    texts[:, 3] *= 0.01
    images[:, 3] += 0.03
    gap = measure_gap(images, texts)
    assert gap.centroid_distance < 0.05
    assert gap.separability > 0.99


def test_separability_is_scikit_learns(clouds: tuple[Rows, Rows]) -> None:
    """Another loss, a plane that is not the best one, or weights that follow the larger kind."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.metrics import balanced_accuracy_score  # type: ignore[import-untyped]
    from sklearn.model_selection import (  # type: ignore[import-untyped]
        PredefinedSplit,
        cross_val_predict,
    )

    rows = np.concatenate(clouds).astype(np.float64)
    is_text = np.arange(340) >= 90
    spread = rows - rows.mean(0)
    spread /= np.sqrt((spread**2).sum(1).mean())
    model = LogisticRegression(C=FREEDOM, class_weight="balanced", max_iter=10_000, tol=1e-8)
    said = cross_val_predict(model, spread, is_text, cv=PredefinedSplit(folds(is_text)))
    expected = balanced_accuracy_score(is_text, said)
    assert 0.6 < expected < 0.95
    assert measure_gap(*clouds).separability == pytest.approx(expected, abs=1e-9)


def test_folds_are_stratified() -> None:
    """A fold without an image, of one caption in five, or not the same at the next call."""
    is_text = np.arange(113) >= 23
    fold = folds(is_text)
    for kind in (False, True):
        counts = np.bincount(fold[is_text == kind], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert set(fold[is_text][::5]) == set(range(5))
    assert (fold == folds(is_text)).all()


def test_neighbours_are_scikit_learns(clouds: tuple[Rows, Rows]) -> None:
    """Rows that count as their own neighbours, or kinds that are mixed up."""
    from sklearn.neighbors import NearestNeighbors  # type: ignore[import-untyped]

    rows = np.concatenate(clouds)
    model = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(rows)
    near = model.kneighbors(rows, return_distance=False)[:, 1:]
    gap = measure_gap(*clouds)
    assert gap.texts_near_images == pytest.approx((near[:90] >= 90).mean())
    assert gap.images_near_texts == pytest.approx((near[90:] < 90).mean())


def test_alignment_and_uniformity_are_their_authors(clouds: tuple[Rows, Rows]) -> None:
    """Another kernel, pairs of a row with itself, or a mean that is not over pairs."""
    images, texts = (torch.tensor(rows) for rows in clouds)

    def uniform_loss(x: torch.Tensor, t: int = 2) -> float:
        return float(torch.pdist(x, p=2).pow(2).mul(-t).exp().mean().log())

    pairs = np.stack([np.arange(250) % 90, np.arange(250)], axis=1)
    gap = measure_gap(*clouds, pairs)
    align_loss = (images[pairs[:, 0]] - texts).norm(p=2, dim=1).pow(2).mean()
    assert gap.alignment == pytest.approx(float(align_loss), rel=1e-5)
    assert gap.uniformity_images == pytest.approx(uniform_loss(images), rel=1e-5)
    assert gap.uniformity_texts == pytest.approx(uniform_loss(texts), rel=1e-5)
    assert gap.uniformity == pytest.approx(uniform_loss(torch.cat([images, texts])), rel=1e-5)


def test_mean_cosines(clouds: tuple[Rows, Rows]) -> None:
    """Means that count a row with itself, or true pairs among the others."""
    images, texts = clouds
    pairs = np.array([[0, 0], [0, 1], [5, 249], [89, 3]])
    gap = measure_gap(images, texts, pairs)
    cross = images @ texts.T
    true = np.zeros_like(cross, dtype=bool)
    true[tuple(pairs.T)] = True
    assert gap.cosine_true == pytest.approx(cross[true].mean(), rel=1e-5)
    assert gap.cosine_others == pytest.approx(cross[~true].mean(), rel=1e-5)
    for rows, mean in ((images, gap.cosine_images), (texts, gap.cosine_texts)):
        off_diagonal = ~np.eye(len(rows), dtype=bool)
        assert mean == pytest.approx((rows @ rows.T)[off_diagonal].mean(), rel=1e-5)


def test_pairs_that_are_not_known(clouds: tuple[Rows, Rows]) -> None:
    """A number for what cannot be known."""
    gap = measure_gap(*clouds)
    assert gap.cosine_true is None
    assert gap.alignment is None
    assert gap.cosine_others == pytest.approx((clouds[0] @ clouds[1].T).mean(), rel=1e-5)


def test_blocks_make_no_difference(
    clouds: tuple[Rows, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last block that is left out, or neighbours of other rows in every block but the first."""
    pairs = np.stack([np.arange(90), np.arange(90)], axis=1)
    whole = measure_gap(*clouds, pairs)
    monkeypatch.setattr(gap_module, "BLOCK_VALUES", 340 * 7)
    parts = measure_gap(*clouds, pairs)
    for name, value in vars(whole).items():
        if name != "plane":
            assert getattr(parts, name) == pytest.approx(value, rel=1e-5), name


def test_lengths_make_no_difference(clouds: tuple[Rows, Rows]) -> None:
    """Sums of vectors, or half precision, that are taken for unit rows as they are."""
    images, texts = clouds
    whole = measure_gap(images, texts)
    other = measure_gap((images * 7).astype(np.float16), texts * np.float32(0.2))
    assert other.centroid_distance == pytest.approx(whole.centroid_distance, rel=1e-3)
    assert other.uniformity == pytest.approx(whole.uniformity, rel=1e-3)


def test_all_at_one_place() -> None:
    """A model that says the same of everything: a warning, or a division by nothing."""
    rows = np.zeros((20, WIDTH), np.float32)
    rows[:, 0] = 1
    gap = measure_gap(rows, rows)
    assert gap.separability == pytest.approx(0.5)
    assert gap.centroid_distance == pytest.approx(0, abs=1e-6)
    assert gap.uniformity == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("images", "texts", "told"),
    [
        (_cloud(9, 0), _cloud(20, 1), "9 images and 20 texts; expected at least 10 of each"),
        (_cloud(20, 0), np.ones((20, 8), np.float32), "16 and 8 wide; expected one width"),
        (_cloud(20, 0) * np.float32(np.nan), _cloud(20, 1), "not finite"),
    ],
)
def test_what_has_no_gap(images: Rows, texts: Rows, told: str) -> None:
    """A traceback from the middle of a solver."""
    with pytest.raises(UsageError, match=told):
        measure_gap(images, texts)


def test_the_plane_is_that_of_an_uncentred_svd(clouds: tuple[Rows, Rows]) -> None:
    """Principal components, which are centred and show another picture; axes the wrong way."""
    rows = np.concatenate(clouds)
    plane = find_plane(rows, 90)
    _, lengths, axes = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    expected = rows @ axes[:2].T
    points = np.array([*plane.images, *plane.texts])
    assert len(plane.images) == 90
    assert np.abs(points) == pytest.approx(np.abs(expected), abs=2e-4)
    assert plane.shares == pytest.approx(lengths[:2] ** 2 / 340, abs=1e-4)


def test_the_plane_has_one_side_up(clouds: tuple[Rows, Rows]) -> None:
    """A picture that is mirrored by the order of the rows, or by how the space is turned."""
    images, texts = clouds
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((WIDTH, WIDTH)))[0]
    plane = find_plane(np.concatenate([images, texts]), 90)
    points = np.array([*plane.images, *plane.texts])
    assert points[:, 0].mean() > 0
    assert points[90:, 1].mean() > points[:90, 1].mean()
    others = {
        "order": np.concatenate([images[::-1], texts[::-1]]),
        "mirrored": -np.concatenate([images, texts]),
        "turned": (np.concatenate([images, texts]) @ turn).astype(np.float32),
    }
    for name, rows in others.items():
        other = find_plane(rows, 90)
        found = np.array([*other.images, *other.texts])
        if name == "order":
            found = np.concatenate([found[:90][::-1], found[90:][::-1]])
        assert found == pytest.approx(points, abs=3e-4), name


def test_of_many_points_some_are_kept() -> None:
    """A report of a hundred megabytes, or the first thousand where the order means something."""
    rows = _cloud(2 * SHOWN + 500, 8, by=1.0)
    plane = find_plane(rows, SHOWN + 500)
    assert (len(plane.images), len(plane.texts)) == (SHOWN, SHOWN)
    axes = np.linalg.svd(rows, full_matrices=False)[2][:2]
    for kept, place in ((plane.images[-1], SHOWN + 499), (plane.texts[0], SHOWN + 500)):
        assert np.abs(kept) == pytest.approx(np.abs(axes @ rows[place]), abs=1e-3)


def test_the_picture(clouds: tuple[Rows, Rows], tmp_path: Path) -> None:
    """A file that is no image, an empty one, one without one of the colours, or a part left."""
    target = tmp_path / "gap.png"
    draw_gap(*clouds, target)
    assert [path.name for path in tmp_path.iterdir()] == ["gap.png"]
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red, blue = pixels[..., 0], pixels[..., 2]
    assert (blue - red > 60).sum() > 500
    assert (red - blue > 60).sum() > 500


def test_the_last_picture_stands(
    clouds: tuple[Rows, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk that leaves half a picture in place of a whole one."""
    target = tmp_path / "gap.png"
    target.write_bytes(b"before")

    def fail(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        draw_gap(*clouds, target)
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["gap.png"]


def test_nothing_slow_is_imported_before_it_is_needed() -> None:
    """A slow start for who draws nothing; pyplot, which may want a display and keeps figures."""
    code = (
        "import sys, numpy; import e5v.evaluation.report;"
        "from e5v.evaluation.plane import draw_planes, find_plane;"
        "assert not {'matplotlib', 'scipy', 'torch', 'rich'} & set(sys.modules);"
        "draw_planes({'': find_plane(numpy.eye(4, dtype='float32'), 2)});"
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
