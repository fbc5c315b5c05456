"""GPU targets: presets in engine/compiler/targets/gpu, with what the tiling must know of a GPU. Never imports TVM."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.compiler import targets
from engine.errors import CompilerError
from models.yaml_text import from_yaml

FOLDER = Path(targets.__file__).parent / "gpu"


@dataclass(frozen=True, slots=True)
class GpuTarget:
    """name: of the preset. tvm: TVM's target dictionary, of kind “opencl” or “cuda”.

    registers:    vectors of four floats that a work item may hold before fewer items fit on the GPU.
    work_group:   items of a work group, a power of two.
    work_items:   as many as keep the whole GPU busy; kernels with fewer are split further.
    local_memory: bytes of fast memory that a group may share for speed; 0 where it is no faster than main memory.
    """

    name: str
    description: str
    tvm: dict[str, Any]
    registers: int
    work_group: int
    work_items: int
    local_memory: int

    @property
    def kind(self) -> str:
        """Whose language and driver: "opencl" or "cuda"."""
        return str(self.tvm["kind"])

    @property
    def arch(self) -> str:
        """Of CUDA's compiler, such as “sm_87”."""
        return str(self.tvm["arch"])

    def within(self, work_group: int, local_memory: int) -> "GpuTarget":
        """The same within the limits of a device."""
        largest = 1 << (work_group.bit_length() - 1)
        return replace(
            self, work_group=min(self.work_group, largest), local_memory=min(self.local_memory, local_memory)
        )

    def for_arch(self, arch: str) -> "GpuTarget":
        return replace(self, tvm={**self.tvm, "arch": arch})

    def identity(self) -> str:
        """All that changes the generated code, as text."""
        values = [self.tvm, self.registers, self.work_group, self.work_items, self.local_memory]
        return json.dumps(values, sort_keys=True)


def available(kind: str | None = None) -> list[str]:
    """Names of the presets, of one kind if it is given."""
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [name for name in names if kind in (None, load(name).kind)]


def load(name: str) -> GpuTarget:
    """A preset by name. Raises CompilerError with the known names for any other."""
    path = FOLDER / f"{name}.yaml"
    if path.parent != FOLDER or not path.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
        raise CompilerError(f"Unknown GPU target “{name}”. Choose one of {known}.")
    return GpuTarget(name=name, **from_yaml(path.read_text(encoding="utf-8")))
