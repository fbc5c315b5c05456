"""Learning rate as a function of the views trained. No torch."""

import math

from models.training.settings import Schedule


def learning_rate(schedule: Schedule, views: int, since_start: int) -> float:
    """views: trained in all. since_start: trained since weights were last loaded without the optimizer's state."""
    warm = min(1.0, (since_start + 1) / max(1, schedule.warm_up))
    if schedule.kind == "constant":
        return schedule.rate * warm
    done = min(1.0, views / schedule.views)
    return warm * (schedule.end + (schedule.rate - schedule.end) * 0.5 * (1 + math.cos(math.pi * done)))
