"""Python itself, and the packages that the program needs or can use."""

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from engine.doctor.findings import Finding, State
from engine.version import VERSION

OLDEST = (3, 11)
DISTRIBUTION = "litepose-live"
REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
# Newer ones than the tested are a note, with these exceptions: what is known to break.
BROKEN = {"apache-tvm-ffi": "0.1.15"}
OPTIONAL = {
    "mss": "the screen as a source",
    "pyvirtualcam": "a virtual camera for Teams, Zoom and OBS",
    "picamera2": "the Raspberry Pi's own camera",
}


def examine() -> list[Finding]:
    findings = [Finding("LitePose Live", VERSION), _python()]
    return [*findings, *_required(pinned_versions()), *_optional()]


def _python() -> Finding:
    version = f"{platform.python_version()} ({platform.machine()}, {sys.executable})"
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Finding(
            "Python", version, State.FAULT, f"Install Python {wanted} or later and make the environment with it"
        )
    return Finding("Python", version)


def pinned_versions() -> dict[str, str]:
    """The packages that the program was tested with: as this checkout lists them, or as the installed program does."""
    if REQUIREMENTS.is_file():
        return parse(REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    try:
        listed = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    return parse(line for line in listed if "extra ==" not in line)


def parse(lines: Iterable[str]) -> dict[str, str]:
    """Package -> version, of lines like “numpy==2.4.6  # why”."""
    found = (re.match(r"\s*([A-Za-z0-9._-]+)\s*==\s*([^\s;#]+)", line) for line in lines)
    return {match.group(1): match.group(2) for match in found if match}


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _required(pinned: dict[str, str]) -> list[Finding]:
    return [check(package, wanted, installed_version(package)) for package, wanted in pinned.items()]


def check(package: str, wanted: str, installed: str | None) -> Finding:
    remedy = f"pip install {package}=={wanted}"
    if installed is None:
        # Training and importing need it, running never does.
        if package == "torch":
            return Finding(package, "not installed: needed to train and to import weights", State.NOTE, remedy)
        return Finding(package, "not installed", State.FAULT, remedy)
    # A local part names the build, as in 2.13.0+cpu.
    if installed.partition("+")[0] == wanted:
        return Finding(package, installed)
    if package in BROKEN and _numbers(installed) >= _numbers(BROKEN[package]):
        return Finding(package, f"{installed} is known to crash", State.FAULT, remedy)
    if package == "apache-tvm":
        return Finding(package, f"{installed}; the compiler is written for {wanted}", State.FAULT, remedy)
    return Finding(package, f"{installed}; tested with {wanted}", State.NOTE, remedy)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _optional() -> list[Finding]:
    findings = []
    for package, purpose in OPTIONAL.items():
        if package == "picamera2" and not _is_raspberry():
            continue
        version = installed_version(package)
        if version:
            findings.append(Finding(package, version))
        else:
            findings.append(Finding(package, f"not installed: for {purpose}", State.NOTE, f"pip install {package}"))
    return findings


def _is_raspberry() -> bool:
    model = Path("/proc/device-tree/model")
    return model.is_file() and "Raspberry" in model.read_text(encoding="utf-8", errors="replace")
