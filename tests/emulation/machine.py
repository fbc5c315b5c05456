"""A 64-bit ARM Debian with Python, emulated by QEMU's user mode: no virtual machine, no root rights, no kernel module.

    python -m tests.emulation.machine FOLDER [--app]

Makes FOLDER once: a Debian root of arm64 packages and a virtual environment whose `python` is a script that starts the
emulator, so that programs that start `sys.executable` again work too. Needs Debian's packages qemu-user-static (or
qemu-user), mmdebstrap and, to link inside, gcc-aarch64-linux-gnu.

What an emulator takes says nothing about the time on a board.
"""

import argparse
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RELEASE = "trixie"  # Debian 13, as Raspberry Pi OS since October 2025: PyQt6's wheels need its C library
PACKAGES = ("base-files", "ca-certificates", "python3", "python3-venv", "libgomp1", "libstdc++6")
# Shared libraries that Qt and OpenCV load.
APP_PACKAGES = (
    "libgl1",
    "libegl1",
    "libglib2.0-0t64",
    "libdbus-1-3",
    "libfontconfig1",
    "libxkbcommon0",
    "fontconfig-config",
    "fonts-dejavu-core",
)
# The rest of the root would hide this machine's own /proc, /tmp and so on.
KEPT = ("./usr", "./etc", "./lib", "./bin", "./sbin")
EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
LINKER = "aarch64-linux-gnu-gcc"
DEBIAN = {"qemu-aarch64-static": "qemu-user-static", "mmdebstrap": "mmdebstrap", LINKER: "gcc-aarch64-linux-gnu"}


@dataclass(frozen=True, slots=True)
class Machine:
    """folder: where it lies. Paths inside are those of this machine, but what the Debian root has hides what is here."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        cpu: str = "max",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        capture: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs Python inside. cpu: what QEMU plays, such as cortex-a72: instructions that it has not end the process."""
        variables = {**os.environ, "QEMU_CPU": cpu, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}
        variables.pop("PYTHONPATH", None)
        variables |= environment or {}
        return subprocess.run(
            [self.python, *arguments], cwd=folder, env=variables, capture_output=capture, text=True, check=False
        )

    def expect(self, arguments: Sequence[str | Path], **options: object) -> str:
        """As `run`; what it printed. Ends the program with what it said where it fails."""
        done = self.run(arguments, **options)  # type: ignore[arg-type]
        if done.returncode:
            command = " ".join(map(str, arguments))
            sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, *arguments: str) -> None:
        """pip inside the machine."""
        # Debian's wheel of pip, started from its file: ensurepip copies attributes, which the emulator does not redirect.
        (wheel,) = self.root.glob("usr/share/python-wheels/pip-*.whl")
        own = [str(wheel / "pip")] if not (self.bin / "pip").exists() else ["-m", "pip"]
        done = self.run(
            [
                *own,
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-compile",
                "--only-binary=:all:",
                *arguments,
            ],
            capture=False,
        )
        if done.returncode:
            sys.exit(f"pip install {' '.join(arguments)}: exit code {done.returncode}")


def emulator() -> str:
    for name in EMULATORS:
        if path := shutil.which(name):
            return path
    sys.exit(f"Emulation needs QEMU: sudo apt install {DEBIAN[EMULATORS[0]]}")


def make(folder: Path, *, app: bool = False) -> Machine:
    """The machine in `folder`, made now where it is not there yet. app: with what the window needs."""
    machine = Machine(folder.resolve())
    packages = [*PACKAGES, *(APP_PACKAGES if app else ())]
    made = machine.folder / "packages"
    if made.is_file() and set(packages) <= set(made.read_text().split()):
        return machine
    qemu = emulator()
    if not shutil.which("mmdebstrap"):
        sys.exit("Emulation needs mmdebstrap: sudo apt install mmdebstrap")
    if machine.folder.exists() and any(machine.folder.iterdir()) and not machine.root.is_dir():
        sys.exit(f"“{machine.folder}” is no emulated machine and not empty. Choose another folder.")
    for part in (machine.root, machine.bin.parent):
        shutil.rmtree(part, ignore_errors=True)
    machine.root.mkdir(parents=True)
    _make_root(machine.root, packages)
    _make_environment(machine, qemu)
    made.write_text("\n".join(packages))
    return machine


def _make_root(root: Path, packages: Sequence[str]) -> None:
    """The packages' files, without running anything of theirs."""
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--architectures=arm64", f"--include={','.join(packages)}"]
    with subprocess.Popen([*command, RELEASE, "-"], stdout=subprocess.PIPE) as debian:
        # Without --same-owner this needs no rights; and a tar file has no device files that would.
        done = subprocess.run(["tar", "-xf", "-", "-C", root, *KEPT], stdin=debian.stdout, check=False)
    if debian.returncode or done.returncode:
        sys.exit("The Debian root could not be made; see above.")


def _make_environment(machine: Machine, qemu: str) -> None:
    python = (machine.root / "usr/bin/python3").resolve()
    command: list[str | Path] = [qemu, "-L", machine.root, python, "-m", "venv", "--without-pip", machine.bin.parent]
    subprocess.run(command, check=True)
    for link in machine.bin.glob("python*"):
        link.unlink()
    # -0: Python finds its environment by the name that it was started with.
    _script(machine.python, f'exec "{qemu}" -L "{machine.root}" -0 "$0" "{python}" "$@"')
    (machine.bin / "python3").symlink_to("python")
    if linker := shutil.which(LINKER):
        # The emulated Python starts it as a program of this machine, under the name that it looks for.
        _script(machine.bin / "cc", f'exec "{linker}" "$@"')
    else:
        print(f"Nothing can be linked inside without {LINKER}: sudo apt install {DEBIAN[LINKER]}", file=sys.stderr)


def _script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make an emulated 64-bit ARM machine.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--app", action="store_true", help="with the libraries that the window needs")
    args = parser.parse_args()
    machine = make(args.folder, app=args.app)
    print(
        machine.expect(
            ["-c", "import platform; print(platform.platform(), 'Python', platform.python_version())"]
        ).strip()
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
