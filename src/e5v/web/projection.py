"""The map of a collection: its vectors projected to two dimensions.

vectors (n, d) -> centred -> first two principal components -> each scaled to [0, 1]
"""

import numpy as np
from numpy.typing import NDArray

EXTRA, ROUNDS = 6, 8  # additional directions, and iterations


def project(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project vectors to points (n, 2) in [0, 1] x [0, 1]; deterministic.

    Subspace iteration (Halko et al. 2011, section 4.5): for 2,000 vectors of 4,096 values it takes
    a tenth of what an exact decomposition does.
    """
    if not len(vectors):
        return np.empty((0, 2), np.float32)
    centred = vectors.astype(np.float32) - vectors.mean(axis=0, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal((centred.shape[1], 2 + EXTRA))
    axes = start.astype(np.float32)
    for _ in range(ROUNDS):
        axes = np.linalg.qr(centred.T @ (centred @ axes))[0]
    rotation = np.linalg.svd(centred @ axes, full_matrices=False)[2]
    points = np.zeros((len(vectors), 2), np.float32)
    found = (centred @ axes @ rotation.T)[:, :2]
    points[:, : found.shape[1]] = found
    low, high = points.min(axis=0), points.max(axis=0)
    spread = high - low
    flat = spread <= np.finfo(np.float32).eps
    scaled: NDArray[np.float32] = (points - low) / np.where(flat, 1, spread)
    return np.where(flat, np.float32(0.5), scaled)
