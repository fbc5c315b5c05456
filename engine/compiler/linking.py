"""From object files to a shared library, with whatever linker this machine has."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import CompilerError

SYSTEM_COMPILERS = ("cc", "gcc", "clang")


def find_linker() -> list[str]:
    """The command that links: the system's C compiler, or the one in the Python package ziglang.

    Raises CompilerError where there is neither.
    """
    for name in SYSTEM_COMPILERS:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CompilerError(
        "Compiling a network needs a linker, and none was found. Install a C compiler (Debian and Ubuntu: "
        "sudo apt install gcc), or the Python package ziglang (pip install ziglang)."
    )


def link(output: str, objects: Sequence[str] | str, options: Sequence[str] | None = None) -> None:
    """Links `objects` into the shared library `output`. The signature is that of TVM's own linkers."""
    files = [objects] if isinstance(objects, str) else list(objects)
    command = [*find_linker(), "-shared", "-o", output, *files, *(options or [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not Path(output).is_file():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise CompilerError(f"Linking a compiled network with {command[0]} failed: {last[0]}")
