"""Density-based clusters. The number of clusters is not given in advance, and the result is deterministic.

Source: Ester, Kriegel, Sander & Xu (1996), "A density-based algorithm for discovering clusters" (DBSCAN). Here every
point has its own reach, and a point between several clusters joins the cluster of the nearest dense point.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_LONER = -1


def density_clusters(points: Floats, reach: Floats, neighbours: int) -> npt.NDArray[np.intp]:
    """Clusters of ``points`` (N, E), for a few thousand points: all distances are in memory.

    Two points are near if each is within the ``reach`` (N,) of the other. A point that is near at least ``neighbours``
    others is dense. Dense points that are near each other form a cluster; points near them join it.

    Returns:
        (N,) the number of each point's cluster, or −1 for no cluster. 0 is the largest cluster; of equal clusters, the
        one with the first point comes first.
    """
    apart = distances(points, points)
    near = apart <= np.minimum(reach[:, None], reach)
    dense = near.sum(1) > neighbours  # a point is near itself
    cluster = np.full(len(points), _LONER, np.intp)
    number = 0
    for start in np.flatnonzero(dense):
        if cluster[start] != _LONER:
            continue
        found = np.arange(len(points)) == start
        while found.any():
            cluster[found] = number
            found = near[found].any(0) & dense & (cluster == _LONER)
        number += 1
    if not number:
        return cluster
    to_dense = np.where(near & dense, apart, np.inf)
    nearest = to_dense.argmin(1)
    joins = ~dense & np.isfinite(to_dense.min(1))
    cluster[joins] = cluster[nearest[joins]]
    rank = np.argsort(np.argsort(-np.bincount(cluster[cluster >= 0]), kind="stable"))
    return np.where(cluster >= 0, rank[cluster], _LONER)


def distances(points: Floats, others: Floats) -> Floats:
    """Euclidean distances, (N, E) and (M, E) to (N, M)."""
    squared = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.asarray(np.sqrt(squared.clip(0)), np.float32)
