"""The modality gap: how far apart images and texts are, whatever they mean.

vectors of images, vectors of texts -> unit rows -> centroids, cosines, a separating plane -> Gap

The paper only plots the gap (section 5.1); here it is measured as well. All cosines are computed
block by block: memory is a few times that of the vectors.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.evaluation.plane import Plane, draw_planes, find_plane
from e5v.extras import imported
from e5v.files import write_file
from e5v.vectors import unit

LEAST = 10  # images, and texts, needed for meaningful shares
NEIGHBOURS = 10
FOLDS = 5
FREEDOM = 100.0  # scikit-learn's C: inverse strength of regularisation
TOLERANCE = 1e-6  # of its slope; at scikit-learn's own 1e-4 the plane is not yet the best one
STEPS = 10_000  # at most; a few hundred are needed
BLOCK_VALUES = 16 * 2**20  # cosines in memory at a time


@dataclass(frozen=True)
class Gap:
    """The modality gap of n images and m texts, measured on unit vectors.

    Args:
        images: how many images, n.
        texts: how many texts, m.
        centroid_distance: |mean image - mean text| (Liang et al., 2022).
        separability: held-out accuracy of a separating plane (logistic regression, stratified
            5-fold, both kinds of equal weight); 0.5 if they are mixed.
        texts_near_images: share of the 10 nearest neighbours of an image that are texts.
        texts_by_chance: the same if modality made no difference, m / (n + m - 1).
        images_near_texts: share of the 10 nearest neighbours of a text that are images.
        images_by_chance: the same if modality made no difference, n / (n + m - 1).
        cosine_true: mean cosine of an image and its text; None if pairs are not known.
        cosine_others: mean cosine of an image and a text that are not known to be a pair.
        cosine_images: mean cosine of two images.
        cosine_texts: mean cosine of two texts.
        alignment: mean of |x - y|^2 over true pairs; None if pairs are not known. Like uniformity,
            the log of the mean of exp(-2 |x - y|^2) over all pairs, by Wang and Isola, 2020.
        uniformity_images: uniformity of images.
        uniformity_texts: uniformity of texts.
        uniformity: uniformity of images and texts together.
        plane: the plot.
    """

    images: int
    texts: int
    centroid_distance: float
    separability: float
    texts_near_images: float
    texts_by_chance: float
    images_near_texts: float
    images_by_chance: float
    cosine_true: float | None
    cosine_others: float
    cosine_images: float
    cosine_texts: float
    alignment: float | None
    uniformity_images: float
    uniformity_texts: float
    uniformity: float
    plane: Plane


@dataclass(frozen=True, eq=False)
class Crowd:
    """The neighbourhood of each of N rows: share of texts among the nearest, sums over others.

    `to_images` and `to_texts` (N,) sum exp(-2 |x - y|^2) over the images and the texts.
    """

    texts_near: NDArray[np.float64]
    to_images: NDArray[np.float64]
    to_texts: NDArray[np.float64]


def measure_gap(
    images: NDArray[np.floating],
    texts: NDArray[np.floating],
    pairs: NDArray[np.integer] | None = None,
) -> Gap:
    """Measure the gap between images (n, d) and texts (m, d).

    `pairs` (p, 2) are the indices of an image and its text, each pair once.

    Raises:
        UsageError: fewer than 10 of a kind, different widths, or a value that is not finite.
    """
    rows = _join_rows(images, texts)
    n, m = len(images), len(texts)
    image, text = (part.sum(0, dtype=np.float64) for part in (rows[:n], rows[n:]))
    true = np.empty(0) if pairs is None else _compute_cosines(rows, pairs + np.array([0, n]))
    crowd = crowd_around(rows, n)
    return Gap(
        images=n,
        texts=m,
        centroid_distance=float(np.linalg.norm(image / n - text / m)),
        separability=_measure_separability(rows, np.arange(n + m) >= n),
        texts_near_images=float(crowd.texts_near[:n].mean()),
        texts_by_chance=m / (n + m - 1),
        images_near_texts=1 - float(crowd.texts_near[n:].mean()),
        images_by_chance=n / (n + m - 1),
        cosine_true=float(true.mean()) if len(true) else None,
        cosine_others=float(image @ text - true.sum()) / (n * m - len(true)),
        cosine_images=float(image @ image - n) / (n * (n - 1)),
        cosine_texts=float(text @ text - m) / (m * (m - 1)),
        alignment=float(2 - 2 * true.mean()) if len(true) else None,
        uniformity_images=_compute_uniformity(crowd.to_images[:n]),
        uniformity_texts=_compute_uniformity(crowd.to_texts[n:]),
        uniformity=_compute_uniformity(crowd.to_images + crowd.to_texts),
        plane=find_plane(rows, n),
    )


def draw_gap(images: NDArray[np.floating], texts: NDArray[np.floating], target: Path) -> None:
    """Draw images (n, d) and texts (m, d) as the paper does, as a PNG, written completely.

    Raises:
        UsageError: as `measure_gap`.
    """
    plane = find_plane(_join_rows(images, texts), len(images))
    write_file(target, draw_planes({"Images and texts": plane}))


def _join_rows(images: NDArray[np.floating], texts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the unit rows of images, then of texts."""
    if min(len(images), len(texts)) < LEAST:
        raise UsageError(
            f"the gap is between {len(images)} images and {len(texts)} texts; "
            f"expected at least {LEAST} of each"
        )
    widths = images.shape[1], texts.shape[1]
    if widths[0] != widths[1]:
        raise UsageError(f"vectors are {widths[0]} and {widths[1]} wide; expected one width")
    rows = unit(np.concatenate([images, texts]))
    if not np.isfinite(rows).all():
        raise UsageError("a vector has a value that is not finite; expected finite numbers")
    return rows


