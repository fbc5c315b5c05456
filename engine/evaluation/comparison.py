"""Whether one network is better than another: a paired bootstrap over pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import UsageError
from engine.evaluation.precision import PictureMatches, precision


@dataclass(frozen=True, slots=True)
class Difference:
    """AP of the second minus AP of the first, with the bounds of its bootstrap interval."""

    ap: float
    low: float
    high: float


def compare(
    first: Sequence[PictureMatches],
    second: Sequence[PictureMatches],
    rounds: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Draws the same pictures for both, with replacement, `rounds` times (Efron & Tibshirani, An Introduction to the
    Bootstrap, 1993, ch. 13). Raises UsageError if the two are not of the same pictures."""
    if [one.image_id for one in first] != [one.image_id for one in second] or not first:
        raise UsageError("The two results are not of the same pictures. Evaluate both on the same annotations.")
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(rounds):
        chosen = random.integers(len(first), size=len(first))
        draws.append(precision([second[i] for i in chosen]).ap - precision([first[i] for i in chosen]).ap)
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return Difference(precision(second).ap - precision(first).ap, float(low), float(high))
