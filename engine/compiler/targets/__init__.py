"""What a network is compiled for: presets beside this module, and the one that fits this machine. Never imports TVM."""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from engine.errors import CompilerError

FOLDER = Path(__file__).parent
MOST_THREADS = 8  # more workers than this only wait for each other on networks of this size


@dataclass(frozen=True, slots=True)
class Target:
    """name: of the preset. tvm: TVM's target dictionary. lanes: floats of a vector register. registers: vector registers.
    threads: workers that share a kernel's tasks."""

    name: str
    tvm: dict[str, Any]
    lanes: int
    registers: int
    threads: int

    def identity(self) -> str:
        """All that changes the compiled code, as text."""
        return json.dumps([self.tvm, self.lanes, self.registers, self.threads], sort_keys=True)


def available() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str | None = None, threads: int | None = None) -> Target:
    """A preset by name, or the one that fits this machine. Raises CompilerError with the known names for any other."""
    name = name or host_preset()
    if name not in available():
        raise CompilerError(f"Unknown target “{name}”. Choose one of {', '.join(available())}.")
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return Target(name, content["tvm"], content["lanes"], content["registers"], threads or default_threads())


def default_threads() -> int:
    """Physical cores that this process may use."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(1, min(cores, allowed, MOST_THREADS))


def host_preset() -> str:
    """The richest preset that this machine's processor can run."""
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        return "generic-aarch64"
    if machine not in ("x86_64", "amd64"):
        raise CompilerError(f"This machine's processor ({machine}) is not supported: it must be x86-64 or 64-bit ARM.")
    # NumPy asks the processor at import on every platform; np.show_runtime() prints the same table.
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    if all(features.get(name) for name in ("AVX512F", "AVX512CD", "AVX512_SKX")):
        return "x86-64-v4"
    if features.get("AVX2") and features.get("FMA3"):
        return "x86-64-v3"
    return "x86-64-v2"
