"""Whether networks can be compiled and run: TVM's runtime, its compiler, and a linker."""

import os
import subprocess
import sys
from pathlib import Path

from engine.compiler.linking import find_linker
from engine.doctor.findings import Finding, State
from engine.doctor.packages import pinned_versions
from engine.errors import CompilerError

PROBE_S = 120.0
RUNTIME = "from engine.compiler import runtime; runtime.load_runtime()"
COMPILER = "from engine.compiler import ffi\nwith ffi.without_torch():\n    import engine.compiler.build"
TVM = ("apache-tvm", "apache-tvm-ffi")


def examine() -> list[Finding]:
    return [_probe("TVM runtime", RUNTIME), _probe("TVM compiler", COMPILER), _linker()]


def _probe(name: str, script: str) -> Finding:
    """In a process of its own: a library that does not fit this machine ends the process that loads it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return Finding(name, f"does not load within {PROBE_S:.0f} s: this machine is slow or busy", State.NOTE)
    if done.returncode == 0:
        return Finding(name, "loads")
    last = done.stderr.strip().splitlines()[-1:] or [f"ends with signal {-done.returncode}"]
    return Finding(name, f"does not load: {last[0]}", State.FAULT, _reinstall())


def _reinstall() -> str:
    pinned = pinned_versions()
    packages = [f"{name}=={pinned[name]}" if name in pinned else name for name in TVM]
    return f"pip install --force-reinstall --no-deps {' '.join(packages)}"


def _linker() -> Finding:
    try:
        return Finding("linker", " ".join(find_linker()))
    except CompilerError as error:
        return Finding(
            "linker", str(error), State.FAULT, "sudo apt install gcc (Debian, Ubuntu), or pip install ziglang"
        )
