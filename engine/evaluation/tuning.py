"""Grouping settings that suit a network, chosen by AP on validation pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from engine.decode.grouping import GroupingSettings

JOINT_THRESHOLDS = (0.04, 0.07, 0.1, 0.15, 0.2, 0.3)
TAG_THRESHOLDS = (0.3, 0.5, 1.0, 2.0)
BODY_WEIGHTS = (0.0, 0.1, 0.25, 0.5)


def choose(
    start: GroupingSettings,
    ap: Callable[[GroupingSettings], float],
    joint_thresholds: Sequence[float] = JOINT_THRESHOLDS,
    tag_thresholds: Sequence[float] = TAG_THRESHOLDS,
    body_weights: Sequence[float] = BODY_WEIGHTS,
) -> Iterator[tuple[GroupingSettings, float]]:
    """Yields settings with their AP, each better than the one before; the last is the best of the grid.

    First the tag threshold and the body's weight together, for they trade places, then the joints' threshold.
    """
    best, best_ap = start, ap(start)
    yield best, best_ap
    for tag, body in product(tag_thresholds, body_weights):
        candidate = replace(best, tag_threshold=tag, body_weight=body)
        value = ap(candidate)
        if value > best_ap:
            best, best_ap = candidate, value
            yield best, best_ap
    for joint in joint_thresholds:
        candidate = replace(best, joint_threshold=joint)
        value = ap(candidate)
        if value > best_ap:
            best, best_ap = candidate, value
            yield best, best_ap
