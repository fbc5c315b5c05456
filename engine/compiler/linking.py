"""From object files to a shared library, for this machine or another one, with whatever linker this machine has."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import CompilerError

SYSTEM_COMPILERS = ("cc", "gcc", "clang")
OLDEST_GLIBC = "2.28"  # as TVM's own wheels ask for
Link = Callable[[str, Sequence[str] | str, Sequence[str] | None], None]


def find_linker(triple: str = "") -> list[str]:
    """The command that links for `triple`, such as aarch64-linux-gnu, or for this machine where it is empty: a C compiler
    of the system, or the one in the Python package ziglang.

    Raises CompilerError where there is neither.
    """
    for name in (f"{triple}-gcc",) if triple else SYSTEM_COMPILERS:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        zig = [sys.executable, "-m", "ziglang", "cc"]
        return [*zig, "-target", _zig_target(triple)] if triple else zig
    if triple:
        raise CompilerError(
            f"Compiling for {triple} needs a linker for it, and none was found. Install the Python package ziglang "
            f"(pip install ziglang){_debian_package(triple)}."
        )
    raise CompilerError(
        "Compiling a network needs a linker, and none was found. Install a C compiler (Debian and Ubuntu: "
        "sudo apt install gcc), or the Python package ziglang (pip install ziglang)."
    )


def _zig_target(triple: str) -> str:
    machine, _, system = triple.partition("-")
    machine = {"arm64": "aarch64"}.get(machine, machine)
    if system.startswith("apple"):
        return f"{machine}-macos"
    return f"{machine}-{system}.{OLDEST_GLIBC}" if system == "linux-gnu" else f"{machine}-{system}"


def _debian_package(triple: str) -> str:
    machine, _, system = triple.partition("-")
    if system != "linux-gnu":
        return ""
    return f", or on Debian and Ubuntu: sudo apt install gcc-{machine.replace('_', '-')}-linux-gnu"


def linker(triple: str = "") -> Link:
    """A function that links for `triple`, with the signature of TVM's own linkers."""

    def link(output: str, objects: Sequence[str] | str, options: Sequence[str] | None = None) -> None:
        """Links `objects` into the shared library `output`."""
        files = [objects] if isinstance(objects, str) else list(objects)
        command = [*find_linker(triple), "-shared", "-o", output, *files, *(options or [])]
        if "apple" in triple or (not triple and sys.platform == "darwin"):
            # What TVM's runtime brings is found when the library is loaded, as everywhere else.
            command.append("-Wl,-undefined,dynamic_lookup")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not Path(output).is_file():
            # Of what a linker says, the first line has the cause; the last one only that there was one.
            said = (done.stderr or done.stdout).strip().splitlines()[:1] or ["no message"]
            raise CompilerError(f"Linking a compiled network with {command[0]} failed: {said[0]}")

    return link
