"""A network on a GPU that goes on on the processor where the GPU fails."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.compiler.gpu.device import DeviceError
from engine.types import Candidates

log = logging.getLogger(__name__)


class Network(Protocol):
    """See `engine.estimator.Network`."""

    @property
    def picture(self) -> NDArray[np.uint8]: ...

    def maps(self) -> tuple[Any, Any]: ...

    def candidates(self, maps: tuple[Any, Any]) -> Candidates: ...


class FallbackNetwork:
    """Runs the first of two networks that works; `processor` opens the second. See `engine.estimator.Network`."""

    def __init__(self, gpu: Callable[[], Network], processor: Callable[[], Network]) -> None:
        self._processor = processor
        self._on_gpu = True
        try:
            self._network = gpu()
        except DeviceError as error:
            self._leave(error)

    @property
    def picture(self) -> NDArray[np.uint8]:
        return self._network.picture

    def maps(self) -> tuple[Any, Any]:
        try:
            return self._network.maps()
        except DeviceError as error:
            if not self._on_gpu:
                raise
            picture = self._network.picture
            self._leave(error)
            self._network.picture[:] = picture
            return self._network.maps()

    def candidates(self, maps: tuple[Any, Any]) -> Candidates:
        return self._network.candidates(maps)

    def _leave(self, error: DeviceError) -> None:
        log.warning("%s The network runs on the processor from now on.", error)
        self._on_gpu = False
        self._network = self._processor()
