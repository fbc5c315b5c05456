"""The network in PyTorch and the decode front in NumPy behind the same interface as the compiled one: slow, and the truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.decode.peaks import find_candidates
from engine.preprocess import InputShape
from engine.types import Backend, Candidates
from models.checkpoints import Checkpoint


class ReferenceNetwork:
    """See `engine.estimator.Network`."""

    def __init__(self, model: Any, shape: InputShape) -> None:
        self._model = model
        self.backend = Backend("CPU · PyTorch")
        self.picture: NDArray[np.uint8] = np.zeros((shape.height, shape.width, 3), np.uint8)

    @classmethod
    def opener(cls, checkpoint: Checkpoint) -> Callable[[InputShape], "ReferenceNetwork"]:
        """A function that gives the network for a shape; the model is loaded once. Imports torch."""
        from models.reference import ReferenceNetwork as Model

        model = Model(checkpoint)
        return lambda shape: cls(model, shape)

    def maps(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        coarse, fine = self._model.maps(self.picture)
        return coarse, fine

    def candidates(self, maps: tuple[Any, Any]) -> Candidates:
        return find_candidates(*maps)
