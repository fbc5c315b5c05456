"""A network on a GPU that goes on on the processor where the GPU fails."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.compiler.gpu.device import DeviceError
from engine.types import Backend, Candidates

log = logging.getLogger(__name__)


class Network(Protocol):
    """See `engine.estimator.Network`."""

    @property
    def picture(self) -> NDArray[np.uint8]: ...

    def maps(self) -> tuple[Any, Any]: ...

    def candidates(self, maps: tuple[Any, Any]) -> Candidates: ...

    @property
    def backend(self) -> Backend: ...


class FallbackNetwork:
    """The network on the GPU as long as that works, then one on the processor. See `engine.estimator.Network`.

    at_once: opens the latter where the GPU does not even begin. later: where it fails at a frame.
    """

    def __init__(
        self, gpu: Callable[[], Network], at_once: Callable[[], Network], later: Callable[[], Network]
    ) -> None:
        self._later: Callable[[], Network] | None = later
        self._network: Network
        try:
            self._network = gpu()
        except DeviceError as error:
            self._leave(error, at_once)

    @property
    def picture(self) -> NDArray[np.uint8]:
        return self._network.picture

    def maps(self) -> tuple[Any, Any]:
        try:
            return self._network.maps()
        except DeviceError as error:
            if self._later is None:
                raise
            picture = self._network.picture
            self._leave(error, self._later)
            self._network.picture[:] = picture
            return self._network.maps()

    def candidates(self, maps: tuple[Any, Any]) -> Candidates:
        return self._network.candidates(maps)

    @property
    def backend(self) -> Backend:
        return self._network.backend

    def _leave(self, error: DeviceError, processor: Callable[[], Network]) -> None:
        log.warning("%s The network runs on the processor from now on.", error)
        self._later = None
        self._network = processor()
