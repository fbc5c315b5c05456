"""A network as a device runs it: kernels, their launches in order, and the buffers between them. Never imports TVM."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.json_text import from_json

Extent = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Grid:
    """groups: work groups along x, y and z. items: work items of each group."""

    groups: Extent
    items: Extent


class Role(StrEnum):
    """What a buffer holds."""

    PICTURE = "picture"
    """(H, W, 3) uint8 BGR, written before each run."""
    WEIGHTS = "weights"
    """Written once; `offset` is its place in the file of weights."""
    WORK = "work"
    """Activations; several that are never needed at the same time share one."""
    COARSE = "coarse"
    """(2J, H / 4, W / 4) float32 heatmaps, then tags."""
    FINE = "fine"
    """(J, H / 2, W / 2) float32 heatmaps."""
    CANDIDATES = "candidates"
    """(J, K, 4) float32: x, y, score, tag."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory on the device. size: bytes."""

    role: Role
    size: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One launch: a kernel by name, and the numbers of its buffers in the order in which its source takes them."""

    kernel: str
    buffers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All launches of one frame. The first `maps_steps` of them make both maps, the rest are the decode front."""

    kernels: dict[str, Grid]
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    maps_steps: int

    def number_of(self, role: Role) -> int:
        """The one buffer of a role other than WEIGHTS and WORK."""
        return next(number for number, buffer in enumerate(self.buffers) if buffer.role is role)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Program":
        """Raises ValueError, KeyError or TypeError where the text is no program."""
        content: dict[str, Any] = from_json(text)
        kernels = content["kernels"]
        if not isinstance(kernels, dict):
            raise TypeError("the kernels have no names")
        return cls(
            {name: Grid(_extent(grid["groups"]), _extent(grid["items"])) for name, grid in kernels.items()},
            tuple(Buffer(Role(one["role"]), one["size"], one["offset"]) for one in content["buffers"]),
            tuple(Step(one["kernel"], tuple(one["buffers"])) for one in content["steps"]),
            content["maps_steps"],
        )


def _extent(values: list[int]) -> Extent:
    x, y, z = values
    return x, y, z
