"""An exported folder: which networks it holds, whether this machine can run them, and people found with them."""

import importlib.metadata
import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import assignment
from engine.compiler import library
from engine.compiler.library import Artifact
from engine.compiler.runtime import CompiledNetwork
from engine.decode.grouping import GroupingSettings, group
from engine.errors import CompilerError
from engine.preprocess import PADDING, InputShape, Placement, fill_input, place
from engine.types import Poses, StageTimes
from models.json_text import from_json
from models.skeleton import SKELETONS, Skeleton

DESCRIPTION = "description.json"
NETWORKS = "networks"
FORMAT = 1
MACHINES = {"aarch64": ("aarch64", "arm64"), "x86-64": ("x86_64", "amd64")}


@dataclass(frozen=True, slots=True)
class Description:
    """What an exported folder says of itself.

    architecture: "aarch64" or "x86-64". threads: cores that the networks were compiled for. tvm: version of the package
    apache-tvm that they were compiled with. weights: free text that came with the weights.
    """

    size: str
    target: str
    architecture: str
    threads: int
    tvm: str
    skeleton: Skeleton
    shapes: tuple[InputShape, ...]
    weights: dict[str, str]

    def text(self) -> str:
        content = {
            "format": FORMAT,
            "size": self.size,
            "target": self.target,
            "architecture": self.architecture,
            "threads": self.threads,
            "tvm": self.tvm,
            "skeleton": self.skeleton.name,
            "networks": [str(shape) for shape in self.shapes],
            "weights": self.weights,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Description":
        """Raises CompilerError where the folder is not an exported one."""
        path = folder / DESCRIPTION
        try:
            content = from_json(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise CompilerError(f"“{folder}” was exported by another version of the program. Export it again.")
            return cls(
                str(content["size"]),
                str(content["target"]),
                str(content["architecture"]),
                int(content["threads"]),
                str(content["tvm"]),
                SKELETONS[content["skeleton"]],
                tuple(_shape(text) for text in content["networks"]),
                {str(key): str(value) for key, value in content["weights"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CompilerError(f"“{path}” cannot be read: {error!r}. Export the folder again.") from error

    def fault_here(self) -> str | None:
        """Why this machine cannot run the networks, in a sentence, or None."""
        machine = platform.machine().lower()
        if machine not in MACHINES.get(self.architecture, (self.architecture,)):
            return f"These networks are for {self.target} ({self.architecture}), and this machine is {machine}."
        try:
            installed = importlib.metadata.version("apache-tvm")
        except importlib.metadata.PackageNotFoundError:
            return "TVM is not installed. Install what is needed: pip install -r requirements.txt"
        if installed != self.tvm:
            return (
                f"These networks were compiled with TVM {self.tvm}, and {installed} is installed. "
                f"Install the same: pip install apache-tvm=={self.tvm}"
            )
        return None

    def nearest(self, width: int, height: int) -> InputShape:
        """The network whose aspect ratio is nearest to that of a picture."""
        aspect = math.log(width / height)
        return min(self.shapes, key=lambda shape: abs(math.log(shape.width / shape.height) - aspect))


def _shape(text: str) -> InputShape:
    width, height = (int(side) for side in text.split("x"))
    return InputShape(width, height)


def network_folder(folder: Path, shape: InputShape) -> Path:
    return folder / NETWORKS / str(shape)


class ExportedEstimator:
    """Finds people with the networks of an exported folder. Each is checked and loaded when a picture first needs it.

    settings: what counts as a person; may be exchanged.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Raises CompilerError where the folder cannot be used on this machine."""
        self.folder = folder
        self.description = Description.read(folder)
        if fault := self.description.fault_here():
            raise CompilerError(fault)
        self.threads = threads or min(self.description.threads, _processors())
        self.settings = GroupingSettings.from_metadata(self.description.weights, self.description.skeleton)
        self._networks: dict[InputShape, CompiledNetwork] = {}
        self._placements: dict[InputShape, Placement] = {}

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Poses, StageTimes]:
        """People in `image` (H, W, 3) uint8 BGR, in its pixels, best first; and the milliseconds of each stage."""
        height, width = image.shape[:2]
        shape = self.description.nearest(width, height)
        network = self.network(shape)
        clock = [time.perf_counter()]
        placement = self._placements.get(shape)
        if placement is None or placement.source != (width, height):
            placement = self._placements[shape] = place(width, height, shape)
            network.picture[:] = PADDING
        fill_input(image, placement, network.picture)
        clock.append(time.perf_counter())
        maps = network.maps()
        clock.append(time.perf_counter())
        candidates = network.candidates(maps)
        clock.append(time.perf_counter())
        poses = placement.to_source(group(candidates, self.description.skeleton, self.settings))
        clock.append(time.perf_counter())
        names = ("resize", "network", "decode", "grouping")
        times = {name: (after - before) * 1e3 for name, before, after in zip(names, clock, clock[1:])}
        return poses, StageTimes(times)

    def network(self, shape: InputShape) -> CompiledNetwork:
        """Loaded, and run once: the first run is slower. Raises CompilerError where it is damaged or cannot be loaded."""
        if shape not in self._networks:
            folder = network_folder(self.folder, shape)
            if fault := library.fault(folder):
                raise CompilerError(f"The network “{folder}” {fault}. Copy the folder again.")
            metadata: dict[str, Any] = library.read_metadata(folder)
            network = CompiledNetwork(Artifact(folder / library.LIBRARY, metadata), self.threads)
            network.picture[:] = PADDING
            network.candidates(network.maps())
            assignment.load()
            self._networks[shape] = network
        return self._networks[shape]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