def _compute_cosines(rows: NDArray[np.float32], pairs: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows (p, 2), block by block."""
    step = max(1, BLOCK_VALUES // rows.shape[1])
    cosines = np.empty(len(pairs))
    for start in range(0, len(pairs), step):
        left, right = pairs[start : start + step].T
        cosines[start : start + step] = np.einsum("pd,pd->p", rows[left], rows[right])
    return cosines


def crowd_around(rows: NDArray[np.float32], images: int) -> Crowd:
    """Describe the neighbourhood of unit rows (N, d); the first `images` are images."""
    texts_near, to_images, to_texts = np.empty((3, len(rows)))
    step = max(1, BLOCK_VALUES // len(rows))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        cosines = rows[block] @ rows.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf  # a row is not its own neighbour
        nearest = np.argpartition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        texts_near[block] = (nearest >= images).mean(1)
        kernel = np.exp(4 * cosines - 4)  # |x - y|^2 = 2 - 2 cos
        to_images[block] = kernel[:, :images].sum(1, dtype=np.float64)
        to_texts[block] = kernel[:, images:].sum(1, dtype=np.float64)
    return Crowd(texts_near, to_images, to_texts)


def _compute_uniformity(sums: NDArray[np.float64]) -> float:
    """Return the log of the mean over pairs, from each row's sum over the others."""
    return float(np.log(sums.sum() / (len(sums) * (len(sums) - 1))))


def _measure_separability(rows: NDArray[np.float32], is_text: NDArray[np.bool_]) -> float:
    """Return the share of held-out rows on the right side of a plane, the mean of both kinds."""
    with imported("the separability of the gap"):
        from sklearn.linear_model import (  # type: ignore[import-untyped, unused-ignore]
            LogisticRegression,
        )

    # Position and scale of the vectors must not matter: centre them, mean square 1.
    spread = rows - rows.mean(0)
    square = np.einsum("nd,nd->", spread, spread, dtype=np.float64) / len(rows)
    spread /= np.sqrt(max(square, np.finfo(np.float32).tiny))
    fold = folds(is_text)
    well = np.empty(len(rows), dtype=bool)
    for number in range(FOLDS):
        held_out = fold == number
        plane = LogisticRegression(
            C=FREEDOM, class_weight="balanced", tol=TOLERANCE, max_iter=STEPS
        )
        plane.fit(spread[~held_out], is_text[~held_out])
        well[held_out] = plane.predict(spread[held_out]) == is_text[held_out]
    return float(well[is_text].mean() + well[~is_text].mean()) / 2


def folds(is_text: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Assign each kind to folds at random, with a fixed seed; return the fold of each row."""
    random = np.random.default_rng(0)
    fold = np.empty(len(is_text), dtype=np.int64)
    for kind in (False, True):
        places = random.permutation(np.flatnonzero(is_text == kind))
        fold[places] = np.arange(len(places)) % FOLDS
    return fold
