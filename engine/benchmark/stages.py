"""Time of each stage from a frame to its poses."""

import numpy as np
from numpy.typing import NDArray

from engine.estimator import PoseEstimator


def time_stages(estimator: PoseEstimator, image: NDArray[np.uint8], runs: int) -> dict[str, dict[str, float]]:
    """Median and 95th percentile in milliseconds of every stage on `image` (H, W, 3) uint8 BGR, and of their sum."""
    for _ in range(3):
        estimator.estimate(image)
    rows = [estimator.estimate(image).times.ms for _ in range(runs)]
    columns = {name: [row[name] for row in rows] for name in rows[0]} | {"total": [sum(row.values()) for row in rows]}
    return {
        name: {"p50_ms": round(float(np.median(ms)), 3), "p95_ms": round(float(np.percentile(ms, 95)), 3)}
        for name, ms in columns.items()
    }
