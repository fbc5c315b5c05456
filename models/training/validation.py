"""The same views of pictures that a run does not train on, to see whether it still learns what holds elsewhere."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from models.skeleton import Skeleton
from models.training.dataset import Batch, Sources, Views, batches
from models.training.settings import Augmentation, Settings

VIEWS = 240
# Whole pictures, single people and close-ups as they are: the same for runs whose augmentation differs.
FRAMING = Augmentation(
    close_up=0.3, rotated=0, stretch=0, side_by_side=0, brightness=0, contrast=0, gamma=0, tint=0, grey=0, blur=0, noise=0,
    erase=0,
)  # fmt: skip


class Validation:
    """VIEWS views in the run's shapes, of all pictures alike.

    Because the views stay the same, a hundredth less of heatmap loss can be told, long before AP can tell anything.
    every: views trained between two measurements.
    """

    def __init__(self, sources: Sources, settings: Settings, skeleton: Skeleton, every: int = 5000) -> None:
        alike = replace(settings, part_weights={}, empty=1.0, seed=0, augmentation=FRAMING)
        self.every = every
        self._views, self._batch = Views(sources, alike, skeleton), settings.batch

    def batches(self, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """This process's share, rendered here and now."""
        count = math.ceil(VIEWS / (self._batch * ranks))
        return itertools.islice(batches(self._views, self._batch, 0, 0, rank, ranks), count)
